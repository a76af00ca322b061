"""The laws that any part keeps, ours or not; what only ours keep is in the tests of a room."""

import copy
import inspect

import pytest
import torch
from torch import nn

from jeat._support.plugins import constant_of, find, known_parts, locate
from jeat._support.signatures import GIVEN, signature_of
from jeat.data import Batch, Data, load_data
from jeat.energy import energy_of, joint_energy, marginal_energy
from jeat.nets import Spec, build, load_net, save_net
from jeat.objectives import complete, make
from jeat.samplers import Restart, Uniform, sampler_of, start_of
from jeat.steps import step_of
from jeat.training.iteration import prepare
from jeat.training.plan import Optimisation

from .conftest import DIGITS

TOY = "tests.toys"
OBJECTIVES = [
    *known_parts("objectives"), f"{TOY}.unpaired:Unpaired", f"{TOY}.growing:Growing",
    f"{TOY}.likelihood:Likelihood",
]  # fmt: skip
NETS = [
    "convnet-4", "vgg-4", "wrn-10-1", "igebm-4", "glow-2-2-8", f"{TOY}.flow:Flow-8",
    f"{TOY}.passes:Passes",
]  # fmt: skip
SAMPLERS = [*known_parts("samplers"), f"{TOY}.normalised:normalised"]
STARTS = [*known_parts("samplers/starts"), f"{TOY}.grey:Grey"]
STEPS = [*known_parts("steps"), f"{TOY}.ascent:ascent"]
every_objective = pytest.mark.parametrize("name", OBJECTIVES)
every_net = pytest.mark.parametrize("name", NETS)
every_sampler = pytest.mark.parametrize("name", SAMPLERS)


# Objectives


def made(name, net):
    """The objective with the smallest settings, and a batch for it."""
    settings = {k: 40 if k == "buffer_size" else v for k, v in smallest(name).items()}
    objective = make(name, Restart(Uniform((1, 8, 8)), 10), settings, net=net)
    x, y = DIGITS.train.floats(16)
    others = {k: Batch(x[:4], y[:4]) for k in getattr(objective, "branches", {})}
    return objective, Batch(x, y, others=others)


def smallest(name):
    return constant_of("objectives", name, "smallest") or {}


@pytest.fixture
def net():
    """Batch normalisation, so that the mode of every pass matters; one layer stays in eval mode."""
    net = build(Spec("convnet-4", 1, 8, DIGITS.classes, norm="batch", activation="silu"))
    net[2].eval()
    return net


@every_objective
def test_the_loss_is_a_finite_scalar_that_moves_the_net_and_leaves_no_gradient(name, net):
    objective, batch = made(name, net)
    loss, metrics = objective(net, batch)
    assert loss.shape == ()
    assert loss.isfinite()
    assert all(p.grad is None for p in net.parameters())
    loss.backward()
    assert any((p.grad != 0).any() for p in net.parameters() if p.grad is not None)
    assert float(metrics["loss"]) == loss.item()
    assert all(v.shape == () and not v.requires_grad for v in metrics.values())


@every_objective
def test_an_objective_restores_modes_and_leaves_the_batch_alone(name, net):
    objective, batch = made(name, net)
    modes, x = [m.training for m in net.modules()], batch.x.clone()
    objective(net, batch)
    assert [m.training for m in net.modules()] == modes
    assert torch.equal(batch.x, x)
    assert not batch.x.requires_grad


@every_objective
def test_an_objective_is_its_registered_tensors(name, net):
    """Another one with these tensors goes on as it would: this is what a checkpoint relies on."""
    objective, batch = made(name, net)
    net.eval()
    objective(net, batch)
    other, _ = made(name, net)
    other.load_state_dict(objective.state_dict())
    losses = []
    for o in (objective, other):
        torch.manual_seed(5)
        losses.append(o(copy.deepcopy(net), batch)[0])
    assert losses[0] == losses[1]


@every_objective
def test_the_points_of_an_objective_do_not_move_with_the_net(name, net):
    """A second gradient is taken at the same x_adv and x_neg: nothing random is left."""
    objective, batch = made(name, net)
    if not hasattr(objective, "points"):
        pytest.skip("it has one part")
    net.eval()
    loss_of = objective.points(net, batch)
    first, second = loss_of(net)[0], loss_of(net)[0]
    assert first == second
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.05 * torch.randn_like(p))
    assert loss_of(net)[0] != first


@every_objective
def test_a_declared_cost_is_what_passes_cost(name, net):
    objective, batch = made(name, net)
    cls = find("objectives", name, "method")
    if not hasattr(cls, "cost"):
        pytest.skip("it declares none")
    cost, passes = cls.cost(complete(name, smallest(name))), []
    net.train()
    hook = net.register_forward_pre_hook(lambda m, x: passes.append(torch.is_grad_enabled()))
    batch = Batch(batch.x, batch.y, logged=False, others=batch.others)
    objective(net, batch)
    hook.remove()
    assert sum(passes) == cost.input_gradients + cost.training_passes


