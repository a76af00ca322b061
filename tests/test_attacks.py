"""An attack climbs an energy inside a small ball; one table drives the tests of all."""

import copy
from functools import partial

import foolbox
import pytest
import torch
from torch import nn

from jeat.attacks import balls, fgsm, fgsm_rs, pgd
from jeat.energy import cross_entropy, energy_of, joint_energy, score
from jeat.nets import Spec, build

EPS = 0.1
PGD = partial(pgd, eps=EPS, steps=5, step_size=EPS / 2)
ATTACKS = {
    f"{name} {loss}": (partial(attack, loss=loss), norm, loss)
    for loss in ("ce", "energy")
    for name, attack, norm in [
        ("fgsm", partial(fgsm, eps=EPS), "linf"),
        ("fgsm_rs", partial(fgsm_rs, eps=EPS), "linf"),
        ("pgd linf", PGD, "linf"),
        ("pgd linf from x", partial(PGD, random_start=False), "linf"),
        ("pgd l2", partial(PGD, norm="l2"), "l2"),
        ("pgd l2 from x", partial(PGD, norm="l2", random_start=False), "l2"),
        ("pgd l1", partial(PGD, norm="l1"), "l1"),
        ("pgd l1 from x", partial(PGD, norm="l1", random_start=False), "l1"),
    ]
}
CLIMBED = {"ce": cross_entropy, "energy": joint_energy}
every_attack = pytest.mark.parametrize(("attack", "norm", "loss"), ATTACKS.values(), ids=ATTACKS)


def size(delta, norm):
    flat = delta.flatten(1)
    return flat.norm(dim=1, p={"linf": torch.inf, "l1": 1, "l2": 2}[norm])


def climb(net, x_adv, x, y, loss):
    with torch.no_grad():
        return (CLIMBED[loss](net(x_adv), y) - CLIMBED[loss](net(x), y)).mean()


class Linear(nn.Module):
    """Two classes whose logits are 0 and <w, x>: either loss of class 0 or 1 has one direction."""

    def __init__(self, w):
        super().__init__()
        self.w = nn.Parameter(w)

    def forward(self, x):
        f = (x * self.w).flatten(1).sum(1)
        return torch.stack([torch.zeros_like(f), f], 1)


@pytest.mark.parametrize("loss", CLIMBED)
@pytest.mark.parametrize(
    ("norm", "random_start", "steps", "step_size"),
    [
        ("linf", False, 1, EPS),
        ("linf", False, 8, EPS / 4),
        ("linf", True, 1, 2 * EPS),
        ("linf", True, 8, EPS / 4),
        ("l2", False, 1, EPS),
        ("l2", False, 8, EPS / 4),
        ("l2", True, 40, 5 * EPS),  # from elsewhere in this ball the optimum is a limit
    ],
)
def test_on_a_linear_net_the_attack_is_eps_times_the_steepest_direction(
    loss, norm, random_start, steps, step_size
):
    """delta* = eps * steepest(-w) for label 1; images at 0.5 leave the box inactive."""
    w = torch.randn(1, 2, 4, 4)
    x, y = torch.full((6, 2, 4, 4), 0.5), torch.ones(6, dtype=torch.int64)
    x_adv = pgd(
        Linear(w), x, y, eps=EPS, steps=steps, step_size=step_size, norm=norm, loss=loss,
        random_start=random_start,
    )  # fmt: skip
    optimum = EPS * balls.steepest(-w, norm)
    torch.testing.assert_close(x_adv - x, optimum.expand_as(x), rtol=0, atol=1e-6)


@every_attack
@pytest.mark.parametrize("place", ["digits", "black", "white"])
def test_adversarial_images_stay_in_the_ball_and_in_the_box(attack, norm, loss, place, net, digits):
    x, y = digits
    x = {"digits": x, "black": torch.zeros_like(x), "white": torch.ones_like(x)}[place]
    x_adv = attack(net, x, y)
    assert (size(x_adv - x, norm) <= EPS + 1e-6).all()
    assert (size(x_adv - x, norm) > 0).all()
    assert x_adv.min() >= 0
    assert x_adv.max() <= 1


@every_attack
def test_an_attack_touches_nothing_but_its_result(attack, norm, loss, digits):
    """Parameters, their gradients and requires_grad, buffers, modes and x stay as they were."""
    net = build(Spec("convnet-4", 1, 8, tuple("0123456789"), norm="batch")).eval()
    net[0].train()
    net[1].weight.requires_grad_(False)
    net[1].bias.grad = torch.ones_like(net[1].bias)
    before, modes = copy.deepcopy(net.state_dict()), [m.training for m in net.modules()]
    x, y = digits
    original = x.clone()
    x_adv = attack(net, x, y)
    assert not x_adv.requires_grad
    assert torch.equal(x, original)
    assert not x.requires_grad
    assert x.grad is None
    assert [m.training for m in net.modules()] == modes
    torch.testing.assert_close(net.state_dict(), before, rtol=0, atol=0)
    for name, p in net.named_parameters():
        assert p.requires_grad == (name != "conv1.weight")
        assert (p.grad is None) == (name != "conv1.bias")
    assert (net[1].bias.grad == 1).all()


