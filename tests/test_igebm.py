"""IGEBM: an energy of each class, found alone in one pass, and chains that keep their labels."""

import copy

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.optim.swa_utils import AveragedModel

import jeat
from jeat.cli import main
from jeat.cli._training import parser_of, plan_of
from jeat.data import Batch
from jeat.energy import energy_of, joint_energy_at, score
from jeat.metrics import fisher_score
from jeat.nets import Spec, build, evaluating, load_net, save_net
from jeat.nets.igebm import SpectralConv
from jeat.objectives import IGEBM, make
from jeat.objectives.igebm import dequantised
from jeat.runs.checkpoints import _own_tensors
from jeat.samplers import LabelledBuffer, Restart, Uniform
from jeat.training.iteration import UNLIMITED, State

CLASSES = tuple("0123456789")
restart = Restart(Uniform((1, 8, 8)), 10)


def trained(name="igebm-4", channels=1, size=8):
    """A net whose weights are as those of none at its beginning, in eval mode and fp64."""
    net = build(Spec(name, channels, size, CLASSES)).double()
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.3 * torch.randn_like(p))
        for _ in range(50):
            net(torch.rand(1, channels, size, size).double())
    return net.eval()


def gradients(loss, net):
    return nn.utils.parameters_to_vector(torch.autograd.grad(loss, list(net.parameters())))


# The net


def test_logits_are_minus_the_energies_of_each_class_by_the_formula_of_the_blocks():
    """Class by class and image by image, written out in functions of torch alone."""
    net, x = trained("igebm-4-2", 3, 8), torch.rand(2, 3, 8, 8).double()
    f = nn.functional

    def weight(conv):
        W = conv.weight.detach()
        sigma = torch.linalg.matrix_norm(W.flatten(1), 2)
        return W / (max(sigma, 1.0) if conv.only_down else sigma)

    def conv(layer, h):
        return f.conv2d(h, weight(layer), padding=layer.kernel_size[0] // 2)

    for i in range(2):
        for k in range(10):
            h = f.pixel_unshuffle(x[i : i + 1], 2)
            h = f.leaky_relu(conv(net.first.conv, h), 0.2)
            for n, block in enumerate(net.blocks):
                out = f.leaky_relu(conv(block.conv1, h + block.a[k].view(1, -1, 1, 1)), 0.2)
                out = conv(block.conv2, out + block.b[k].view(1, -1, 1, 1))
                out = out * block.g[k].view(1, -1, 1, 1)
                h = out + (h if h.shape == out.shape else conv(block.shortcut, h))
                if n % 2 == 0 and h.shape[-1] > 1:
                    h = f.avg_pool2d(h, 2)
                h = f.leaky_relu(h, 0.2)
            E = net.linear(f.relu(h).sum((2, 3)))
            torch.testing.assert_close(net(x)[i, k], -E.squeeze(), rtol=1e-4, atol=1e-5)


def test_classes_differ_by_each_of_their_biases_and_gains():
    net, x = trained(), torch.rand(3, 1, 8, 8).double()
    for name, p in net.named_parameters():
        if name.rpartition(".")[2] in "abg":
            before = net(x).detach()
            with torch.no_grad():
                p[4] += 0.5
            moved = (net(x) != before).all(0)
            assert moved.tolist() == [k == 4 for k in range(10)], name


def test_the_energy_of_given_classes_is_minus_their_logits_with_the_same_gradients():
    net, x, y = trained(), torch.rand(6, 1, 8, 8).double(), torch.tensor([0, 9, 3, 3, 1, 7])
    x.requires_grad_()
    alone, chosen = net.joint(x, y), -net(x)[torch.arange(6), y]
    torch.testing.assert_close(alone, chosen)
    for of in (net.first.conv.weight, net.blocks[2].g, x):
        one, other = (
            torch.autograd.grad(E.square().sum(), of, retain_graph=True) for E in (alone, chosen)
        )
        torch.testing.assert_close(one, other)


def rows(net):
    """How many images the third block of a net has seen, pass by pass."""
    seen = []
    net.blocks[2].register_forward_pre_hook(lambda m, given: seen.append(len(given[0])))
    return seen


def test_chains_of_given_classes_take_one_pass_a_step_and_those_of_e_x_one_a_class():
    net, x, y = trained().float(), torch.rand(5, 1, 8, 8), torch.arange(5)
    seen = rows(net)
    jeat.sample(net, y, steps=3)
    assert seen == [5] * 3 + [50]  # a look at the logits of the end
    seen.clear()
    score(energy_of(net), x)
    assert seen == [50]
    seen.clear()
    fisher_score(net, x, y, probes=1)
    assert seen == [5]


@pytest.mark.parametrize("wrapped", [
    nn.DataParallel, AveragedModel, lambda n: torch.compile(n, backend="eager"),
    lambda n: nn.DataParallel(AveragedModel(n)), copy.deepcopy,
    lambda n: jeat.wrap(n, images=(1, 8, 8), classes=10),
])  # fmt: skip
def test_a_wrapped_net_has_the_energies_of_the_net(wrapped):
    net, x, y = trained().float(), torch.rand(5, 1, 8, 8), torch.arange(5)
    other = wrapped(net).eval()
    torch.testing.assert_close(energy_of(other, y)(x), energy_of(net, y)(x))
    torch.testing.assert_close(score(energy_of(other, y), x), score(energy_of(net, y), x))
    torch.testing.assert_close(other(x), net(x))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (torch.rand(2, 1, 8, 8), torch.tensor([0, 10]), r"labels must lie in 0\.\.9"),
        (torch.rand(2, 1, 8, 8), torch.tensor([-1, 1]), r"labels must lie in 0\.\.9"),
        (torch.rand(2, 1, 8, 8), torch.tensor([1]), "2 rows of logits but 1 labels"),
        (torch.rand(2, 1, 8, 8), torch.tensor([0.5, 1.0]), "whole numbers"),
        (torch.rand(2, 3, 8, 8), torch.tensor([0, 1]), "takes images of"),
    ],
)
def test_images_and_labels_that_do_not_fit_are_refused_in_one_line(x, y, said):
    with pytest.raises(ValueError, match=said) as error:
        energy_of(trained().float(), y)(x)
    assert "\n" not in str(error.value)


