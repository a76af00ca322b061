"""An objective moves the weights by the gradient its formula says, and disturbs nothing else."""

import inspect
import pkgutil
from contextlib import contextmanager
from functools import partial
from importlib import import_module

import pytest
import torch
from torch import nn

from jeat import objectives
from jeat.attacks import pgd
from jeat.data import Batch
from jeat.energy import cross_entropy, joint_energy, marginal_energy
from jeat.nets import Spec, build, evaluating
from jeat.objectives import AT, JEAT, JEM, Noise, Normal, PreJEAT, cost_of, make
from jeat.samplers import Restart, Uniform, last

FILES = sorted(m.name for m in pkgutil.iter_modules(objectives.__path__) if m.name[0] != "_")
SMALL = {"steps": 2, "buffer_size": 40, "input_noise": 0.0, "first_steps": 1}
every_objective = pytest.mark.parametrize("file", FILES)


restart = Restart(Uniform((1, 8, 8)), 10)


def batch_of(digits, *, logged=True):
    """With the further images that some objectives ask for."""
    x, y = digits
    return Batch(x, y, logged=logged, others={"positives": Batch(x[:4].flip(0), y[:4].flip(0))})


def objective_of(file):
    """The objective of a file, with the smallest settings of those it takes."""
    module = import_module(f"jeat.objectives.{file}")
    takes = inspect.signature(getattr(module, module.__all__[0])).parameters
    return make(file, restart, {k: v for k, v in SMALL.items() if k in takes})


@pytest.fixture
def net():
    """With batch norm, so that the mode of every pass matters; one layer is kept in eval mode."""
    net = build(Spec("convnet-4", 1, 8, tuple("0123456789"), norm="batch"))
    net[2].eval()
    return net


@pytest.fixture
def batch(digits):
    return batch_of(digits)


def gradients(loss, net):
    """d loss / d weights, as one vector."""
    return nn.utils.parameters_to_vector(torch.autograd.grad(loss, list(net.parameters())))


@pytest.mark.parametrize("file", ["jem", "jeat", "sada_jem", "eb_jdat", "dat", "igebm"])
def test_a_joint_energy_model_keeps_the_statistics_of_its_batch_normalisation(file, net, batch):
    """E(x) is a function of x: what the loss sees of an image depends on no other."""
    net.train()
    net[5].running_mean.uniform_()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    seen = []
    net[5].register_forward_hook(lambda m, x, out: seen.append(m.training))
    objective_of(file)(net, batch)
    assert seen
    assert not any(seen)
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())


@contextmanager
def inputs_of(net):
    """What the net sees, and whether it is in train mode then."""
    seen = []
    hook = net.register_forward_pre_hook(lambda m, x: seen.append((x[0].detach(), m.training)))
    yield seen
    hook.remove()


def watched(objective):
    """``objective``, and a dict that will hold its x_adv, its x0, its x_neg and its E(x0)."""
    seen, sampler = {}, objective.sampler

    def sample(E, x0):
        seen["x0"], seen["E0"] = x0.clone(), E(x0).detach()
        seen["x_neg"] = last(sampler(E, x0))
        yield seen["x_neg"]

    objective.sampler = sample
    if hasattr(objective, "attack"):
        attack = objective.attack

        def attacked(net, x, y):
            seen["x_adv"] = attack(net, x, y)
            return seen["x_adv"]

        objective.attack = attacked
    return objective, seen


@every_objective
@pytest.mark.parametrize("logged", [True, False])
def test_the_loss_is_a_finite_scalar_with_a_gradient_on_every_weight(file, logged, net, digits):
    batch = batch_of(digits, logged=logged)
    loss, metrics = objective_of(file)(net, batch)
    assert loss.shape == ()
    assert loss.isfinite()
    assert all(p.grad is None for p in net.parameters())
    loss.backward()
    assert all(p.grad.isfinite().all() for p in net.parameters())
    assert any((p.grad != 0).any() for p in net.parameters())
    assert float(metrics["loss"]) == loss.item()


@every_objective
def test_metrics_are_finite_figures_that_hold_no_graph(file, net, batch):
    _, metrics = objective_of(file)(net, batch)
    assert metrics.keys() >= {"loss", "accuracy_clean", "E_clean", "E_y_clean"}
    for value in map(torch.as_tensor, metrics.values()):
        assert value.shape == ()
        assert value.isfinite()
        assert not value.requires_grad