def test_in_l1_pixels_at_the_edge_of_the_box_do_not_hold_an_attack_up():
    """On black images a step downwards is no step: those upwards are made in its place."""
    w = torch.ones(1, 1, 8, 8)
    w[..., :4] = -100.0  # of these, the loss wants less, and there is none
    x, y = torch.zeros(1, 1, 8, 8), torch.zeros(1, dtype=torch.int64)
    how = {"eps": 3.0, "steps": 20, "step_size": 0.6, "norm": "l1"}
    delta = pgd(Linear(w), x, y, random_start=False, **how) - x
    assert (delta[..., :4] == 0).all()
    torch.testing.assert_close(delta.sum(), torch.tensor(3.0))


@every_attack
def test_an_attack_raises_its_loss(attack, norm, loss, net, digits):
    x, y = digits
    assert climb(net, attack(net, x, y), x, y, loss) > 0


def test_an_attack_works_under_no_grad(net, digits):
    x, y = digits
    with torch.no_grad():
        assert not torch.equal(fgsm(net, x, y, eps=EPS), x)


@pytest.mark.parametrize("std", [0.1, 0.5, 2.0])
def test_eps_is_in_pixels_whatever_the_nets_normalisation(std, digits):
    x, y = digits
    net = build(Spec("convnet-4", 1, 8, tuple("0123456789"), std=std))
    x = x.clamp(EPS, 1 - EPS)
    delta = pgd(net, x, y, eps=EPS, steps=1, step_size=EPS, random_start=False) - x
    torch.testing.assert_close(delta.abs().amax((1, 2, 3)), torch.full((16,), EPS))


def test_one_step_from_x_itself_is_fgsm(net, digits):
    x, y = digits
    one = pgd(net, x, y, eps=EPS, steps=1, step_size=EPS, random_start=False)
    assert torch.equal(fgsm(net, x, y, eps=EPS), one)


def test_fgsm_is_eq_2(net, digits):
    x, y = digits
    x.requires_grad_()
    (g,) = torch.autograd.grad(nn.functional.cross_entropy(net(x), y), x)
    expected = (x + EPS * g.sign()).clamp(0, 1).detach()
    torch.testing.assert_close(fgsm(net, x, y, eps=EPS), expected)


@pytest.mark.parametrize("ratio", [1.0, 1.25])
def test_fgsm_rs_is_algorithm_1(net, digits, ratio):
    """The gradient is taken at x + delta; ratio * eps of its sign, clipped to the ball."""
    x, y = digits
    x = x.clamp(EPS, 1 - EPS)
    torch.manual_seed(5)
    delta = balls.random_start(x, EPS, "linf").requires_grad_()
    (g,) = torch.autograd.grad(joint_energy(net(x + delta), y).sum(), delta)
    expected = x + (delta + ratio * EPS * g.sign()).clamp(-EPS, EPS).detach()
    torch.manual_seed(5)
    x_adv = fgsm_rs(net, x, y, eps=EPS, ratio=ratio, loss="energy")
    torch.testing.assert_close(x_adv, expected.clamp(0, 1))


@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
def test_random_starts_differ_and_eps_0_gives_x_back(net, digits, norm):
    x, y = digits
    attack = partial(pgd, net, x, y, steps=1, step_size=0.0, norm=norm)
    assert not torch.equal(attack(eps=EPS), attack(eps=EPS))
    assert torch.equal(attack(eps=0.0), x)


def test_an_energy_attack_and_a_cross_entropy_attack_differ(net, digits):
    """Each climbs its own loss further (Sec. 3.3)."""
    x, y = digits
    attack = partial(PGD, net, x, y, steps=20, step_size=EPS / 8, random_start=False)
    x_ce, x_energy = attack(loss="ce"), attack(loss="energy")
    assert climb(net, x_ce, x_energy, y, "ce") > 0
    assert climb(net, x_energy, x_ce, y, "energy") > 0