class Odd(nn.Module):
    """A net whose ``joint`` gives logits."""

    def forward(self, x):
        return x.flatten(1)

    def joint(self, x, y):
        return self(x)


def test_a_joint_of_ones_own_that_gives_no_energies_is_refused():
    with pytest.raises(ValueError, match=r"joint\(x, y\) of a net must give energies \(2,\)"):
        energy_of(Odd().eval(), torch.zeros(2, dtype=torch.int64))(torch.rand(2, 1, 2, 2))


@pytest.mark.parametrize("name", ["igebm-0", "igebm-4-0", "igebm-4-3", "igebm-4-8"])
def test_a_width_or_fold_that_does_not_fit_is_refused(name):
    with pytest.raises(ValueError, match=r"cannot be built: .*(width|fold|small)"):
        build(Spec(name, 1, 8, CLASSES))


# Spectral norms


def norms(net):
    """The spectral norm of what each convolution multiplies by, and of its own weights."""
    convs = [m for m in net.modules() if isinstance(m, SpectralConv)]
    assert len(convs) == 14  # the first, two a block, a shortcut
    two = [(c.normalised().detach(), c.weight.detach()) for c in convs]
    return [[float(torch.linalg.matrix_norm(W.flatten(1), 2)) for W in pair] for pair in two]


def test_spectral_norms_come_to_1_in_train_mode_and_second_convolutions_are_never_raised():
    net = build(Spec("igebm-4", 1, 8, CLASSES)).train()
    weak = [m for m in net.modules() if isinstance(m, SpectralConv) and m.only_down]
    assert all(m.weight.abs().max() < 1e-8 for m in weak)
    with torch.no_grad():
        for i, conv in enumerate(weak):
            conv.weight.copy_(torch.randn_like(conv.weight) * (10 if i % 2 else 0.01))
    for _ in range(300):
        net(torch.rand(1, 1, 8, 8))
    found = norms(net.eval())
    kinds = [m.only_down for m in net.modules() if isinstance(m, SpectralConv)]
    for (now, own), only_down in zip(found, kinds, strict=True):
        assert now == pytest.approx(min(own, 1.0) if only_down else 1.0, abs=1e-3)


