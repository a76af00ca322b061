"""AUROC is the chance that an image inside scores above one outside."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from jeat.metrics import Subject, find, out_of_distribution, outside_of
from jeat.metrics.out_of_distribution import auroc, inside_scores

SCORES = ("energy", "confidence", "gradient")


class Bowl(nn.Module):
    """Two classes of logits -|x|^2 / 2 +- x_0: E(x) falls, and |grad E| grows, with |x|."""

    def forward(self, x):
        v = x.flatten(1)
        return -v.square().sum(1, keepdim=True) / 2 + torch.stack([v[:, 0], -v[:, 0]], 1)


def brute_force(inside, outside):
    d = inside[:, None] - outside[None, :]
    return float((d > 0).double().mean() + (d == 0).double().mean() / 2)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e5])
@pytest.mark.parametrize("shift", [0.0, -300.0])
def test_auroc_is_the_share_of_pairs_in_order_whatever_the_scale(scale, shift):
    inside, outside = (torch.randn(n).mul(8).round() / 8 for n in (40, 60))
    inside += 0.5
    expected = brute_force(inside, outside)
    assert 0.5 < expected < 1
    inside, outside = ((scores + shift) * scale for scores in (inside, outside))
    assert auroc(inside, outside) == pytest.approx(expected)
    assert auroc(outside, inside) == pytest.approx(1 - expected)


def test_separated_scores_have_1_equal_ones_half_and_one_distribution_half_within_its_error():
    assert auroc(torch.tensor([3e4, 4e4]), torch.tensor([1e4, 2e4, 2.5e4])) == 1
    assert auroc(torch.tensor([-3.0, -4]), torch.tensor([1.0])) == 0
    assert auroc(torch.zeros(5), torch.zeros(7)) == 0.5
    n, m = 4_000, 3_000
    error = ((n + m + 1) / (12 * n * m)) ** 0.5
    assert abs(auroc(torch.randn(n), torch.randn(m)) - 0.5) < 4 * error


def test_scores_are_jems(smooth_net, digits):
    x = digits[0].requires_grad_()
    logits = smooth_net(x)
    (g,) = torch.autograd.grad(logits.logsumexp(1).sum(), x)
    found = inside_scores(smooth_net, x)
    torch.testing.assert_close(found["energy"], logits.logsumexp(1).detach())
    torch.testing.assert_close(found["gradient"], -g.flatten(1).norm(dim=1))
    p = logits.detach().softmax(1).amax(1)
    torch.testing.assert_close(found["confidence"], p.logit(), rtol=1e-4, atol=1e-4)


def test_confidence_is_told_apart_where_it_rounds_to_1():
    class Large(nn.Module):
        def forward(self, x):
            return 400 * x.flatten(1)

    x = torch.tensor([0.75, 0.5, 0.25]).view(3, 1, 1, 1) * torch.tensor([1.0, 0]).view(1, 2, 1, 1)
    assert (Large()(x).softmax(1).amax(1) == 1).all()
    assert inside_scores(Large(), x)["confidence"].tolist() == [300, 200, 100]


def test_images_near_a_mode_are_told_from_images_far_from_it():
    near, far = 0.1 * torch.rand(300, 1, 3, 3), 0.8 + 0.2 * torch.rand(200, 1, 3, 3)
    found = out_of_distribution(Bowl(), near, far)
    assert found["ood_auroc_energy"] == found["ood_auroc_gradient"] == 1
    assert found["ood_auroc_confidence"] == 0  # |x_0| is larger outside
    subject = Subject(Bowl(), near, torch.zeros(300).long(), outside=far)
    assert find("out_of_distribution")(subject) == found
    same = out_of_distribution(Bowl(), near, near.flip(0))
    assert same == pytest.approx({f"ood_auroc_{name}": 0.5 for name in SCORES}, abs=1e-6)


def test_stand_ins_are_what_they_say():
    y = torch.randint(3, (500,))
    x = F.one_hot(y, 3).float().view(500, 3, 1, 1)  # a class is a colour
    assert torch.equal(outside_of(x, y, kind="inverted"), 1 - x)
    mixed = outside_of(x, y, kind="interpolated")
    assert mixed.shape == x.shape
    assert (mixed.amax(1) == 0.5).all()  # two different colours, and
    assert (mixed.flatten(1)[torch.arange(500), y] == 0.5).all()  # one is the image's
    noise = outside_of(x, y, kind="uniform").flatten()
    assert noise.shape == (1500,)
    assert abs(float(noise.mean()) - 0.5) < 4 / (12 * 1500) ** 0.5
    assert abs(float(noise.var()) - 1 / 12) < 4 / (180 * 1500) ** 0.5


@pytest.mark.usefixtures("unchecked")
def test_what_cannot_be_told_apart_is_refused(net, digits):
    x, y = digits
    with pytest.raises(ValueError, match="needs images of none of the classes"):
        find("out_of_distribution")(Subject(net, x, y))
    for outside in (x[:0], torch.rand(4, 1, 6, 6), torch.rand(4, 3, 8, 8)):
        with pytest.raises(ValueError, match="two sets of images of one shape"):
            out_of_distribution(net, x, outside)
    with pytest.raises(ValueError, match="got images of one"):
        outside_of(x, torch.zeros_like(y), kind="interpolated")
    with pytest.raises(ValueError, match="unknown kind 'svhn'"):
        outside_of(x, y, kind="svhn")
