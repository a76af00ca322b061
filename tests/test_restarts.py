"""Restarts: an image is robust if it survives all, and only survivors are attacked again."""

import pytest
import torch

from jeat.attacks import pgd
from jeat.metrics import class_accuracy, robust_accuracy, robustness_curve
from jeat.metrics._pgd import left_by_pgd

from .conftest import DIGITS
from .test_gradient_masking import trained

HOW = {"eps": 0.1, "steps": 3, "step_size": 0.05}


@pytest.fixture(scope="module")
def ten():
    """A net of which some images fall by chance, and 100 test images."""
    return trained(0).eval(), *DIGITS.test.floats(100)


def runs(net, x, y, restarts, seed=0):
    """Whether each image is right at every iterate of all ``restarts``, whoever fell before."""
    torch.manual_seed(seed)
    left = torch.ones(len(y), dtype=torch.bool)
    for _ in range(restarts):
        x_adv = pgd(net, x[left], y[left], early_exit=True, **HOW)
        left[left.clone()] = net(x_adv).argmax(1) == y[left]
    return left


@pytest.mark.parametrize("restarts", [1, 2, 4])
def test_an_image_is_robust_if_it_survives_all_restarts(ten, restarts):
    torch.manual_seed(0)
    left = left_by_pgd(*ten, restarts=restarts, **HOW)
    assert torch.equal(left, runs(*ten, restarts))
    torch.manual_seed(0)
    assert robust_accuracy(*ten, restarts=restarts, **HOW) == left.sum() / len(left)


def test_more_restarts_leave_fewer_and_one_is_the_attack_without_the_setting(ten):
    found = []
    for how in ({}, {"restarts": 1}, {"restarts": 5}):
        torch.manual_seed(3)
        found.append(left_by_pgd(*ten, **how, **HOW))
    assert torch.equal(found[0], found[1])
    assert not (found[2] & ~found[1]).any()
    assert found[2].sum() < found[1].sum()


def test_only_what_is_left_is_passed_again(ten):
    net, x, y = ten
    sizes = []
    hook = net.register_forward_pre_hook(lambda m, given: sizes.append(len(given[0])))
    torch.manual_seed(0)
    left = left_by_pgd(net, x, y, **HOW)
    sizes.clear()
    torch.manual_seed(0)
    left_by_pgd(net, x, y, restarts=2, **HOW)
    hook.remove()
    assert sizes[0] == 100
    assert sizes[1 + HOW["steps"] + 1] == left.sum()  # after the images as they are, and the first


@pytest.mark.parametrize("seed", range(3))
def test_an_image_that_is_wrong_as_it_is_is_not_robust(seed):
    """A net whose labels change from pixel value to pixel value: any start may mend an image."""

    class Stripes(torch.nn.Module):
        def forward(self, x):
            at = (x.flatten(1)[:, 0] * 1000).round() % 2
            return torch.stack([at, 1 - at], 1) + 0 * x.sum((1, 2, 3))[:, None]

    torch.manual_seed(seed)
    net, x = Stripes(), torch.rand(200, 1, 4, 4)
    y = net(x).argmax(1)
    y[::2] = 1 - y[::2]
    right = net(x).argmax(1) == y
    left = left_by_pgd(net, x, y, eps=0.05, steps=1, step_size=0.0125)
    assert 0.1 < left.float().mean() < 0.4  # half of the right ones: the start decides
    assert not (left & ~right).any()


def test_where_none_is_left_there_is_no_further_start(ten):
    net, x, _ = ten
    wrong = (net(x).argmax(1) + 1) % 10
    passes = []
    hook = net.register_forward_pre_hook(lambda m, given: passes.append(1))
    assert robust_accuracy(net, x, wrong, restarts=1000, **HOW | {"eps": 0.0}) == 0
    hook.remove()
    assert len(passes) <= 3


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"restarts": 2, "random_start": False}, "restarts=2 from the image itself are all the"),
        ({"restarts": 0}, "at least 1 start and at most 1e9, a whole number, got restarts=0"),
        ({"restarts": 1.5}, "restarts=1.5"),
    ],
)
def test_restarts_that_mean_nothing_are_refused(ten, how, said):
    with pytest.raises(ValueError, match=said):
        robust_accuracy(*ten, **HOW, **how)


def test_a_radius_and_classes_take_the_restarts_of_robust_accuracy(ten):
    net, x, y = ten
    right = net(x).argmax(1) == y
    x, y = x[right], y[right]
    torch.manual_seed(0)
    left = left_by_pgd(net, x, y, restarts=3, **HOW)
    torch.manual_seed(0)
    curve = robustness_curve(net, x, y, radii=[0.1], steps=3, ratio=0.5, restarts=3)
    assert curve == {0.1: left.sum() / len(left)}
    torch.manual_seed(0)
    of = class_accuracy(net, x, y, restarts=3, **HOW)
    for k in y.unique().tolist():
        share = left[y == k].float().mean().item()
        assert of[f"robust_class_accuracy@{k}"] == pytest.approx(share)