@every_objective
def test_constants_of_an_objective_name_settings_that_it_has(name):
    own = {f.name for f in signature_of("objectives", name).flags}
    for constant in ("recovery", "smallest"):
        assert (constant_of("objectives", name, constant) or {}).keys() <= own
    for remedy in constant_of("objectives", name, "remedies") or ():
        assert remedy.rpartition("objective.")[2] in own
    for told in ("begins", "weakness"):
        assert isinstance(constant_of("objectives", name, told) or "", str)


# Nets


@every_net
def test_a_net_gives_finite_logits_that_depend_on_each_image_alone(name):
    net = build(Spec(name, 1, 8, ("a", "b", "c"))).eval()
    x = torch.rand(4, 1, 8, 8)
    logits = net(x)
    assert logits.shape == (4, 3)
    assert logits.isfinite().all()
    torch.testing.assert_close(net(x[1:2]), logits[1:2], rtol=1e-4, atol=1e-5)
    (gradient,) = torch.autograd.grad(
        marginal_energy(net(x.requires_grad_())).sum(), x, retain_graph=False
    )
    assert (gradient != 0).any()


@every_net
def test_a_net_is_built_again_from_its_spec_and_its_file(name, tmp_path):
    net = build(Spec(name, 1, 8, DIGITS.classes)).eval()
    save_net(net, None, tmp_path / "net.safetensors", about={})
    again = load_net(tmp_path / "net.safetensors")
    assert again.spec == net.spec
    x = torch.rand(2, 1, 8, 8)
    torch.testing.assert_close(again(x), net(x))


# Samplers


@every_sampler
def test_a_sampler_yields_detached_states_in_bounds_and_goes_down(name):
    """On E = |x|^2 / 2 it comes nearer to 0; the energy's parameters get no gradient."""
    weight = nn.Parameter(torch.ones(()))
    x0 = torch.rand(50, 1, 4, 4) + 0.5
    sampler = sampler_of(name, steps=6, step_size=0.2, noise=0.0, bounds=(-2, 2))
    states = list(sampler(lambda x: weight * x.square().flatten(1).sum(1) / 2, x0))
    assert len(states) == 6
    assert all(s.shape == x0.shape and not s.requires_grad for s in states)
    assert len({s.data_ptr() for s in states}) == 6
    assert all(s.abs().max() <= 2 for s in states)
    assert states[-1].square().sum() < x0.square().sum()
    assert weight.grad is None


@every_sampler
def test_a_sampler_draws_from_nets_and_trains_jem(name, net):
    sampler = sampler_of(name, steps=2, step_size=0.1, noise=0.01, bounds=(0, 1))
    x0, y = torch.rand(3, 1, 8, 8), torch.arange(3)
    *_, x = sampler(energy_of(net.eval(), y), x0)
    assert x.isfinite().all()
    settings = {"sampler": name, "steps": 2, "buffer_size": 40}
    jem = make("jem", Restart(Uniform((1, 8, 8)), 10), settings)
    loss, _ = jem(net, Batch(*DIGITS.train.floats(8)))
    assert loss.isfinite()


# Starts


@pytest.mark.parametrize("name", STARTS)
def test_a_start_gives_images_of_its_labels_and_is_kept_in_a_nets_file(name, tmp_path):
    start, y = start_of(name, DIGITS), torch.arange(10)
    x = start(y)
    assert x.shape == (10, *DIGITS.shape)
    assert x.min() >= 0
    assert x.max() <= 1
    save_net(build(Spec("convnet-4", 1, 8, DIGITS.classes)), start, tmp_path / "n", about={})
    kept = load_net(tmp_path / "n").start or Uniform(DIGITS.shape)
    assert type(kept) is type(start)
    draws = []
    for s in (start, kept):
        torch.manual_seed(1)
        draws.append(s(y))
    assert torch.equal(*draws)


# Steps


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_a_step_puts_the_weights_back_to_the_bit(name, norm):
    net = build(Spec("convnet-4", 1, 8, DIGITS.classes, norm=norm))
    x, y = DIGITS.train.floats(16)
    asked = []

    def gradient():
        net.zero_grad()
        loss = joint_energy(net(x), y).mean() + net(x).square().mean()
        loss.backward()
        asked.append(loss.item())
        return {"loss": loss.item()}

    before = {k: v.clone() for k, v in net.named_parameters()}
    figures = step_of(name)(gradient, net)
    assert figures == {"loss": asked[0]}
    assert len(asked) == (constant_of("steps", name, "passes") or 1)
    assert all(torch.equal(before[k], v) for k, v in net.named_parameters())
    assert all(p.grad.isfinite().all() for p in net.parameters())


