"""Accuracy over eps never rises, and is the same in figures, numbers and picture."""

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from PIL import Image

from jeat._support.intervals import said, wilson
from jeat.cli import main
from jeat.figures.accuracy_curves import draw
from jeat.metrics import Subject, accuracy, find, robust_accuracy, robustness_curve
from jeat.metrics._pgd import left_by_pgd
from jeat.nets import save_net
from jeat.samplers import Uniform

from .conftest import DIGITS
from .test_gradient_masking import trained

RADII = [0.0, 0.02, 0.05, 0.1, 0.2]
HOW = {"steps": 4}


@pytest.fixture(scope="module")
def ten():
    """A net that is right on most digits, and 60 test images."""
    return trained(0).eval(), *DIGITS.test.floats(60)


def test_it_falls_from_accuracy_and_each_radius_attacks_what_is_left(ten):
    net, x, y = ten
    torch.manual_seed(0)
    curve = robustness_curve(net, x, y, radii=RADII, **HOW)
    assert list(curve) == RADII
    assert curve[0.0] == accuracy(net, x, y)
    values = list(curve.values())
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.1 < values[2] < values[0]
    torch.manual_seed(0)
    left = net(x).argmax(1) == y
    for eps in RADII[1:]:
        stays = left_by_pgd(net, x[left], y[left], eps=eps, step_size=eps / 4, **HOW)
        left[left.clone()] = stays
        assert curve[eps] == left.sum() / 60


def test_of_one_radius_it_is_robust_accuracy_of_what_is_right(ten):
    net, x, y = ten
    right = net(x).argmax(1) == y
    x, y = x[right], y[right]
    torch.manual_seed(0)
    curve = robustness_curve(net, x, y, radii=[0.05], ratio=0.5, **HOW)
    torch.manual_seed(0)
    assert curve == {0.05: robust_accuracy(net, x, y, eps=0.05, step_size=0.025, **HOW)}


def test_it_never_rises_where_the_attack_is_left_to_chance(ten):
    """One step of next to no length: whether an image falls is up to its random start alone."""
    net, x, y = ten
    for seed in range(5):
        torch.manual_seed(seed)
        curve = robustness_curve(net, x, y, radii=RADII, steps=1, ratio=1e-9)
        assert list(curve.values()) == sorted(curve.values(), reverse=True)


@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
def test_the_metric_has_a_figure_a_radius(ten, norm):
    net, x, y = ten
    eps = {"linf": 0.1, "l1": 2.0, "l2": 0.6}[norm]
    torch.manual_seed(0)
    found = find("robustness_curve")(Subject(net, x, y), eps=eps, points=4, norm=norm, **HOW)
    torch.manual_seed(0)
    curve = robustness_curve(net, x, y, radii=[eps * k / 4 for k in range(5)], norm=norm, **HOW)
    assert found == {f"robust_accuracy@{k:.4g}": v for k, v in curve.items()}
    assert found["robust_accuracy@0"] == accuracy(net, x, y)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"radii": []}, "radii that grow"),
        ({"radii": [0.1, 0.1]}, r"radii that grow.*got \[0.1, 0.1\]"),
        ({"radii": [0.1, 2.0]}, r"eps is in \[0, 1\] pixels"),
        ({"radii": [-0.1, 0.1]}, r"eps is in \[0, 1\] pixels"),
        ({"radii": [0.1], "norm": "l0"}, "unknown norm"),
        ({"radii": [0.1], "ratio": 0}, "ratio must be above 0"),
        ({"radii": [0.1], "ratio": float("nan")}, "ratio must be above 0"),
    ],
)
def test_radii_that_are_none_are_refused(ten, how, said):
    with pytest.raises(ValueError, match=said):
        robustness_curve(*ten, **how)
    with pytest.raises(ValueError, match="1 to 1000 points"):
        find("robustness_curve")(Subject(*ten), points=0)
    with pytest.raises(ValueError, match="eps must be above 0"):
        find("robustness_curve")(Subject(*ten), eps=0.0)


CURVES = {
    "a": {0.0: (0.9, 0.8, 0.95), 8 / 255: (0.5, 0.4, 0.6)},
    "b": {0.0: (0.7, 0.6, 0.8), 8 / 255: (0.6, 0.5, 0.7)},
}


@pytest.mark.parametrize(("norm", "scale"), [("linf", 255), ("l2", 1), ("l1", 1)])
def test_the_picture_has_the_values_and_intervals_of_each_net_under_its_name(norm, scale):
    (ax,) = draw(CURVES, norm=norm, title="t").axes
    lines, bands = ax.get_lines(), ax.collections
    assert [t.get_text() for t in ax.get_legend().get_texts()] == list(CURVES)
    for line, band, curve in zip(lines, bands, CURVES.values(), strict=True):
        x, y = line.get_data()
        np.testing.assert_allclose(x, [scale * eps for eps in curve])
        np.testing.assert_allclose(y, [v for v, _, _ in curve.values()])
        corners = {tuple(p) for p in np.round(band.get_paths()[0].vertices, 9)}
        for eps, (_, low, high) in curve.items():
            assert {tuple(np.round((scale * eps, v), 9)) for v in (low, high)} <= corners
        assert tuple(band.get_facecolor()[0][:3]) == pytest.approx(to_rgb(line.get_color()))
    assert norm in ax.get_xlabel()


@pytest.mark.parametrize("curves", [{}, {"a": {}}])
def test_a_picture_of_nothing_is_refused(curves):
    with pytest.raises(ValueError, match="with points"):
        draw(curves, norm="linf")


def test_the_command_draws_and_prints_the_curve_of_each_net(ten, tmp_path, capsys):
    nets = {}
    for name, net in (("plain", ten[0]), ("robust", trained(0, robust=True).eval())):
        save_net(net, Uniform((1, 8, 8)), tmp_path / f"{name}.safetensors",
                 about={"plan": {"data": "digits"}})  # fmt: skip
        nets[name] = net
    files = [str(tmp_path / f"{name}.safetensors") for name in nets]
    out = tmp_path / "curve.png"
    words = ["-n", "60", "--steps", "4", "--eps", "0", "0.05", "0.1", "--seed", "3"]
    assert main(["curve", *files, str(out), *words]) == 0
    shown = capsys.readouterr().out
    rows = [[c.strip() for c in r.split("|")[1:-1]] for r in shown.splitlines() if "|" in r]
    assert rows[0] == ["eps", *nets]
    x, y = DIGITS.test.floats(60)
    for at, net in enumerate(nets.values(), start=1):
        torch.manual_seed(3)
        curve = robustness_curve(net, x, y, radii=[0.0, 0.05, 0.1], **HOW)
        cells = [f"{v:.3f} ({said(wilson(v, 60))})" for v in curve.values()]
        assert [row[at] for row in rows[2:]] == cells
    assert "PGD-4 in linf, steps of 0.25 eps, on 60 test images of digits, seed 3" in shown
    with Image.open(out) as image:
        assert image.format == "PNG"
