"""A counterfactual is the smallest walk that reaches a class, as far as balls around it tell."""

import math

import pytest
import torch
from torch import nn

from jeat.attacks import counterfactual, pgd
from jeat.attacks.counterfactual import log_odds, margin, reached


def linear(margin):
    """Two classes of 1 x 4 x 4 images, the first ahead by a margin where all is grey."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    torch.manual_seed(0)
    with torch.no_grad():
        net[1].weight.normal_(0, 0.5)
        net[1].bias.copy_(torch.tensor([margin, 0.0]) - net[1].weight.sum(1) / 2)
    return net.eval()


@pytest.fixture(scope="module")
def curved():
    torch.manual_seed(1)
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.SiLU(), nn.Linear(12, 4))
    with torch.no_grad():
        net[3].weight.mul_(8)
    return net.eval()


X = torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(3)) * 0.1 + 0.45


@pytest.mark.parametrize("confidence", [0.0, 0.5, 0.7])
def test_of_a_linear_net_it_is_the_distance_to_the_half_space(confidence):
    """p(1|x) >= c where w x + b >= log c / (1 - c): the walk is w's way, as far as is missing."""
    net, y = linear(0.6), torch.ones(2, dtype=torch.int64)
    w = net[1].weight[1] - net[1].weight[0]
    f = net(X)
    least = math.log(confidence / (1 - confidence)) if confidence else 0.0
    distance = ((least - (f[:, 1] - f[:, 0])) / w.norm()).detach()
    assert (distance > 0.1).all()
    found = counterfactual(net, X, y, confidence=confidence, steps=5)
    assert torch.allclose(found.length, distance, rtol=0.021)
    assert (found.length >= distance * (1 - 1e-4)).all()
    walk = (found.x - X).flatten(1)
    assert torch.allclose(walk / walk.norm(dim=1, keepdim=True), (w / w.norm()).expand(2, 16),
                          atol=1e-3)  # fmt: skip


@pytest.mark.parametrize("confidence", [0.0, 0.6])
def test_the_class_is_reached_in_the_ball_and_not_in_the_next_smaller_one(curved, confidence):
    said = curved(X).softmax(1)
    y, own = said.argsort(1)[:, -2], said.argmax(1)
    found = counterfactual(curved, X, y, confidence=confidence, steps=5, tolerance=0.1)
    assert reached(curved, found.x, y, confidence).all()
    assert (found.length <= found.radius + 1e-5).all()
    assert torch.allclose(found.length, (found.x - X).flatten(1).norm(dim=1))
    assert ((found.radius - found.missed) <= 0.1 * found.radius + 1e-6).all()
    assert (found.missed > 0).all()
    assert found.x.min() >= 0
    assert found.x.max() <= 1
    for i, r in enumerate(found.missed.tolist()):
        at = {"steps": 5, "step_size": 2.5 * r / 5, "norm": "l2", "random_start": False,
              "loss": log_odds if confidence else margin}  # fmt: skip
        short = pgd(curved, X[[i]], own[[i]], eps=r, **at, target=y[[i]])
        assert not reached(curved, short, y[[i]], confidence)


def test_an_image_that_is_of_its_class_stays_as_it_is():
    found = counterfactual(linear(-0.6), X, torch.tensor([1, 0]))
    assert torch.equal(found.x[0], X[0])
    assert found.length[0] == found.radius[0] == found.missed[0] == 0 < found.length[1]


def test_the_margin_is_below_0_where_a_class_is_the_likeliest():
    logits, y = torch.randn(50, 4), torch.arange(50) % 4
    assert torch.equal(margin(logits, y) < 0, logits.argmax(1) == y)
    assert margin(torch.tensor([[2.0, 3.5, 1.0]]), torch.tensor([0])).tolist() == [1.5]


def test_log_odds_are_those_of_the_probability_and_do_not_saturate():
    logits, y = torch.randn(6, 5, dtype=torch.float64), torch.arange(6) % 5
    p = logits.softmax(1).gather(1, y[:, None]).squeeze(1)
    assert torch.allclose(log_odds(logits, y), -(p / (1 - p)).log())
    far = torch.tensor([[500.0, 0.0, 1.0]], requires_grad=True)  # where p(1|x) is 0 in fp32
    log_odds(far, torch.tensor([1])).sum().backward()
    assert torch.allclose(far.grad, torch.tensor([[1.0, -1.0, 0.0]]))


@pytest.mark.parametrize(
    ("margin", "y", "settings", "said"),
    [
        (90.0, 1, {}, "to which the net gives class 1: name another class$"),
        (90.0, 1, {"classes": ("cat", "dog")}, "the net gives dog: name another class$"),
        (90.0, 1, {"confidence": 0.5}, "class 1 with confidence 0.5: name .*, or a lower conf"),
        (0.6, 2, {}, r"must lie in 0\.\.1, got 2"),
        (0.6, 1, {"confidence": 1.0}, r"^confidence must lie in \[0, 1\), got 1.0$"),
        (0.6, 1, {"tolerance": 0.0}, r"^tolerance must lie in \(0, 1\), got 0.0$"),
        (0.6, 1, {"steps": 0}, "at least 1 step"),
        (math.nan, 1, {}, "NaN or infinite at 1 of 1"),
    ],
)
def test_what_has_no_counterfactual_is_refused(margin, y, settings, said):
    with pytest.raises(ValueError, match=said):
        counterfactual(linear(margin), X[:1], torch.tensor([y]), **settings)