class Quadratic(nn.Module):
    """Loss w^T H w / 2 of weights (3, 4)."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(3, 4, dtype=torch.float64))
        root = torch.randn(12, 12, dtype=torch.float64)
        self.h = root @ root.T

    def gradient(self):
        self.zero_grad()
        w = self.w.flatten()
        (w @ self.h @ w / 2).backward()
        return {}

    def slope(self, w):
        return (self.h @ w.flatten()).view_as(w)


@pytest.mark.parametrize(
    ("part", "moved"),
    [
        ("plain", lambda w, g: 0 * g),
        ({"name": "sharpness_aware", "rho": 0.3}, lambda w, g: 0.3 * g / g.norm()),
        (
            {"name": "sharpness_aware", "rho": 2.0, "adaptive": True},
            lambda w, g: 2.0 * w**2 * g / (w.abs() * g).norm(),
        ),
        (
            {"name": "weight_perturbed", "gamma": 0.1},
            lambda w, g: 0.1 * w.norm() * g / g.norm(),
        ),
    ],
    ids=["plain", "sam", "adaptive", "awp"],
)
def test_a_step_follows_the_gradient_at_the_weights_its_formula_moves_to(part, moved):
    q = Quadratic()
    step_of(part)(q.gradient, q)
    w = q.w.detach()
    expected = q.slope(w + moved(w, q.slope(w)))
    torch.testing.assert_close(q.w.grad, expected)


def test_both_gradients_of_a_step_see_the_same_points_and_one_set_of_statistics():
    """JEAT attacks and advances its chains once; batch normalisation counts the batch once."""
    net = build(Spec("convnet-4", 1, 8, DIGITS.classes, norm="batch"))
    jeat = make("jeat", Restart(Uniform((1, 8, 8)), 10), {"steps": 3, "buffer_size": 40})
    o = Optimisation(batch_size=16, step={"name": "sharpness_aware", "rho": 0.5})
    training = prepare(net, jeat, o, images=1437)
    seen, draw = [], jeat.buffer.draw
    jeat.buffer.draw = lambda n: seen.append(n) or draw(n)
    from jeat.training.iteration import iterate

    iterate(training, Batch(*DIGITS.train.floats(16)))
    assert seen == [16]
    normal = make("normal", Restart(Uniform((1, 8, 8)), 10), {})
    net = build(Spec("convnet-4", 1, 8, DIGITS.classes, norm="batch"))
    training = prepare(net, normal, o, images=1437)
    training.state.train()
    iterate(training, Batch(*DIGITS.train.floats(16), logged=False))
    assert int(net[2].num_batches_tracked) == 1


# Readers


@pytest.mark.parametrize("source", ["digits", f"{TOY}.stripes:stripes"])
def test_a_reader_gives_splits_of_the_named_classes(source):
    data = load_data(source)
    assert isinstance(data, Data)
    for split in (data.train, data.test):
        assert split.x.dtype == torch.uint8
        assert split.x.shape[1:] == data.shape
        assert set(split.y.tolist()) == set(range(len(data.classes)))


def test_each_source_has_one_reader_before_the_one_that_takes_the_rest():
    from importlib import import_module
    from pathlib import Path

    readers = [import_module(f"jeat.data.sources.{n}") for n in known_parts("data/sources")]
    rest = [r for r in readers if getattr(r, "takes_the_rest", False)]
    assert len(rest) == 1
    for source in ("digits", "a.npz", "folder", "owner/name"):
        assert sum(r.reads(source, Path(source)) for r in readers if r not in rest) <= 1


# Names


@pytest.mark.parametrize(
    ("folder", "what"),
    [("objectives", "method"), ("nets", "net"), ("samplers", "sampler"), ("steps", "step")],
)
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gan", "unknown"),
        ("no.such.module:Thing", "cannot be imported|there is no"),
        ("tests.toys.flow:Nothing", "has no Nothing"),
        ("tests.toys:1", "give package.module:Name"),
        (":", "there is no|cannot be imported"),
    ],
)
def test_a_part_that_is_not_there_is_refused_by_its_name(folder, what, name, said):
    with pytest.raises(ValueError, match=said) as error:
        find(folder, name, what)
    assert name.partition(":")[0] in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("folder", ["objectives", "nets", "samplers", "steps", "metrics"])
def test_the_signature_read_from_source_is_that_of_the_part(folder):
    """``--help`` reads it without torch; what is imported must take the same settings."""
    for name in known_parts(folder):
        part = find(folder, name, folder)
        taken = inspect.signature(part).parameters.values()
        taken = [p for p in taken if p.name not in GIVEN.get(folder, ())]
        own = {p.name: p.default for p in taken if p.kind is p.KEYWORD_ONLY}
        read = {f.name: f.default for f in signature_of(folder, name).flags}
        assert read == own, name
        assert locate(folder, name, folder).name == part.__name__
        undocumented = [f.name for f in signature_of(folder, name).flags if not f.help]
        assert not undocumented, (name, undocumented)
