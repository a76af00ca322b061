"""A targeted attack goes towards a class that is named before it."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from jeat.attacks import balls, pgd
from jeat.cli import main
from jeat.energy import cross_entropy, joint_energy
from jeat.metrics import Subject, accuracy, aimed, find, targeted_success
from jeat.nets import save_net
from jeat.samplers import Uniform

from .conftest import DIGITS
from .test_gradient_masking import trained

EPS = 0.1
PGD = partial(pgd, eps=EPS, steps=10, step_size=EPS / 4)


@pytest.fixture(scope="module")
def ten():
    """A net that is right on most digits, and 60 test images."""
    return trained(0).eval(), *DIGITS.test.floats(60)


class Linear(nn.Module):
    """Logits <w_k, x>."""

    def __init__(self, w):
        super().__init__()
        self.w = nn.Parameter(w)

    def forward(self, x):
        return x.flatten(1) @ self.w.T


@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
def test_on_a_linear_net_an_energy_attack_is_eps_times_the_steepest_way_to_the_target(norm):
    """It lowers E(x, t) = -<w_t, x>: delta* = eps * steepest(w_t)."""
    w = torch.randn(3, 32)
    x, y = torch.full((6, 2, 4, 4), 0.5), torch.tensor([0, 1, 2, 0, 1, 2])
    target = (y + 1) % 3
    x_adv = pgd(
        Linear(w), x, y, eps=EPS, steps=1, step_size=EPS, norm=norm, loss="energy",
        random_start=False, target=target,
    )  # fmt: skip
    best = EPS * balls.steepest(w[target].view(6, 2, 4, 4), norm)
    torch.testing.assert_close(x_adv - x, best, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("loss", "falls"),
    [
        ("ce", cross_entropy),
        ("energy", joint_energy),
        (lambda f, t: -(f[range(len(t)), t] ** 3), None),
    ],
)
def test_it_lowers_its_loss_of_the_target(ten, loss, falls):
    net, x, y = ten
    target = (y + 3) % 10
    x_adv = PGD(net, x, y, loss=loss, target=target)
    falls = falls or loss
    with torch.no_grad():
        assert (falls(net(x_adv), target) < falls(net(x), target)).float().mean() > 0.95
    assert float((x_adv - x).abs().max()) <= EPS + 1e-6


def test_it_is_pgd_up_the_negative_loss_of_the_target(ten):
    net, x, y = ten
    target = (y + 1) % 10
    how = {"random_start": False}
    expected = PGD(net, x, target, loss=lambda f, t: -cross_entropy(f, t), **how)
    assert torch.equal(PGD(net, x, y, target=target, **how), expected)


def test_early_exit_leaves_each_image_at_its_first_iterate_of_the_target(ten):
    net, x, y = ten
    target = (y + 1) % 10
    how = {"eps": 0.3, "step_size": 0.03, "random_start": False, "target": target}
    path = [x] + [pgd(net, x, y, steps=n, **how) for n in range(1, 13)]
    reached = torch.stack([net(x_n).argmax(1) == target for x_n in path[:-1]])
    first = reached.int().argmax(0).where(reached.any(0), torch.tensor(12))
    assert len(first.unique()) > 3
    found = pgd(net, x, y, steps=12, early_exit=True, **how)
    for i, n in enumerate(first.tolist()):
        torch.testing.assert_close(found[i], path[n][i], rtol=0, atol=1e-5)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("target", "said"),
    [
        (torch.tensor([1, 0, 2]), "the target of image 2 is its label, 2"),
        (torch.tensor([1, 2]), "3 images but 2 targets"),
        (torch.tensor([1, 2, 10]), r"labels must lie in 0\.\.9, got 1\.\.10"),
        (torch.tensor([1.0, 2.0, 3.0]), "whole numbers"),
        (3, "a target must be a tensor, a class an image, got 3"),
    ],
)
def test_what_is_no_target_is_refused(ten, target, said):
    net, x, _ = ten
    with pytest.raises(ValueError, match=said):
        PGD(net, x[:3], torch.arange(3), target=target)


def test_targets_by_name(ten):
    net, x, y = ten
    logits = net(x)
    every, least = aimed(net, x, y, "least-likely")
    assert every.all()
    assert (least != y).all()
    others = logits.scatter(1, y[:, None], torch.inf)
    assert torch.equal(others.gather(1, least[:, None]).squeeze(1), others.amin(1))
    every, after = aimed(net, x, y, "next")
    assert every.all()
    assert torch.equal(after, (y + 1) % 10)
    kept, three = aimed(net, x, y, "three", classes=["zero", "one", "two", "three", *"456789"])
    assert torch.equal(kept, y != 3)
    assert (three == 3).all()
    assert len(three) == kept.sum()
    with pytest.raises(ValueError, match="no class 'ten' to attack towards: use least-likely, n"):
        aimed(net, x, y, "ten")
    with pytest.raises(ValueError, match="all images are of class 3"):
        aimed(net, x[y == 3], y[y == 3], "3")


@pytest.mark.parametrize("target", ["least-likely", "next", "7"])
def test_the_metric_counts_images_of_which_an_iterate_is_classified_as_the_target(ten, target):
    net, x, y = ten
    how = {"eps": 0.2, "steps": 10, "step_size": 0.05}
    torch.manual_seed(1)
    found = targeted_success(net, x, y, target=target, **how)
    kept, towards = aimed(net, x, y, target)
    torch.manual_seed(1)
    x_adv = pgd(net, x[kept], y[kept], target=towards, early_exit=True, **how)
    assert found["targeted_success"] == accuracy(net, x_adv, towards)
    assert 0.1 < found["targeted_success"] < 1
    assert found["targeted_images"] == kept.sum()
    less = targeted_success(net, x, y, target=target, **how | {"eps": 0.02})
    assert less["targeted_success"] < found["targeted_success"]
    named = Subject(net, x, y, classes=DIGITS.classes)
    torch.manual_seed(1)
    assert find("targeted_success")(named, target=target, **how) == found


def test_an_image_that_is_of_the_target_by_mistake_counts_at_eps_0(ten):
    net, x, y = ten
    wrong = replace(Subject(net, x, y), y=(net(x).argmax(1) - 1) % 10)
    how = {"eps": 0.0, "steps": 1, "step_size": 0.0}
    assert targeted_success(net, x, wrong.y, target="next", **how)["targeted_success"] == 1


@pytest.fixture(scope="module")
def file(ten, tmp_path_factory):
    path = tmp_path_factory.mktemp("net") / "net.safetensors"
    save_net(ten[0], Uniform((1, 8, 8)), path, about={"plan": {"data": "digits"}})
    return str(path)


@pytest.mark.parametrize("target", ["least-likely", "next", "7"])
def test_the_command_shows_the_share_that_is_classified_as_the_target(
    ten, file, target, tmp_path, capsys
):
    net, x, y = ten
    words = ["-n", "60", "--eps", "0.2", "--step_size", "0.05", "--target", target]
    out = tmp_path / "adv.npz"
    assert main(["attack", file, *words, "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    kept, towards = aimed(net, x, y, target)
    torch.manual_seed(0)
    x_adv = pgd(net, x[kept], y[kept], eps=0.2, steps=20, step_size=0.05, target=towards)
    saved = np.load(out)
    np.testing.assert_array_equal(saved["images"], x_adv.numpy())
    np.testing.assert_array_equal(saved["labels"], y[kept].numpy())
    lines = [line for line in shown.splitlines() if "|" in line]
    heads, _, clean, attacked = ([c.strip() for c in line.split("|")] for line in lines[:4])
    at = heads.index("as the target")
    assert clean[at] == f"{accuracy(net, x[kept], towards):.3f}"
    assert attacked[at] == f"{accuracy(net, x_adv, towards):.3f}"
    left_out = f"{int((y == 7).sum())} of 60 images are of class 7 already, and are left out"
    assert (left_out in shown) == (target == "7")


def test_the_command_refuses_a_class_that_is_none(file, capsys):
    assert main(["attack", file, "-n", "5", "--target", "cat"]) == 2
    assert "no class 'cat' to attack towards" in capsys.readouterr().err
