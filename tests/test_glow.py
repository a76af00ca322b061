"""Glow is invertible, its f(x)[k] is log p(x, k) exactly, and it draws by inversion."""

import copy
import math
import os
import subprocess
from itertools import islice

import pytest
import torch
from torch.autograd.functional import jacobian
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal, Normal

import jeat
from jeat.cli import main
from jeat.data import Batch
from jeat.data.dequantise import dequantised, in_bits
from jeat.energy import cross_entropy, joint_energy, marginal_energy
from jeat.jobs.drawing import Drawing, draw
from jeat.metrics import Subject, accuracy, bits_per_dimension
from jeat.metrics.bits_per_dimension import measure
from jeat.nets import Spec, build, evaluating, load_net, save_net
from jeat.objectives import make
from jeat.runs.fit import fit
from jeat.samplers import Restart, Uniform, langevin, last
from jeat.training.plan import Optimisation, Plan

from .conftest import DIGITS
from .test_run import assert_same_run
from .test_shards import HERE, TORCHRUN

CLASSES = ("one", "two", "three")
SHAPES = [
    ("glow-2-2-8", (1, 8, 8)), ("glow-1-1-4", (3, 9, 9)), ("glow-3-2-8", (3, 32, 32)),
    ("glow-2-3-8", (2, 8, 12)), ("glow-1-2-4", (1, 2, 2)), ("glow-3-1-4", (1, 8, 8)),
]  # fmt: skip
every_shape = pytest.mark.parametrize(("name", "shape"), SHAPES)
either = pytest.mark.parametrize("head", [False, True], ids=["bayes", "head"])


def flow(name, shape, *, spread=0.1, **settings):
    """A net in eval mode whose layers all do something; actnorm is fit to noise."""
    size = shape[1:] if shape[1] != shape[2] else shape[1]
    net = build(Spec(name, shape[0], size, CLASSES, settings))
    net(torch.rand(64, *shape))
    with torch.no_grad():
        for p in net.parameters():
            p.add_(spread * torch.randn_like(p) / max(1, p[0].numel()) ** 0.5)
    return net.eval()


def digits_flow(**settings):
    return build(Spec("glow-2-2-8", 1, 8, DIGITS.classes, settings))


# The map


@every_shape
def test_it_is_invertible_both_ways(name, shape):
    net = flow(name, shape)
    x = torch.rand(8, *shape)
    z, left, _ = net.encode(x)
    torch.testing.assert_close(net.decode(z, left), x, rtol=0, atol=1e-4)
    z = torch.randn_like(z)
    left = [torch.randn_like(e) for e in left]
    again, others, _ = net.encode(net.decode(z, left))
    torch.testing.assert_close(again, z, rtol=0, atol=1e-4)
    torch.testing.assert_close(others, left, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("name", "shape"), [s for s in SHAPES if s[1][1] < 20])
def test_the_log_determinant_is_autograds(name, shape):
    net = flow(name, shape).double()
    x = torch.rand(3, *shape, dtype=torch.float64)

    def latents(x):
        z, left, _ = net.encode(x[None])
        return torch.cat([t.flatten() for t in (z, *left)])

    for one, log_det in zip(x, net.encode(x)[2], strict=True):
        J = jacobian(latents, one).flatten(1)
        assert J.shape[0] == J.shape[1]
        torch.testing.assert_close(torch.linalg.slogdet(J).logabsdet, log_det)


def test_each_latent_depends_on_the_image():
    net = flow("glow-2-2-8", (1, 8, 8))
    z, left, _ = net.encode(torch.rand(2, 1, 8, 8).repeat_interleave(2, 0) + torch.rand(4, 1, 1, 1))
    for t in (z, left[0]):
        assert (t[0] != t[1]).all()


# The density


@either
@every_shape
def test_a_logit_is_the_log_density_of_the_latents_and_of_the_map_class_by_class(name, shape, head):
    net = flow(name, shape, head=head).double()
    x = torch.rand(4, *shape, dtype=torch.float64)
    z, left, log_det = net.encode(x)
    rest = log_det + sum(Normal(0.0, 1.0).log_prob(e).flatten(1).sum(1) for e in left)
    logits = net(x)
    if head:
        (mu,), (log_sigma,) = net.mean, net.log_deviation
        log_p_x = Normal(mu, log_sigma.exp()).log_prob(z).flatten(1).sum(1) + rest
        p = torch.nn.functional.linear(z.mean((2, 3)), net.head.weight, net.head.bias).softmax(1)
        torch.testing.assert_close(logits.logsumexp(1), log_p_x)
        torch.testing.assert_close(logits.softmax(1), p)
        return
    each = [
        Normal(net.mean[k], net.log_deviation[k].exp()).log_prob(z).flatten(1).sum(1)
        + math.log(1 / 3) + rest
        for k in range(3)
    ]  # fmt: skip
    torch.testing.assert_close(logits, torch.stack(each, 1))
    torch.testing.assert_close(marginal_energy(logits), -torch.stack(each, 1).logsumexp(1))