def test_eval_mode_changes_nothing_and_train_mode_steps_once_a_pass():
    net, x = build(Spec("igebm-4", 1, 8, CLASSES)), torch.rand(2, 1, 8, 8)
    with evaluating(net):
        before = copy.deepcopy(net.state_dict())
        first, _ = net(x), net.joint(x, torch.tensor([0, 1]))
        assert torch.equal(first, net(x))
    torch.testing.assert_close(net.state_dict(), before, rtol=0, atol=0)
    conv = net.first.conv
    W, u = conv.weight.detach().flatten(1), conv.u.clone()
    net(x)
    expected = W @ (W.T @ u)
    torch.testing.assert_close(conv.u, expected / expected.norm())


def test_two_passes_of_train_mode_in_one_loss_have_the_gradient_of_fixed_directions():
    """sigma = |W^T u|: by finite differences, at the directions u of each pass."""
    conv = SpectralConv(2, 3, 3).double()
    x = torch.rand(1, 2, 4, 4).double()
    loss = conv(x).square().sum() + conv(x).square().sum()
    (g,) = torch.autograd.grad(loss, conv.weight)
    assert g.isfinite().all()
    conv.eval()
    assert torch.autograd.gradcheck(
        lambda W: torch.func.functional_call(conv, {"weight": W}, x),
        conv.weight.detach().clone().requires_grad_(),
    )


def test_a_net_and_its_average_keep_their_norms_in_files_and_copies(tmp_path):
    net = build(Spec("igebm-4", 1, 8, CLASSES))
    average = AveragedModel(net, avg_fn=lambda a, w, n: 0.9 * a + 0.1 * w, use_buffers=True)
    for _ in range(100):
        net(torch.rand(1, 1, 8, 8))
        average.update_parameters(net)
    for whole in (net, average.module):
        assert all(now <= 1.02 for now, _ in norms(whole.eval()))
        save_net(whole, None, tmp_path / "net.safetensors")
        x = torch.rand(3, 1, 8, 8)
        for again in (load_net(tmp_path / "net.safetensors"), copy.deepcopy(whole)):
            torch.testing.assert_close(again(x), whole(x))


# Labels of chains


def coded(y):
    """A start whose only value is its label."""
    return (y.float() / 10).view(-1, 1, 1, 1).expand(-1, 1, 8, 8).clone()


class Recorded(nn.Module):
    """A net of no gradient to speak of, which notes the images and labels that it is asked for."""

    def __init__(self):
        super().__init__()
        self.w, self.asked = nn.Parameter(torch.ones(10)), []

    def forward(self, x):
        return x.mean((1, 2, 3))[:, None] * self.w

    def joint(self, x, y):
        self.asked.append((x.detach(), y))
        return -self(x).gather(1, y[:, None]).squeeze(1)


@pytest.mark.parametrize("rho", [0.0, 0.3])
def test_replayed_states_keep_their_labels(rho):
    """A chain that stays where it is: its image says the label that it began with."""
    objective, net = IGEBM(Restart(coded, 10), buffer_size=30, rho=rho), Recorded()
    objective.sampler = lambda E, x: iter([x.clone()])
    before = objective.buffer.labels.clone()
    replayed = 0
    for i in range(20):
        y = torch.full((16,), i % 10)
        net.asked.clear()
        objective(net, Batch(torch.rand(16, 1, 8, 8), y, logged=False))
        (_, y_pos), (x_neg, y_neg) = net.asked
        assert torch.equal(y_pos, y)
        assert torch.equal((x_neg.mean((1, 2, 3)) * 10).round().long(), y_neg)
        replayed += int((y_neg != y).sum())
    said = (objective.buffer.states.mean((1, 2, 3)) * 10).round().long()
    assert torch.equal(said, objective.buffer.labels)
    assert replayed > 100
    assert torch.equal(objective.buffer.labels, before) == (rho == 0)


