"""TRADES and MART: the losses of their papers, at points of the attacks of their papers."""

import pytest
import torch
from torch.nn import functional as F

from jeat.data import Batch
from jeat.objectives import make
from jeat.objectives._parts import divergence

from .test_objectives import gradients, restart


def points_of(objective, net, batch):
    """The loss at the points that ``objective`` found, and x_adv."""
    found, attack = [], objective.attack

    def attacked(*args, **how):
        found.append(attack(*args, **how))
        return found[-1]

    objective.attack = attacked
    loss, metrics = objective(net, batch)
    return loss, metrics, found[0]


@pytest.fixture
def double(smooth_net, digits):
    x, y = digits
    return smooth_net.double(), Batch(x.double(), y)


def kl(net, x, x_adv):
    """KL(p(.|x) || p(.|x_adv)) per image, by torch."""
    return F.kl_div(
        net(x_adv).log_softmax(1), net(x).log_softmax(1), log_target=True, reduction="none"
    ).sum(1)


def test_trades_is_cross_entropy_and_beta_times_the_divergence(double):
    net, batch = double
    loss, _, x_adv = points_of(make("trades", restart, {"steps": 3, "beta": 2.5}), net, batch)
    expected = F.cross_entropy(net(batch.x), batch.y) + 2.5 * kl(net, batch.x, x_adv).mean()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(gradients(loss, net), gradients(expected, net))


def test_the_attack_of_trades_climbs_the_divergence_in_the_ball(double):
    net, batch = double
    eps = 0.1
    objective = make("trades", restart, {"steps": 5, "eps": eps})
    _, _, x_adv = points_of(objective, net, batch)
    at_random = (batch.x + eps * (2 * torch.rand_like(batch.x) - 1)).clamp(0, 1)
    assert (x_adv - batch.x).abs().max() <= eps + 1e-9
    assert (kl(net, batch.x, x_adv) > kl(net, batch.x, at_random)).all()


@pytest.mark.parametrize("method", ["trades", "mart"])
def test_where_nothing_was_attacked_the_divergence_is_0_and_its_gradient_too(method, double):
    """At x_adv = x: no NaN, and what is left is the first term."""
    net, batch = double
    loss, metrics, x_adv = points_of(make(method, restart, {"steps": 1, "eps": 0.0}), net, batch)
    assert torch.equal(x_adv, batch.x)
    assert metrics["kl"] == 0
    first = F.cross_entropy(net(batch.x), batch.y)
    if method == "mart":
        first = boosted(net(batch.x), batch.y)
    torch.testing.assert_close(loss, first)
    torch.testing.assert_close(gradients(loss, net), gradients(first, net))


def boosted(logits, y):
    """Wang et al. 2020, Eq. 6, by loops."""
    terms = []
    for p, k in zip(logits.softmax(1), y.tolist(), strict=True):
        others = max(p[j] for j in range(len(p)) if j != k)
        terms.append(-torch.log(p[k]) - torch.log(1.0001 - others))
    return torch.stack(terms).mean()


def test_mart_weighs_the_divergence_by_what_is_wrong_already(double):
    net, batch = double
    loss, _, x_adv = points_of(make("mart", restart, {"steps": 3, "beta": 2.5}), net, batch)
    right = net(batch.x).softmax(1).gather(1, batch.y[:, None]).squeeze(1)
    expected = boosted(net(x_adv), batch.y)
    expected = expected + 2.5 * (kl(net, batch.x, x_adv) * (1 - right)).mean()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(gradients(loss, net), gradients(expected, net))


@pytest.mark.parametrize("method", ["at", "prejeat", "jeat", "trades", "mart", "eb_jdat", "dat"])
def test_every_method_that_attacks_does_so_in_l2_as_well(method, smooth_net, digits):
    few = {"steps": 2} if method in ("at", "prejeat", "trades", "mart") else {"attack_steps": 2}
    few |= {"buffer_size": 40} if method in ("jeat", "eb_jdat") else {}
    objective = make(method, restart, {"eps": 0.5, "norm": "l2", **few})
    _, _, x_adv = points_of(objective, smooth_net, Batch(*digits))
    lengths = (x_adv - digits[0]).flatten(1).norm(dim=1)
    assert lengths.max() <= 0.5 + 1e-5
    assert lengths.min() > 0.05


def test_the_divergence_of_huge_logits_is_finite():
    logits = torch.tensor([[1e4, 0.0, -1e4]], requires_grad=True)
    others = torch.tensor([[-1e4, 0.0, 1e4]], requires_grad=True)
    found = divergence(logits, others)
    found.sum().backward()
    assert found.item() == 2e4
    assert logits.grad.isfinite().all()
    assert others.grad.isfinite().all()


def test_the_divergence_has_gradients_through_both():
    a, b = (torch.randn(4, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(divergence, (a, b))
