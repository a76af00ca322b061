"""Beside each share of images stands how far it is known: Wilson's interval."""

import json
import math
import re

import pytest
import torch

from jeat._support.intervals import said, wilson
from jeat.cli import main
from jeat.metrics import Column, Subject, accuracy, class_accuracy, find, robust_accuracy
from jeat.nets import save_net
from jeat.report import Table, markdown, summarise
from jeat.samplers import Uniform

from .conftest import DIGITS
from .test_gradient_masking import trained

EPS = 0.05


@pytest.fixture(scope="module")
def ten():
    """A net that is right on most digits, and 80 test images."""
    return trained(0).eval(), *DIGITS.test.floats(80)


@pytest.fixture(scope="module")
def file(ten, tmp_path_factory):
    path = tmp_path_factory.mktemp("net") / "net.safetensors"
    save_net(ten[0], Uniform((1, 8, 8)), path, about={"plan": {"data": "digits"}})
    return str(path)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (3, 10), (10, 10), (871, 1000), (1, 1)])
def test_it_is_wilsons_formula(k, n):
    """(p + z^2 / 2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n), z = 1.96."""
    p, z = k / n, 1.959963984540054
    half = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low, high = ((p + z**2 / (2 * n) + s * half) / (1 + z**2 / n) for s in (-1, 1))
    assert wilson(p, n) == pytest.approx((low, high), abs=1e-9)
    assert low - 1e-9 <= p <= high + 1e-9


def test_it_holds_the_share_of_all_images_about_95_times_in_100():
    torch.manual_seed(0)
    p, n, times = 0.9, 100, 2000
    counts = torch.binomial(torch.full((times,), float(n)), torch.tensor(p)).int().tolist()
    known = {k: wilson(k / n, n) for k in set(counts)}
    held = sum(known[k][0] <= p <= known[k][1] for k in counts) / times
    assert 0.92 < held < 0.98


def test_no_image_and_no_share_have_none():
    for share, n in ((0.5, 0), (1.5, 10), (-0.5, 10)):
        with pytest.raises(ValueError, match="must"):
            wilson(share, n)
    assert said(None) == ""


WORDS = [
    "-n", "80", "--metrics", "accuracy", "robust_accuracy", "class_accuracy", "energies",
    "--robust_accuracy.eps", str(EPS), "--class_accuracy.eps", str(EPS),
]  # fmt: skip


def test_measure_shows_an_interval_beside_each_share_and_writes_it(file, tmp_path, capsys):
    out = tmp_path / "found.json"
    assert main(["measure", file, *WORDS, "--out", str(out)]) == 0
    found, shown = json.loads(out.read_text()), capsys.readouterr().out
    figures = found["figures"] | found["masking"]
    shares = {k for k in figures if re.match("accuracy|robust|class_accuracy", k)}
    shares |= {f"masking_{k}" for k in ("pgd", "square", "scaled", "fgsm", "unbounded")}
    assert set(found["intervals"]) == shares | {"masking_zero_gradient"}
    for name, interval in found["intervals"].items():
        assert tuple(interval) == wilson(figures[name], found["counts"][name])
    lines = [[c.strip() for c in row.split("|")] for row in shown.splitlines() if "|" in row]
    assert lines[0][1:5] == ["metric", "value", "95 %", "images"]
    cells = {row[1]: row[2:5] for row in lines[2:]}
    low, high = wilson(figures["accuracy"], 80)
    right = f"{figures['accuracy']:.4g}"
    assert cells["accuracy"] == [right, f"{low:.3f} to {high:.3f}", "80 test"]
    assert cells["cross_entropy"][1] == ""
    of_3 = f"{int(figures['class_images@3'])} test"
    assert cells["class_accuracy@3"][2] == of_3 != "80 test"