@pytest.mark.parametrize(
    ("norm", "eps", "step", "theirs"),
    [
        ("linf", 8 / 255, 2 / 255, foolbox.attacks.LinfProjectedGradientDescentAttack),
        ("l2", 0.5, 0.125, foolbox.attacks.L2ProjectedGradientDescentAttack),
        # three pixels of 64; its projection leaves more than eps, so here it has nothing to do
        ("l1", 20.0, 1.5, partial(foolbox.attacks.SparseL1DescentAttack, quantile=0.96)),
    ],
)
@pytest.mark.parametrize("steps", [1, 10])
def test_pgd_agrees_with_foolbox(smooth_net, digits, norm, eps, step, theirs, steps):
    x, y = digits
    smooth_net.eval()
    attack = theirs(steps=steps, abs_stepsize=step, random_start=False)
    model = foolbox.PyTorchModel(smooth_net, bounds=(0, 1), device="cpu")
    _, expected, _ = attack(model, x, y, epsilons=eps)
    x_adv = pgd(
        smooth_net, x, y, eps=eps, steps=steps, step_size=step, norm=norm, random_start=False
    )
    # A gradient that is 0 up to rounding may have either sign: one pixel in a thousand.
    agree = (x_adv - expected).abs() <= 1e-5
    assert agree.float().mean() >= 0.999
    assert torch.equal(smooth_net(x_adv).argmax(1), smooth_net(expected).argmax(1))


IMAGES, LABELS = torch.full((2, 1, 8, 8), 0.5), torch.tensor([0, 1])


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("x", "y", "settings", "said"),
    [
        (IMAGES * 510, LABELS, {}, r"floats in \[0, 1\]"),
        (IMAGES - 0.6, LABELS, {}, r"floats in \[0, 1\]"),
        (IMAGES * torch.nan, LABELS, {}, r"floats in \[0, 1\]"),
        (IMAGES[:0], LABELS[:0], {}, r"floats in \[0, 1\]"),
        (IMAGES, torch.tensor([0]), {}, "2 images but 1 labels"),
        (IMAGES, torch.tensor([0, 10]), {}, r"labels must lie in 0\.\.9"),
        (IMAGES, torch.tensor([-1, 0]), {}, r"labels must lie in 0\.\.9"),
        (IMAGES, LABELS, {"eps": -0.1}, "must not be negative"),
        (IMAGES, LABELS, {"step_size": -0.1}, "must not be negative"),
        (IMAGES, LABELS, {"steps": 0}, "at least 1 step"),
        (IMAGES, LABELS, {"norm": "l0"}, "unknown norm 'l0': use 'linf', 'l1' or 'l2'"),
        (IMAGES, LABELS, {"norm": "l1", "eps": 2e6}, "at most 1e\\+06"),
        (IMAGES, LABELS, {"loss": "hinge"}, "unknown attack loss 'hinge'"),
    ],
)
def test_what_an_attack_cannot_do_is_refused(net, x, y, settings, said):
    with pytest.raises(ValueError, match=said):
        PGD(net, x, y, **settings)


def test_algorithm_1_takes_the_first_gradient_at_the_clean_image(smooth_net, digits):
    """delta = clip(U(-eps, eps) + eps sign grad E(x, y)), the gradient at x."""
    x, y = digits
    smooth_net.eval()
    torch.manual_seed(1)
    x_adv = fgsm_rs(smooth_net, x, y, eps=0.1, ratio=1.0, loss="energy", grad_at="clean")
    torch.manual_seed(1)
    delta = torch.empty_like(x).uniform_(-0.1, 0.1)
    delta = (delta + 0.1 * -score(energy_of(smooth_net, y), x).sign()).clamp(-0.1, 0.1)
    torch.testing.assert_close(x_adv, (x + delta).clamp(0, 1), rtol=0, atol=1e-6)


def test_early_exit_leaves_each_image_at_its_first_fooling_iterate(smooth_net, digits):
    x, y = digits
    smooth_net.eval()
    y = smooth_net(x).argmax(1).where(torch.arange(16) % 4 > 0, y)  # some are wrong at once
    how = {"eps": 0.3, "step_size": 0.02, "random_start": False}
    path = [x] + [pgd(smooth_net, x, y, steps=n, **how) for n in range(1, 13)]
    fooled = torch.stack([smooth_net(x_n).argmax(1) != y for x_n in path[:-1]])
    first = fooled.int().argmax(0).where(fooled.any(0), torch.tensor(12))
    assert len(first.unique()) > 3
    found = pgd(smooth_net, x, y, steps=12, early_exit=True, **how)
    for i, n in enumerate(first.tolist()):
        torch.testing.assert_close(found[i], path[n][i], rtol=0, atol=1e-5)


def test_early_exit_may_leave_no_image(smooth_net, digits):
    x, _ = digits
    wrong = (smooth_net.eval()(x).argmax(1) + 1) % 10
    found = pgd(
        smooth_net, x, wrong, eps=0.1, steps=3, step_size=0.1, random_start=False, early_exit=True
    )
    assert torch.equal(found, x)
