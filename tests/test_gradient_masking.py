"""Masked gradients show: attacks that should be stronger than others are not, and it is said."""

import json
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import jeat
from jeat.attacks import fgsm_rs
from jeat.cli import main
from jeat.energy import cross_entropy, score
from jeat.jobs import measurement
from jeat.jobs.measurement import Measurement, measure
from jeat.metrics import (
    Subject,
    accuracy,
    auto_attack,
    find,
    gradient_masking,
    robust_accuracy,
    signs_of_masking,
)
from jeat.metrics.gradient_masking import Scaled
from jeat.nets import Spec, build, save_net
from jeat.samplers import Uniform
from jeat.training.plan import Optimisation, Plan

from .conftest import DIGITS

EPS = 0.1


class Around(nn.Module):
    """``net`` with something done to its images before and to its logits after."""

    def __init__(self, net, before=lambda x: x, after=lambda f: f):
        super().__init__()
        self.net, self.before, self.after = net, before, after

    def forward(self, x):
        return self.after(self.net(self.before(x)))


class Noise(torch.autograd.Function):
    """The identity, with noise for a gradient."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        return torch.randn_like(g)


MASKS = {
    "saturated": {"after": lambda f: 1e6 * f},
    "stepped": {"before": lambda x: (x * 8).round() / 8},
    "noisy": {"before": Noise.apply},
    "shattered": {"before": lambda x: x + 0.02 * torch.sin(2000 * x)},
}


def trained(seed, robust=False):
    """A small net on the digits, plainly or adversarially trained."""
    torch.manual_seed(seed)
    net = build(Spec("convnet-8", 1, 8, DIGITS.classes))
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    x, y = DIGITS.train.floats()
    for i in range(150):
        at = torch.arange(i * 64, (i + 1) * 64) % len(x)
        a = fgsm_rs(net, x[at], y[at], eps=EPS) if robust else x[at]
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(net(a), y[at]).backward()
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return net


@pytest.fixture(scope="module")
def nets():
    """{adversarially trained: net}"""
    return {robust: trained(0, robust) for robust in (False, True)}


@pytest.fixture
def images():
    """120 test images and their labels."""
    return DIGITS.test.floats(120)


@pytest.mark.parametrize("robust", [False, True], ids=["normal", "at"])
@pytest.mark.parametrize(
    ("mask", "said"),
    [
        ("saturated", ["Square", "one scale", "without bound", "exactly zero"]),
        ("stepped", ["Square", "without bound", "exactly zero"]),
        ("noisy", ["Square"]),
        ("shattered", ["Square", "without bound"]),
    ],
)
def test_a_masked_net_is_told_by_its_signs(mask, said, robust, nets, images):
    net = Around(nets[robust], **MASKS[mask])
    assert accuracy(net, *images) > 0.9
    figures = gradient_masking(net, *images, eps=EPS)
    if mask == "stepped":  # nothing moves an image but a random start
        assert figures["masking_unbounded"] == accuracy(net, *images)
    signs = signs_of_masking(figures)
    assert len(signs) == len(said)
    for sign, word in zip(signs, said, strict=True):
        assert sign.startswith("gradients look masked: ")
        assert word in sign


@pytest.mark.parametrize("robust", [False, True], ids=["normal", "at"])
@pytest.mark.parametrize("seed", [0, *(pytest.param(k, marks=pytest.mark.slow) for k in (1, 2))])
def test_an_honest_net_shows_no_sign(seed, robust, nets, images):
    net = nets[robust] if seed == 0 else trained(seed, robust)
    for norm, eps in (("linf", EPS), ("l1", 1.5), ("l2", 0.5)):
        figures = gradient_masking(net, *images, eps=eps, norm=norm)
        assert 0.1 < figures["masking_pgd"] < accuracy(net, *images) - 0.05
        assert figures["masking_pgd"] < figures["masking_square"] + 0.02
        assert signs_of_masking(figures) == []


def test_figures_are_in_closed_form_on_a_linear_net():
    """Two classes; margins of 0.3, 0.8 and 1.2 times what the ball can take away."""
    w = torch.randn(64)
    margins = EPS * w.abs().sum() * torch.tensor([0.3, 0.8, 1.2]).repeat(20)
    x = (0.5 + margins[:, None] * w / w.square().sum()).view(60, 1, 8, 8)
    net = Around(nn.Flatten(), after=lambda x: torch.stack([(x - 0.5) @ w, torch.zeros(len(x))], 1))
    found = gradient_masking(net, x, torch.zeros(60).long(), eps=EPS)
    third = pytest.approx(1 / 3)
    assert found["masking_pgd"] == found["masking_scaled"] == found["masking_fgsm"] == third
    assert found["masking_square"] == third or found["masking_square"] == pytest.approx(2 / 3)
    assert found["masking_unbounded"] == found["masking_zero_gradient"] == 0
    assert {found[f"masking_{k}_only"] for k in ("square", "scaled", "fgsm")} == {0}
    assert found["masking_images"] == 60


def test_it_is_robust_accuracy_and_its_checks_on_the_same_images(nets, images):
    net, (x, y) = nets[False], (t[:50] for t in images)
    torch.manual_seed(3)
    found = gradient_masking(net, x, y, eps=EPS)
    torch.manual_seed(3)
    assert found["masking_pgd"] == robust_accuracy(net, x, y, eps=EPS, step_size=EPS / 4)
    once = robust_accuracy(net, x, y, eps=EPS, steps=1, step_size=EPS, random_start=False)
    assert found["masking_fgsm"] == once
    longer = auto_attack(net, x, y, eps=EPS, attacks=["square"])
    fewer = gradient_masking(net, x, y, eps=EPS, queries=5)["masking_square"]
    assert longer < found["masking_square"] < fewer < accuracy(net, x, y)
    for k in ("square", "scaled", "fgsm"):  # b - c, b + c <= 1
        only, ahead = found[f"masking_{k}_only"], found["masking_pgd"] - found[f"masking_{k}"]
        assert 0 <= only - ahead <= 1 - only


@pytest.mark.parametrize("classes", [2, 3, 10, 1000])
def test_logits_of_one_scale_keep_a_gradient_of_the_same_direction_at_any_scale(classes):
    """1 - p_y is at least 1 / (1 + e) where the label leads, and p_y at least 1 / C."""
    w = torch.randn(20, classes)
    x = torch.randn(50, 20)
    y = (x @ w).argmax(1)
    scores = []
    for by in (1e-6, 1.0, 1e6):
        net = Scaled(Around(nn.Identity(), after=lambda x, by=by: by * (x @ w)))
        p = net(x).softmax(1)[torch.arange(50), y]
        assert (1 - p >= 1 / (1 + torch.e) - 1e-6).all()
        scores.append(score(lambda x, net=net: cross_entropy(net(x), y), x))
        assert (scores[-1] != 0).any(1).all()
    for s in scores[1:]:
        torch.testing.assert_close(F.normalize(s), F.normalize(scores[0]), rtol=1e-3, atol=1e-4)
    flat = Scaled(Around(nn.Identity(), after=lambda x: x[:, :1].expand(-1, classes)))
    assert torch.isfinite(flat(x)).all()


def figures(n, **shares):
    """What :func:`gradient_masking` could find on n images of an honest net, and ``shares``."""
    others = {f"{k}{only}": 0.4 * (not only) for k in ("square", "scaled", "fgsm")
              for only in ("", "_only")}  # fmt: skip
    found = {"pgd": 0.4, "unbounded": 0.0, "zero_gradient": 0.0} | others | shares
    return {f"masking_{k}": v for k, v in found.items()} | {"masking_images": float(n)}


@pytest.mark.parametrize("name", ["square", "scaled", "fgsm"])
@pytest.mark.parametrize("n", [100, 999, 10_000])
def test_an_attack_counts_that_is_ahead_by_more_than_noise(name, n):
    """b - c images on either side of 0.01 n + 3 sqrt(b + c)."""
    for c in (0, n // 20):
        at = next(b for b in range(n) if b - c > 0.01 * n + 3 * (b + c) ** 0.5)
        for b in (at - 1, at):
            found = figures(n, **{name: 0.4 - (b - c) / n, f"{name}_only": b / n})
            assert bool(signs_of_masking(found)) == (b == at)


def test_nothing_is_said_of_noise():
    """Two attacks as strong as each other, of which each fools 5 in 100 that the other does not."""
    for n, seeds in ((50, 300), (1000, 300)):
        torch.manual_seed(n)
        b, c = (torch.poisson(torch.full((seeds,), 0.05 * n)) for _ in "bc")
        said = [
            bool(signs_of_masking(figures(n, scaled=0.4 - (i - j) / n, scaled_only=i / n)))
            for i, j in zip(b.tolist(), c.tolist(), strict=True)
        ]
        assert sum(said) <= 0.01 * seeds


@pytest.mark.parametrize("name", ["unbounded", "zero_gradient"])
def test_a_share_counts_that_is_more_than_one_in_a_hundred_by_more_than_noise(name):
    assert signs_of_masking(figures(9, **{name: 1.0})) == []
    for n, at in ((10, 10), (200, 13), (999, 25), (10_000, 135)):
        said = [bool(signs_of_masking(figures(n, **{name: k / n}))) for k in (0, at - 1, at)]
        assert said == [False, False, True]


def test_figures_of_something_else_are_no_sign():
    assert signs_of_masking({"zero_gradient_share": 1.0, "robust_accuracy": 1.0}) == []
    blind = {k: v for k, v in figures(100).items() if "square" not in k}
    assert signs_of_masking(blind) == []


def test_square_is_left_out_where_images_are_too_small_for_it():
    net = build(Spec("convnet-2", 1, 4, ("a", "b")))
    x, y = torch.rand(6, 1, 4, 4), torch.arange(6) % 2
    found = {norm: gradient_masking(net, x, y, norm=norm) for norm in ("linf", "l1", "l2")}
    for norm in ("l1", "l2"):
        lacking = found["linf"].keys() - found[norm].keys()
        assert lacking == {"masking_square", "masking_square_only"}
        assert signs_of_masking(found[norm]) == []


@pytest.mark.usefixtures("unchecked")
def test_what_cannot_be_measured_is_said(net, digits):
    for how, said in (
        ({"queries": 0}, "at least 1 query"), ({"images": 0}, "at least 1 image"),
        ({"eps": 8.0}, r"eps is in \[0, 1\]"), ({"norm": "l0"}, "unknown norm"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=said):
            find("gradient_masking")(Subject(net, *digits), **how)


# fp32, whatever is around


@pytest.mark.parametrize("name", ["robust_accuracy", "auto_attack", "gradient_masking"])
def test_a_net_trained_in_bf16_is_attacked_in_fp32_also_under_autocast(name, tmp_path):
    plan = Plan(
        "at", net="convnet-4", optimisation=Optimisation(epochs=1, precision="bf16"),
    )  # fmt: skip
    kinds = []
    for _ in jeat.fit(plan, tmp_path / "run"):
        pass
    net, (x, y) = jeat.load(tmp_path / "run"), DIGITS.test.floats(12)
    hook = net.register_forward_hook(lambda m, i, logits: kinds.append(logits.dtype))
    gradients = []
    for around in (False, True):
        kinds.clear()
        own = {"attacks": "apgd-ce", "precision": "fp32"}
        how = own if name == "auto_attack" else {}
        torch.manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16, enabled=around):
            gradients.append(find(name)(Subject(net, x, y), eps=0.05, **how))
        assert set(kinds) == {torch.float32}
    hook.remove()
    assert gradients[0] == gradients[1]


# Reports


@pytest.fixture(scope="module")
def files(tmp_path_factory, nets):
    """{masked: file of a net}; the masked one has a million times the logits."""
    folder, found = tmp_path_factory.mktemp("masking"), {}
    for masked in (False, True):
        net = build(Spec("convnet-8", 1, 8, DIGITS.classes))
        net.load_state_dict(nets[True].state_dict())
        with torch.no_grad():
            for p in net[-1].parameters():
                p *= 1e6 if masked else 1
        found[masked] = folder / f"{'masked' if masked else 'honest'}.safetensors"
        save_net(net, Uniform((1, 8, 8)), found[masked], about={"plan": {"data": "digits"}})
    return {k: str(file) for k, file in found.items()}


SAID = "jeat: warning: gradients look masked: "


@pytest.mark.parametrize(
    "metrics",
    [["robust_accuracy"], ["auto_attack"], ["accuracy", "gradient_masking"], []],
    ids=" ".join,
)
@pytest.mark.parametrize("masked", [False, True])
def test_jeat_measure_warns_of_a_masked_net(masked, metrics, files, tmp_path, capsys):
    out = tmp_path / "found.json"
    words = ["--metrics", *metrics] if metrics else ["--fisher_score.probes", "1"]
    ours = metrics or ["robust_accuracy"]
    how = ["--auto_attack.attacks", "apgd-ce"] if "auto_attack" in metrics else []
    words += [w for m in ours if m != "accuracy" for w in (f"--{m}.eps", str(EPS))]
    assert main(["measure", files[masked], "-n", "120", *words, *how, "--out", str(out)]) == 0
    shown, said = capsys.readouterr()
    warned = [line.removeprefix("jeat: warning: ") for line in said.splitlines() if SAID in line]
    found = json.loads(out.read_text())
    assert found["warnings"] == warned
    assert len(warned) == 4 * masked
    assert "| masking_square " in shown
    checked = found["figures"] | found["masking"]
    assert checked["masking_images"] == 120
    assert bool(found["masking"]) == ("gradient_masking" not in metrics)


@pytest.mark.parametrize("masked", [False, True])
def test_jeat_attack_warns_of_a_masked_net(masked, files, capsys):
    assert main(["attack", files[masked], "-n", "120", "--eps", str(EPS)]) == 0
    shown, said = capsys.readouterr()
    assert "| masking_scaled " in shown
    warned = [line for line in said.splitlines() if "warning" in line]
    assert [SAID in line for line in warned] == [True] * 4 * masked


def test_it_is_checked_in_the_ball_that_was_attacked(files, monkeypatch):
    asked = []
    monkeypatch.setattr(
        measurement, "measure_masking", lambda subject, **how: asked.append(how) or {}
    )
    ball = {"eps": 0.3, "norm": "l2"}
    m = Measurement(files[False], ("accuracy",), {"robust_accuracy": ball}, number=5)
    measure(m)
    assert asked == []
    measure(replace(m, metrics=("accuracy", "robust_accuracy")))
    measure(replace(m, metrics=("auto_attack",), settings={"auto_attack": {"attacks": "apgd-ce"}}))
    assert asked == [ball, {"eps": 8 / 255, "norm": "linf"}]


def test_a_suite_has_a_measurement_of_its_own(files, tmp_path, monkeypatch):
    monkeypatch.setattr(measurement, "signs_of_masking", lambda figures: sorted(figures))
    m = Measurement(files[True], ("robust_accuracy",), number=20)
    found = measurement.measure_to(tmp_path / "x.json", m)
    assert (found["masking"], found["warnings"]) == ({}, ["robust_accuracy"])


@pytest.mark.parametrize(("height", "width"), [(4, 4), (24, 24), (24, 32)])
def test_that_square_is_left_out_is_said(height, width):
    x, y = torch.rand(2, 1, height, width), torch.zeros(2, dtype=torch.int64)
    net = nn.Sequential(nn.Flatten(), nn.Linear(height * width, 2))
    with pytest.warns(UserWarning, match=f"Square in l2 cannot start .*{height} x {width} pixels"):
        found = gradient_masking(net, x, y, norm="l2", eps=0.5, queries=2)
    assert "masking_square" not in found
    assert found["masking_images"] == 2