def test_attack_shows_an_interval_beside_accuracies(file, ten, capsys):
    net, x, y = ten
    assert main(["attack", file, "-n", "80", "--eps", "0.1", "--target", "3"]) == 0
    lines = [
        [c.strip() for c in row.split("|")]
        for row in capsys.readouterr().out.splitlines()
        if "|" in row
    ]
    n = int((y != 3).sum())
    clean = accuracy(net, x[y != 3], y[y != 3])
    heads, rows = lines[0], {row[1]: row for row in lines}
    assert rows["clean"][heads.index("accuracy") + 1] == said(wilson(clean, n))
    at = heads.index("as the target")
    share = float(rows["attacked"][at])
    assert rows["attacked"][at + 1] == said(wilson(round(share * n) / n, n))
    pgd = rows["masking_pgd"]
    assert pgd[3] == said(wilson(round(float(pgd[2]) * n) / n, n))


# Class by class


def test_accuracies_of_classes_make_up_accuracy_and_robust_accuracy(ten):
    net, x, y = ten
    torch.manual_seed(0)
    found = class_accuracy(net, x, y, classes=DIGITS.classes, eps=EPS)
    n = {k: found[f"class_images@{k}"] for k in DIGITS.classes}
    assert sum(n.values()) == 80
    for what, whole in (
        ("class_accuracy", accuracy(net, x, y)),
        ("robust_class_accuracy", None),
    ):
        if whole is None:
            torch.manual_seed(0)
            whole = robust_accuracy(net, x, y, eps=EPS)
        assert sum(found[f"{what}@{k}"] * n[k] for k in n) / 80 == pytest.approx(whole)
    for k, name in enumerate(DIGITS.classes):
        of = y == k
        assert found[f"class_accuracy@{name}"] == accuracy(net, x[of], y[of])


def test_a_class_without_images_has_no_figure_and_without_eps_there_is_no_attack(ten):
    net, x, y = ten
    few = y != 4
    found = find("class_accuracy")(Subject(net, x[few], y[few], classes=tuple("abcdefghij")))
    names = {k.partition("@")[2] for k in found}
    assert names == set("abcdfghij")
    assert {k.partition("@")[0] for k in found} == {"class_accuracy", "class_images"}
    numbered = find("class_accuracy")(Subject(net, x[few], y[few]))
    assert numbered["class_accuracy@3"] == found["class_accuracy@d"]


def test_without_eps_no_signs_of_masking_are_looked_for(file, tmp_path, capsys):
    out = tmp_path / "found.json"
    words = ["-n", "20", "--metrics", "class_accuracy", "--out", str(out)]
    assert main(["measure", file, *words]) == 0
    assert json.loads(out.read_text())["masking"] == {}
    assert main(["measure", file, *words, "--class_accuracy.eps", "0.01"]) == 0
    assert json.loads(out.read_text())["masking"] != {}


def test_a_column_of_several_figures_is_one_a_figure_in_a_report():
    column = Column("class_accuracy@*", "of a class", "clean", "higher", share=True)
    records = [
        {"method": "a", "seed": 0, "column": f"class_accuracy@{k}", "value": v, "command": "c",
         "images": 10}
        for k, v in (("cat", 0.25), ("dog", 0.75))
    ]  # fmt: skip
    shown = markdown([Table("T", "", (column,), ("a",))], summarise(records))
    assert "class_accuracy@cat | class_accuracy@dog" in re.sub(" +", " ", shown)
    assert "*" not in shown


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"steps": 0}, "at least 1 step"),
        ({"step_size": -1.0}, "step_size must not be negative"),
        ({"norm": "l0"}, "unknown norm"),
        ({"loss": "hinge"}, "unknown attack loss"),
        ({"classes": "abc"}, "10 logits need 10 different names"),
        ({"classes": "abcdefghia"}, "10 logits need 10 different names"),
    ],
)
def test_settings_are_looked_at_without_an_attack_and_names_are_those_of_the_logits(ten, how, said):
    with pytest.raises(ValueError, match=said):
        class_accuracy(*ten, **how)


def test_a_label_outside_of_the_classes_is_refused(ten):
    net, x, y = ten
    with pytest.raises(ValueError, match="labels"):
        class_accuracy(net, x, y.where(y != 3, 10))