@either
def test_the_density_integrates_to_1(head):
    """By importance sampling from wide Gaussians, which know nothing of the determinant."""
    net = flow("glow-1-2-4", (1, 2, 2), head=head).double()
    with torch.no_grad():
        drawn = net.decode(torch.randn(9999, 4, 1, 1).double(), [torch.zeros(9999, 0, 1, 1)])
        drawn = drawn.flatten(1)
        means, scales = drawn.mean(0).expand(2, 4), torch.tensor([1.5, 20.0])[:, None, None]
        wide = MultivariateNormal(means, scales * drawn.T.cov())
        proposal = MixtureSameFamily(Categorical(torch.ones(2)), wide)
        x = proposal.sample((200_000,))
        log_p = -marginal_energy(net(x.view(-1, 1, 2, 2)))
        ratio = (log_p - proposal.log_prob(x)).exp()
    error = float(ratio.std()) / len(ratio) ** 0.5
    assert error < 0.01
    assert abs(float(ratio.mean()) - 1) < 4 * error


def test_a_pass_in_bf16_has_its_map_of_channels_in_fp32():
    """The density stays one: what is rounded is a shift or a scale, which the determinant sees."""
    net = flow("glow-2-2-8", (1, 8, 8))
    x = torch.rand(4, 1, 8, 8)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        z, left, _ = net.encode(x)
        again = net.decode(z, left)
    assert z.dtype == torch.float32
    torch.testing.assert_close(again, x, rtol=0, atol=1e-4)


def test_onnx_holds_the_density(tmp_path):
    pytest.importorskip("onnxruntime")
    from jeat.exports import onnx

    net, x = flow("glow-2-1-8", (1, 8, 8)), torch.rand(3, 1, 8, 8)
    onnx.write(net, tmp_path / "net.onnx")
    found = onnx.read(tmp_path / "net.onnx")(x)["logits"]
    torch.testing.assert_close(found, net(x), rtol=1e-4, atol=1e-3)


# Its beginning


def test_actnorm_is_fit_to_the_first_batch_that_is_learnt_from():
    net, x = digits_flow(), torch.rand(32, 1, 8, 8)
    before = copy.deepcopy(net.state_dict())
    net(x)
    assert net.begun
    step = net.levels[0].steps[0]
    seen = []
    step.norm.register_forward_hook(lambda m, i, out: seen.append(out))
    net(x)
    torch.testing.assert_close(seen[0].mean((0, 2, 3)), torch.zeros(4), rtol=0, atol=1e-5)
    torch.testing.assert_close(seen[0].std((0, 2, 3), correction=0), torch.ones(4))
    begun = copy.deepcopy(net.state_dict())
    net(torch.rand(32, 1, 8, 8) / 2)
    assert all(torch.equal(begun[k], v) for k, v in net.state_dict().items())
    changed = {k for k, v in begun.items() if not torch.equal(v, before[k])}
    assert {k.rpartition(".")[2] for k in changed} == {"shift", "log_scale", "begun"}


def test_nothing_but_a_training_pass_fits_it():
    """Neither eval mode, nor an attack or chain, nor a pass without gradients."""
    net, x, y = digits_flow(), *DIGITS.test.floats(8)
    before = copy.deepcopy(net.state_dict())
    net.eval()(x)
    net.train()
    with torch.no_grad():
        net(x)
    net(x.clone().requires_grad_())
    with evaluating(net):
        jeat.attacks.pgd(net, x, y, eps=0.1, steps=2, step_size=0.05)
        last(langevin(jeat.energy.energy_of(net), x, steps=2, step_size=0.01, noise=0.0))
    jeat.sample(net, y)
    accuracy(net, x, y)
    assert not net.begun
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())


def test_a_channel_that_does_not_vary_is_not_blown_up():
    net = digits_flow()
    assert net(torch.zeros(4, 1, 8, 8)).isfinite().all()
    assert net.begun


def test_a_run_begins_with_its_first_batch_and_not_with_the_two_images_of_a_rehearsal(tmp_path):
    o = Optimisation(epochs=1 / 11, lr=1e-9, evaluate_images=10)
    list(fit(Plan("glow", net="glow-2-2-8", optimisation=o), tmp_path / "run"))
    net = jeat.load(tmp_path / "run")
    seen = []
    net.levels[0].steps[0].norm.register_forward_hook(lambda m, i, out: seen.append(out))
    net(DIGITS.train.floats()[0])
    assert net.begun
    assert seen[0].mean((0, 2, 3)).abs().max() < 0.1
    assert (seen[0].std((0, 2, 3)) - 1).abs().max() < 0.1