def test_a_labelled_buffer_restarts_with_labels_of_the_batch_and_draws_as_the_plain_one():
    buffer, y = LabelledBuffer(Restart(coded, 10), size=50, rho=1.0), torch.full((40,), 7)
    states = buffer.states.clone()
    x0, labels, slots = buffer.draw_of(y)
    assert torch.equal(labels, y)
    assert torch.equal(x0, coded(y))
    assert torch.equal(buffer.states, states)
    assert len(set(slots.tolist())) == 40
    buffer.put_of(slots, x0 + 1, labels)
    assert torch.equal(buffer.states[slots], x0 + 1)
    assert torch.equal(buffer.labels[slots], labels)
    buffer.rho = 0.25
    draws = []
    for draw in (lambda: buffer.draw(20)[1], lambda: buffer.draw_of(y[:20])[2]):
        torch.manual_seed(3)
        draws.append(draw())
    assert torch.equal(*draws)
    with pytest.raises(ValueError, match="cannot draw 60 states from a buffer of 50"):
        buffer.draw_of(torch.zeros(60, dtype=torch.int64))


def test_processes_share_a_labelled_buffer_and_are_dealt_labels_with_their_states(
    tmp_path, monkeypatch
):
    """Two processes save, one goes on."""
    for rank in (0, 1):
        monkeypatch.setenv("WORLD_SIZE", "2")
        monkeypatch.setenv("RANK", str(rank))
        objective = IGEBM(Restart(coded, 10), buffer_size=31)
        assert len(objective.buffer.labels) == len(objective.buffer.states) == 15 + rank
        tensors = {f"objective.{k}": v for k, v in objective.state_dict().items()}
        save_file(tensors, tmp_path / f"process-{rank}.safetensors")
    monkeypatch.delenv("WORLD_SIZE")
    whole = IGEBM(Restart(coded, 10), buffer_size=31)
    state = State(Recorded(), whole, ema=None, limits=UNLIMITED)
    own = _own_tensors(state, tmp_path, 2)
    labels, states = (own[f"objective.buffer.{k}"] for k in ("labels", "states"))
    assert len(labels) == 31
    assert torch.equal((states.mean((1, 2, 3)) * 10).round().long(), labels)


# The objective


@pytest.mark.parametrize(("w_l2", "w_clf"), [(1.0, 0.0), (0.0, 0.0), (0.3, 2.0)])
@pytest.mark.parametrize("name", ["igebm-4", "convnet-4"])
def test_the_loss_and_its_gradient_are_the_formula(name, w_l2, w_clf, digits):
    x, y = digits
    net = trained(name)
    objective = IGEBM(restart, steps=2, buffer_size=40, w_l2=w_l2, w_clf=w_clf)
    objective.buffer.double()
    draw, seen = objective.buffer.draw_of, {}

    def drawn(y):
        x0, labels, slots = draw(y)
        seen.update(labels=labels, slots=slots)
        return x0, labels, slots

    objective.buffer.draw_of = drawn
    torch.manual_seed(1)
    loss, _ = objective(net, Batch(x.double(), y, logged=False))
    torch.manual_seed(1)
    x_pos = 255 / 256 * x.double() + torch.rand_like(x.double()) / 256
    x_neg, y_neg = objective.buffer.states[seen["slots"]], seen["labels"]
    E, E_neg = -net(x_pos)[range(16), y], -net(x_neg)[range(16), y_neg]
    expected = E.mean() - E_neg.mean() + w_l2 * (E.square().mean() + E_neg.square().mean())
    expected = expected + w_clf * nn.functional.cross_entropy(net(x_pos), y)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(gradients(loss, net), gradients(expected, net))


def test_images_are_dequantised_within_their_level():
    levels = torch.arange(256).repeat(400, 1)
    u = dequantised(levels / 255) * 256 - levels
    assert u.min() >= -1e-4
    assert u.max() <= 1 + 1e-4
    assert abs(u.mean() - 0.5) <= 4 * (1 / 12 / u.numel()) ** 0.5


def test_no_pixel_moves_by_more_than_step_times_clip():
    net, y = trained().float(), torch.arange(10)
    objective = IGEBM(restart, steps=8, step_size=10.0, noise=0.0, buffer_size=20)
    x = torch.rand(10, 1, 8, 8)
    for now in objective.sampler(energy_of(net, y), x):
        assert (now - x).abs().max() <= 0.1 + 1e-6
        assert now.min() >= 0
        assert now.max() <= 1
        x = now