@every_objective
def test_clean_figures_are_those_of_the_clean_batch(file, smooth_net, batch):
    """No normalisation layer, so that train and eval mode agree."""
    _, metrics = objective_of(file)(smooth_net, batch)
    logits = smooth_net(batch.x)
    expected = {
        "accuracy_clean": (logits.argmax(1) == batch.y).float().mean(),
        "E_clean": marginal_energy(logits).mean(),
        "E_y_clean": joint_energy(logits, batch.y).mean(),
    }
    torch.testing.assert_close({k: metrics[k] for k in expected}, expected)


@every_objective
def test_a_gap_is_the_difference_of_its_two_energies(file, smooth_net, batch):
    _, metrics = objective_of(file)(smooth_net, batch)
    for name, value in metrics.items():
        if "-" in name:
            above, below = name.split("-")
            torch.testing.assert_close(value, metrics[above] - metrics[below])


@every_objective
@pytest.mark.parametrize("training", [True, False])
def test_modes_are_restored_and_the_batch_is_not_modified(file, training, net, batch):
    net.train(training)
    net[2].train(not training)
    modes, x = [m.training for m in net.modules()], batch.x.clone()
    objective_of(file)(net, batch)
    assert [m.training for m in net.modules()] == modes
    assert torch.equal(batch.x, x)
    assert not batch.x.requires_grad


@every_objective
def test_logging_changes_neither_gradient_nor_statistics_nor_random_numbers(file, digits):
    runs = []
    for logged in (True, False):
        torch.manual_seed(0)
        net = build(Spec("convnet-4", 1, 8, tuple("0123456789"), norm="batch"))
        loss, _ = objective_of(file)(net, batch_of(digits, logged=logged))
        runs.append((gradients(loss, net), net.state_dict(), torch.rand(1)))
    torch.testing.assert_close(*runs, rtol=0, atol=0)


@every_objective
def test_attacks_and_chains_run_in_eval_mode_and_the_loss_in_train_mode(file, digits):
    """Unlogged, so that each train-mode pass is one of the loss: of data, or of negatives."""
    net = build(Spec("convnet-4", 1, 8, tuple("0123456789")))
    with inputs_of(net) as seen:
        objective_of(file)(net, batch_of(digits, logged=False))
    in_train_mode = [x for x, training in seen if training]
    assert len(in_train_mode) in (1, 2, 3)


@pytest.mark.parametrize(
    "objective",
    [
        Normal(),
        Noise(sigma=0.0),
        AT(eps=0.0),
        PreJEAT(eps=0.0),
        JEAT(restart, steps=1, buffer_size=20, eps=0.0, w_px=0.0),
        JEM(restart, steps=1, buffer_size=20, input_noise=0.0, w_px=0.0),
    ],
    ids=lambda objective: type(objective).__name__,
)
def test_with_nothing_added_each_objective_is_cross_entropy(objective, smooth_net, batch):
    loss, _ = objective(smooth_net, batch)
    expected = nn.functional.cross_entropy(smooth_net(batch.x), batch.y)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(gradients(loss, smooth_net), gradients(expected, smooth_net))


WEIGHTS = pytest.mark.parametrize(
    ("w_clf", "w_px", "w_l2"),
    [(1.0, 1.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.3, 2.0, 0.1)],
)


@WEIGHTS
def test_jeat_climbs_eq_19_with_its_weights(w_clf, w_px, w_l2, smooth_net, batch):
    """w_clf L(x_adv, y) + w_px [E(x_adv) - E(x_neg)] + w_l2 [E(x_adv)^2 + E(x_neg)^2]."""
    net, double = smooth_net.double(), Batch(batch.x.double(), batch.y)
    objective, seen = watched(
        JEAT(
            lambda n: restart(n).double(), steps=3, buffer_size=40,
            w_clf=w_clf, w_px=w_px, w_l2=w_l2,
        )
    )  # fmt: skip
    loss, _ = objective(net, double)
    logits = net(seen["x_adv"])
    E, E_neg = marginal_energy(logits), marginal_energy(net(seen["x_neg"]))
    px, l2 = E.mean() - E_neg.mean(), (E**2).mean() + (E_neg**2).mean()
    expected = w_clf * cross_entropy(logits, batch.y).mean() + w_px * px + w_l2 * l2
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(gradients(loss, net), gradients(expected, net))