def test_a_copy_and_a_file_know_whether_it_has_begun(tmp_path):
    for net in (digits_flow(), digits_flow()):
        if begun := not (tmp_path / "net").exists():
            net(torch.rand(8, 1, 8, 8))
        save_net(net, None, tmp_path / "net", about={}, precision="fp16")
        for again in (copy.deepcopy(net), load_net(tmp_path / "net")):
            assert bool(again.begun) == begun


PROCESSES = """
import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel
from jeat.nets import Spec, build

distributed.init_process_group("gloo")
torch.manual_seed(0)
net = build(Spec("glow-2-1-8", 1, 8, ("a", "b")))
torch.manual_seed(1 + distributed.get_rank())
parallel = DistributedDataParallel(net)
(-parallel(torch.rand(16, 1, 8, 8))).mean().backward()
with torch.no_grad():
    for p in net.parameters():
        p -= 0.1 * p.grad
weights = torch.nn.utils.parameters_to_vector(net.parameters())
first = weights.clone()
distributed.broadcast(first, 0)
assert net.begun and torch.equal(weights, first)
distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_processes_begin_alike_and_stay_so(tmp_path):
    """Each has images of its own; the scales are fit to those of the first."""
    (tmp_path / "two.py").write_text(PROCESSES)
    path = os.pathsep.join([str(HERE / "src"), str(HERE)])
    subprocess.run(
        [*TORCHRUN, str(tmp_path / "two.py")], check=True, capture_output=True,
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


# Learning


def test_bits_are_those_of_closed_forms():
    """8 of the uniform density on [0, 1], and of N(1/2, s) its entropy and more."""
    x = torch.randint(256, (500, 2, 4, 4)) / 255
    u = dequantised(x)
    assert (u >= 0).all()
    assert (u < 1).all()
    assert torch.equal((256 * u).floor(), (255 * x).round())
    torch.testing.assert_close(in_bits(torch.zeros(3), u), torch.full((3,), 8.0))
    net = build(Spec("glow-1-1-4", 2, 4, CLASSES))
    step, s = net.levels[0].steps[0], 0.3
    step.coupling[-1].bias.data[1::2] = 0
    with torch.no_grad():
        step.coupling[-1].bias.fill_(30.0)  # a scale of 1, and a shift that is taken away
        step.coupling[-1].bias[: len(step.coupling[-1].bias) // 2] = 0
        step.norm.log_scale.fill_(-math.log(s))
    bits = bits_per_dimension(net, x).double()
    expected = 8 + math.log2(s * (2 * math.pi) ** 0.5) + 1 / 12 / s**2 / 2 / math.log(2)
    assert abs(float(bits.mean()) - expected) < 4 * float(bits.std()) / len(bits) ** 0.5
    error = measure(Subject(net, x, torch.zeros(500).long()))["bits_per_dimension_error"]
    assert error == pytest.approx(float(bits.std()) / 500**0.5, rel=0.1)


@pytest.mark.parametrize("w_clf", [0.0, 0.3])
def test_the_loss_is_e_x_y_in_bits_and_cross_entropy(w_clf, smooth_net):
    x, y = DIGITS.train.floats(16)
    torch.manual_seed(3)
    loss, metrics = make("glow", Restart(Uniform((1, 8, 8)), 10), {"w_clf": w_clf})(
        smooth_net, Batch(x, y)
    )
    torch.manual_seed(3)
    logits = smooth_net(dequantised(x))
    bits = joint_energy(logits, y).mean() / (64 * math.log(2)) + 8
    torch.testing.assert_close(loss, bits + w_clf * cross_entropy(logits, y).mean() / math.log(2))
    E = marginal_energy(logits).mean()
    torch.testing.assert_close(metrics["bits"], E.detach() / (64 * math.log(2)) + 8)


SHORT = Optimisation(epochs=4, batch_size=128, lr=5e-3, log_every=1, save_every=16)
x_test, y_test = DIGITS.test.floats()


@pytest.fixture(scope="module", params=[False, True], ids=["bayes", "head"])
def trained(request, tmp_path_factory):
    """44 iterations on digits."""
    out = tmp_path_factory.mktemp("glow") / "run"
    plan = Plan("glow", net="glow-2-2-16", architecture={"head": request.param}, optimisation=SHORT)
    logs = list(fit(plan, out))
    return plan, out, logs


def test_a_few_iterations_lower_bits_and_classify(trained):
    _, out, logs = trained
    net = jeat.load(out)
    bits = [log.metrics["bits"] for log in logs]
    measured = measure(Subject(net, x_test, y_test))
    assert bits[0] - 0.4 > measured["bits_per_dimension"]
    assert measured["bits_per_dimension"] < 8
    assert accuracy(net, x_test, y_test) > 0.4
    assert all(log.metrics.get("E_clean", 0) < 1e6 for log in logs)


def test_it_resumes_exactly(trained, tmp_path):
    plan, uninterrupted, _ = trained
    out = tmp_path / "run"
    list(islice(fit(plan, out), 20))
    torch.rand(5)
    list(fit(plan, out, resume=True))
    assert_same_run(out, uninterrupted)


# Drawing


def test_draws_have_the_latents_that_they_were_drawn_from():
    net = flow("glow-2-2-8", (1, 8, 8), temperature=0.6).double()
    y = torch.arange(3).repeat_interleave(2000)
    z, left, _ = net.encode(net.draw(y))
    for k in range(3):
        standard = (z[y == k] - net.mean[k]) / net.log_deviation[k].exp() / 0.6
        for t in (standard, left[0][y == k] / 0.6):
            t = t.detach()
            assert abs(float(t.mean())) < 4 / t.numel() ** 0.5
            assert abs(float(t.square().mean()) - 1) < 4 * (2 / t.numel()) ** 0.5


def test_sample_inverts_unless_a_chain_is_named():
    net, y = flow("glow-2-2-8", (1, 8, 8)), torch.arange(3)
    torch.manual_seed(1)
    expected = net.draw(y).clamp(0, 1)
    torch.manual_seed(1)
    assert torch.equal(jeat.sample(net, y), expected)
    net.chain = jeat.samplers.Chain(steps=3, step_size=1e-3)
    asked = [{"steps": 2}, {"step_size": 1e-3}, {"noise": 0.0}, {"start": Uniform((1, 8, 8))},
             {"energy": "cross-entropy"}, {"sampler": lambda E, x: iter([x])}]  # fmt: skip
    for how in asked:
        passes = []
        hook = net.register_forward_pre_hook(lambda m, x, seen=passes: seen.append(x))
        torch.manual_seed(1)
        found = jeat.sample(net, y, **how)
        hook.remove()
        torch.manual_seed(1)
        first = torch.rand(3, 1, 8, 8)
        assert (found - first).abs().mean() < 0.1
        assert len(passes) == (1 if "sampler" in how else 3 if "steps" in how else 4)


def test_with_a_head_it_draws_by_chains():
    """Its classes have no Gaussian."""
    net = digits_flow(head=True).eval()
    assert net.draw is None
    torch.manual_seed(1)
    images = jeat.sample(net, torch.arange(3), steps=2)
    torch.manual_seed(1)
    net.chain = jeat.samplers.Chain(steps=2)
    assert torch.equal(jeat.sample(net, torch.arange(3)), images)


def test_the_command_draws_by_inversion_and_its_seed_and_temperature_count(tmp_path):
    files = {}
    for t in (0.0, 0.7):
        net = flow("glow-2-2-8", (1, 8, 8), temperature=t)
        files[t] = str(tmp_path / f"{t}.safetensors")
        save_net(net, None, files[t], about={})
    images, labels = draw(Drawing(files[0.7], number=2, seed=3))
    net = load_net(tmp_path / "0.7.safetensors")
    torch.manual_seed(3)
    torch.testing.assert_close(images, jeat.sample(net, labels))
    cold = draw(Drawing(files[0.0], number=2))[0]
    assert torch.equal(cold[::2], cold[1::2])
    by_chain = draw(Drawing(files[0.7], number=2, steps=1, step_size=1e-9, noise=0.0, seed=3))[0]
    assert not torch.equal(by_chain, images)
    assert main(["sample", files[0.7], str(tmp_path / "x.png"), "-n", "1"]) == 0


def test_one_draw_that_is_not_finite_is_refused():
    net = flow("glow-2-2-8", (1, 8, 8))
    net.mean.data.fill_(torch.inf)
    with pytest.raises(ValueError, match="NaN or infinite"):
        jeat.sample(net, torch.arange(3))


# Refusals


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("name", "size", "settings", "said"),
    [
        ("glow-4-1-4", 8, {}, "1 x 1 pixels are made of no squares: take fewer levels"),
        ("glow-1-1-4", (8, 9), {}, "8 x 9 pixels are made of no squares"),
        ("glow-0-1-4", 8, {}, "are 1 or more"),
        ("glow-1-1-4", 8, {"temperature": -1.0}, "temperature must not be negative"),
    ],
)
def test_what_cannot_be_built_is_refused(name, size, settings, said):
    with pytest.raises(ValueError, match=said):
        build(Spec(name, 1, size, CLASSES, settings))


def test_bits_are_refused_of_nets_that_know_p_up_to_a_constant(net):
    with pytest.raises(ValueError, match="up to a constant only"):
        bits_per_dimension(net, DIGITS.test.floats(2)[0])