def test_chains_of_the_objective_take_a_pass_a_step_and_its_loss_two(digits):
    x, y = digits
    net, objective = trained().float(), IGEBM(restart, steps=4, buffer_size=40)
    seen = rows(net)
    objective(net, Batch(x, y, logged=False))
    assert seen == [16] * (4 + 2)
    seen.clear()
    objective.w_clf = 1.0
    objective(net, Batch(x, y, logged=False))
    assert seen == [16] * 4 + [160, 16]


def test_a_training_goes_on_exactly_from_its_state(digits):
    batch = Batch(*digits)
    net, ends = build(Spec("igebm-4", 1, 8, CLASSES)), []
    objective = make("igebm", restart, {"steps": 2, "buffer_size": 40, "rho": 0.5})
    for _ in range(3):
        objective(net, batch)
    assert [*objective.state_dict()] == ["buffer.states", "buffer.labels"]
    assert not [*objective.parameters()]
    other = make("igebm", restart, {"steps": 2, "buffer_size": 40, "rho": 0.5})
    other.load_state_dict(objective.state_dict())
    for o, n in ((objective, copy.deepcopy(net)), (other, copy.deepcopy(net))):
        torch.manual_seed(2)
        loss = [o(n, batch)[0].item() for _ in range(3)]
        ends.append((loss, dict(o.state_dict())))
    torch.testing.assert_close(*ends, rtol=0, atol=0)


def test_it_learns_to_give_images_of_a_class_less_energy_than_chains(digits):
    """A few steps down the loss: E(x, y) falls below E(x_neg, y_neg), and both stay small."""
    x, y = digits
    net = build(Spec("igebm-4", 1, 8, CLASSES))
    objective = IGEBM(restart, steps=10, step_size=20.0, buffer_size=64)
    optimizer = torch.optim.AdamW(net.parameters(), 3e-3)
    gaps = []
    for _ in range(60):
        loss, metrics = objective(net, Batch(x, y, logged=False))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        gaps.append(float(metrics["loss_px"]))
    assert sum(gaps[-10:]) < sum(gaps[:10])
    assert joint_energy_at(net.eval(), x, y).abs().max() < 5


@pytest.mark.parametrize(
    ("words", "sampler"),
    [
        ("", {"name": "clamped", "clip": 0.01}),
        ("--objective.sampler.clip 0.5", {"name": "clamped", "clip": 0.5}),
        ("--objective.sampler.clip 2.0", "clamped"),
        ("--objective.sampler langevin", "langevin"),
    ],
)
def test_the_sampler_of_a_command_has_the_clip_of_the_method_unless_it_is_given(words, sampler):
    words = ["--out", "x", *words.split()]
    parser = parser_of("igebm", words, {})
    plan = plan_of("igebm", parser, parser.parse(words))
    assert plan.objective["sampler"] == sampler


def test_a_command_has_the_settings_of_a_methods_own_step():
    words = ["--out", "x"]
    parser = parser_of("sada_jem", words, {})
    plan = plan_of("sada_jem", parser, parser.parse(words))
    assert plan.optimisation.step == {"name": "sharpness_aware", "rho": 2.0, "adaptive": True}


def test_a_command_trains_a_net_that_is_resumed_drawn_from_and_measured(tmp_path, capsys):
    out, drawn = str(tmp_path / "run"), str(tmp_path / "drawn.safetensors")
    small = [
        "--net", "igebm-4", "--objective.steps", "2", "--objective.buffer_size", "64",
        "--batch_size", "32", "--evaluate_images", "10", "--ema", "0.9",
    ]  # fmt: skip
    assert main(["train", "igebm", "--out", out, *small, "--epochs", "0.05"]) == 0
    assert main(["train", "igebm", "--out", out, *small, "--epochs", "0.05", "--resume"]) == 0
    chain = ["--sampler", "clamped", "--step_size", "1", "--steps", "2"]
    assert main(["sample", out, drawn, "-n", "1", *chain]) == 0
    assert main(["measure", out, "-n", "10", "--metrics", "accuracy", "energies"]) == 0
    assert "accuracy" in capsys.readouterr().out