def test_at_equal_weights_jeats_gradient_is_that_of_e_y_up_and_e_neg_down(smooth_net, batch):
    """Grad [E(x_adv, y) - E(x_neg)]: E(x_adv) cancels (Algorithm 1)."""
    net, double = smooth_net.double(), Batch(batch.x.double(), batch.y)
    objective, seen = watched(JEAT(lambda n: restart(n).double(), steps=3, buffer_size=40))
    loss, _ = objective(net, double)
    E_y = joint_energy(net(seen["x_adv"]), batch.y).mean()
    E_neg = marginal_energy(net(seen["x_neg"])).mean()
    expected = gradients(E_y - E_neg, net)
    torch.testing.assert_close(gradients(loss, net), expected, rtol=0, atol=1e-12)


@WEIGHTS
def test_jem_climbs_eq_6_with_its_weights(w_clf, w_px, w_l2, smooth_net, batch):
    """w_clf [E(x, y) - E(x)] + w_px [E(x) - E(x_neg)] + w_l2 [E(x)^2 + E(x_neg)^2], one noisy x."""
    objective, seen = watched(
        JEM(restart, steps=3, buffer_size=40, w_clf=w_clf, w_px=w_px, w_l2=w_l2)
    )
    with inputs_of(smooth_net) as inputs:
        loss, _ = objective(smooth_net, Batch(batch.x, batch.y, logged=False))
    x, x_neg = (image for image, training in inputs if training)
    assert torch.equal(x_neg, seen["x_neg"])
    logits = smooth_net(x)
    E, E_neg = marginal_energy(logits), marginal_energy(smooth_net(x_neg))
    px, l2 = E.mean() - E_neg.mean(), (E**2).mean() + (E_neg**2).mean()
    expected = w_clf * cross_entropy(logits, batch.y).mean() + w_px * px + w_l2 * l2
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(gradients(loss, smooth_net), gradients(expected, smooth_net))


def test_jem_is_cross_entropy_when_the_negatives_are_the_data(smooth_net, batch):
    """A chain that stays where it is, from a buffer that holds the batch."""
    objective = JEM(lambda n: batch.x[:n], buffer_size=16, rho=0.0, input_noise=0.0, w_px=3.0)
    objective.sampler = lambda E, x0: iter([x0])
    loss, _ = objective(smooth_net, batch)
    expected = nn.functional.cross_entropy(smooth_net(batch.x), batch.y)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(gradients(loss, smooth_net), gradients(expected, smooth_net))


@pytest.mark.parametrize(
    ("objective", "sigma"),
    [
        (Noise(), 24 / 255),
        (Noise(sigma=0.5), 0.5),
        (JEM(restart, steps=1, buffer_size=40), 0.015),
        (JEM(restart, steps=1, buffer_size=40, input_noise=0.5), 0.5),
    ],
)
def test_training_images_get_gaussian_noise_of_sigma_that_is_not_clamped(
    objective, sigma, smooth_net, batch
):
    with inputs_of(smooth_net) as seen:
        objective(smooth_net, Batch(batch.x, batch.y, logged=False))
    noisy = next(x for x, training in seen if training)
    noise = (noisy - batch.x).double()
    n = noise.numel()
    assert abs(noise.mean()) <= 4 * sigma / n**0.5
    assert abs(noise.square().mean() / sigma**2 - 1) <= 4 * (2 / n) ** 0.5
    assert noisy.min() < 0


@pytest.mark.parametrize(
    ("objective", "attack"),
    [
        (AT(), partial(pgd, steps=1, step_size=10 / 255, loss="ce")),
        (AT(steps=10, ratio=0.25), partial(pgd, steps=10, step_size=2 / 255, loss="ce")),
        (PreJEAT(), partial(pgd, steps=1, step_size=8 / 255, loss="energy")),
        (
            JEAT(restart, steps=1, buffer_size=40),
            partial(pgd, steps=1, step_size=8 / 255, loss="energy"),
        ),
        (
            JEAT(restart, steps=1, buffer_size=40, attack_loss="ce", w_px=0.0),
            partial(pgd, steps=1, step_size=8 / 255, loss="ce"),
        ),
    ],
)
def test_the_net_is_trained_on_the_attack_of_the_paper(objective, attack, net, digits):
    """eps 8/255, a random start; AT climbs cross-entropy, JEAT and its forerunner E(x, y)."""
    x, y = digits
    with evaluating(net):
        torch.manual_seed(1)
        x_adv = attack(net, x, y, eps=8 / 255)
    torch.manual_seed(1)
    with inputs_of(net) as seen:
        objective(net, Batch(x, y, logged=False))
    trained_on = next(image for image, training in seen if training)
    torch.testing.assert_close(trained_on, x_adv)


ENERGY_TRAINED = pytest.mark.parametrize("cls", [JEAT, JEM])


@ENERGY_TRAINED
def test_chains_go_down_e_x_in_eval_mode(cls, net, batch):
    before = build(net.spec)
    before.load_state_dict(net.state_dict())
    objective, seen = watched(cls(restart, steps=3, buffer_size=40))
    objective(net, batch)
    torch.testing.assert_close(seen["E0"], marginal_energy(before.eval()(seen["x0"])).detach())


@ENERGY_TRAINED
def test_chains_are_run_only_where_their_ends_count(cls, net, batch):
    """Without weights the loss is w_clf times the cross-entropy alone, and costs no chain."""
    for weights, runs in (((0.0, 0.0), False), ((0.1, 0.0), True), ((0.0, 0.1), True)):
        w_px, w_l2 = weights
        objective, seen = watched(cls(restart, steps=3, buffer_size=40, w_px=w_px, w_l2=w_l2))
        before = objective.buffer.states.clone()
        _, metrics = objective(net, batch)
        assert ("x_neg" in seen) == ("E_neg" in metrics) == runs
        assert torch.equal(objective.buffer.states, before) != runs
        asked = cost_of(cls.__name__.lower(), {"w_px": w_px, "w_l2": w_l2})
        whole = cost_of(cls.__name__.lower(), {})
        assert asked.training_passes == 1 + runs
        assert whole.input_gradients - asked.input_gradients == (0 if runs else 20)


@ENERGY_TRAINED
def test_chains_follow_langevin_with_the_settings_given(cls, smooth_net, batch):
    """Without noise the chain is gradient descent on E(x)."""
    objective, seen = watched(cls(restart, steps=3, step_size=0.1, noise=0.0, buffer_size=40))
    objective(smooth_net, batch)
    x = seen["x0"]
    for _ in range(3):
        x.requires_grad_()
        (g,) = torch.autograd.grad(marginal_energy(smooth_net(x)).sum(), x)
        x = (x - 0.1 * g).detach()
    torch.testing.assert_close(seen["x_neg"], x)


@ENERGY_TRAINED
def test_negatives_are_written_back_to_the_slots_they_came_from(cls, smooth_net, batch):
    objective, seen = watched(cls(restart, steps=3, buffer_size=40, rho=0.0))
    before = objective.buffer.states.clone()
    objective(smooth_net, batch)
    after = objective.buffer.states
    for x0, x_neg in zip(seen["x0"], seen["x_neg"], strict=True):
        slot = int((before == x0).all((1, 2, 3)).nonzero())
        assert torch.equal(after[slot], x_neg)
    assert int((before != after).any((1, 2, 3)).sum()) == 16


@ENERGY_TRAINED
@pytest.mark.parametrize("clamp", [True, False])
def test_chains_leave_the_box_unless_clamped(cls, clamp, smooth_net, batch):
    objective = cls(restart, steps=2, noise=1.0, clamp=clamp, buffer_size=16, rho=0.0)
    objective(smooth_net, batch)
    inside = objective.buffer.states.min() >= 0 and objective.buffer.states.max() <= 1
    assert inside == clamp


@ENERGY_TRAINED
def test_the_defaults_are_jems_in_pixels_of_0_to_1(cls):
    """Step 1 and noise 0.01 in [-1, 1] are 0.25 and 0.005; 20 steps, 10,000 slots, rho 0.05."""
    objective = cls(restart)
    assert objective.sampler.keywords == {
        "steps": 20, "step_size": 0.25, "noise": 0.005, "bounds": None
    }  # fmt: skip
    assert objective.buffer.states.shape == (10_000, 1, 8, 8)
    assert objective.buffer.rho == 0.05


@ENERGY_TRAINED
def test_an_objective_holds_its_buffer_and_nothing_to_train(cls):
    objective = cls(restart, buffer_size=20)
    assert list(objective.state_dict()) == ["buffer.states"]
    assert not list(objective.parameters())


@pytest.mark.parametrize(
    ("method", "settings", "said"),
    [
        ("gan", {}, "unknown method 'gan': methods are "),
        ("_parts", {}, "unknown method"),
        ("jeat", {"stpes": 3}, "'jeat' has no setting stpes"),
        ("normal", {"eps": 0.1}, "'normal' has no setting eps"),
        ("noise", {"sigma": -0.1}, "sigma must not be negative"),
        ("jem", {"rho": 1.5}, r"lie in \[0, 1\]"),
        ("jeat", {"buffer_size": 0}, "at least 1 slot"),
    ],
)
def test_a_method_that_cannot_be_made_is_refused(method, settings, said):
    with pytest.raises(ValueError, match=said):
        make(method, restart, settings)
