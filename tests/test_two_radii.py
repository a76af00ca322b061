"""Figures of different balls do not stand side by side without a word."""

import json
import math
import warnings

import pytest
import torch

from jeat import metrics
from jeat.cli import main
from jeat.jobs.measurement import Measurement, measure
from jeat.nets import Spec, build, save_net

from .conftest import DIGITS

TWO = ("robust_accuracy", "auto_attack")
USUAL = 8 / 255


@pytest.fixture
def saved(tmp_path):
    def save(**plan):
        net = build(Spec("convnet-2", 1, 8, DIGITS.classes, {}))
        file = tmp_path / "net.safetensors"
        save_net(net, None, file, about={"plan": {"data": "digits"} | plan})
        return str(file)

    return save


def settings(**balls):
    return {
        name: balls.get(name, {}) | own
        for name, own in (("robust_accuracy", {"steps": 1}), ("auto_attack", {"attacks": "square"}))
    }


@pytest.mark.parametrize(
    ("balls", "said"),
    [
        ({}, 0),
        ({"robust_accuracy": {"eps": 0.3}}, 1),
        ({"auto_attack": {"norm": "l2"}}, 1),
        ({name: {"eps": 0.3} for name in TWO}, 0),
    ],
)
def test_metrics_of_two_balls_are_named_with_their_balls(saved, balls, said):
    found = measure(Measurement(saved(), TWO, settings(**balls), number=3))
    where = {name: {"eps": USUAL, "norm": "linf"} | balls.get(name, {}) for name in TWO}
    assert found["balls"][TWO[0]] == where[TWO[0]]
    assert found["balls"]["square"] == where[TWO[1]]
    assert found["balls"]["masking_pgd"] == where[TWO[0]]
    told = [w for w in found["warnings"] if "different balls" in w]
    assert len(told) == said
    for name, ball in where.items() if said else ():
        assert f"{name} eps {ball['eps']:.4g} norm {ball['norm']}" in told[0]


def test_the_table_shows_the_ball_of_each_row_where_there_are_two(saved, tmp_path, capsys):
    words = ["measure", saved(), "--metrics", "accuracy", *TWO, "-n", "3"]
    words += ["--auto_attack.attacks", "square", "--robust_accuracy.eps", "0.3"]
    assert main([*words, "--out", str(tmp_path / "x.json")]) == 0
    out, said = capsys.readouterr()
    cells = [[c.strip() for c in line.split("|")] for line in out.splitlines()]
    rows = {c[1]: c[5:7] for c in cells if len(c) > 6}
    assert rows["robust_accuracy"] == rows["masking_pgd"] == ["0.3", "linf"]
    assert rows["square"] == ["0.03137", "linf"]
    assert rows["accuracy"] == ["", ""]
    assert "different balls" in said
    assert json.loads((tmp_path / "x.json").read_text())["balls"]["square"]["eps"] == USUAL
    assert main([*words, "--auto_attack.eps", "0.3"]) == 0
    out, said = capsys.readouterr()
    assert "norm" not in out
    assert "different balls" not in said


@pytest.mark.parametrize(
    ("plan", "eps", "said"),
    [
        ({"eps": USUAL}, None, False),
        ({"eps": 0.3}, None, True),
        ({"eps": USUAL, "objective": {"eps": 0.3}}, None, True),
        ({"eps": 0.3, "objective": {"eps": USUAL}}, None, False),
        ({"eps": 0.3}, "0.3", False),
        ({"eps": 0.3}, "0.1", False),
    ],
)
def test_a_net_of_another_eps_than_the_usual_one_is_said_to_be(saved, capsys, plan, eps, said):
    net = saved(**plan)
    flags = [] if eps is None else ["--robust_accuracy.eps", eps]
    assert main(["measure", net, "-n", "3", "--metrics", "robust_accuracy", *flags]) == 0
    told = "was trained for eps 0.3, and is attacked at the usual 0.03137 by"
    assert (told in capsys.readouterr().err) == said
    assert main(["attack", net, "-n", "3", *(flags and ["--eps", eps])]) == 0
    assert (told in capsys.readouterr().err) == said


def test_a_net_of_another_norm_than_the_usual_one_is_said_to_be(saved, capsys):
    net = saved(objective={"eps": USUAL, "norm": "l2"})
    told = "was trained for eps 0.03137 in l2, and is attacked at the usual 0.03137 in linf by"
    for flags, said in (([], True), (["--norm", "l2"], False)):
        assert main(["attack", net, "-n", "3", *flags]) == 0
        assert (told in capsys.readouterr().err) == said


def test_each_figure_of_a_curve_and_of_classes_has_its_own_radius(saved, tmp_path, capsys):
    words = ["measure", saved(), "-n", "20", "--metrics", "robustness_curve", "class_accuracy"]
    words += ["--robustness_curve.eps", "0.2", "--robustness_curve.points", "2"]
    words += ["--class_accuracy.eps", "0.1", "--class_accuracy.step_size", "0.05"]
    assert main([*words, "--out", str(tmp_path / "x.json")]) == 0
    balls = json.loads((tmp_path / "x.json").read_text())["balls"]
    assert "robust_accuracy@0" not in balls
    assert balls["robust_accuracy@0.1"]["eps"] == 0.1
    assert balls["robust_accuracy@0.2"]["eps"] == 0.2
    clean = [k for k in balls if k.startswith(("class_accuracy", "class_images"))]
    robust = [ball["eps"] for k, ball in balls.items() if k.startswith("robust_class")]
    assert not clean
    assert set(robust) == {0.1}


@pytest.mark.parametrize(
    ("eps", "steps", "step_size", "short"),
    [(8 / 255, 20, 2 / 255, False), (0.3, 20, 2 / 255, True), (12.0, 20, 2 / 255, True),
     (0.1, 1, 0.1, False), (0.1, 3, 0.1 / 3, False), (0.0, 1, 0.0, False)],
)  # fmt: skip
def test_an_attack_whose_steps_cannot_cross_its_ball_is_doubted(eps, steps, step_size, short):
    net = build(Spec("convnet-2", 1, 8, ("a", "b")))
    x, y = torch.rand(3, 1, 8, 8), torch.tensor([0, 1, 0])
    how = {"eps": eps, "steps": steps, "step_size": step_size, "norm": "l1" if eps > 1 else "linf"}
    for measured in (metrics.robust_accuracy, metrics.targeted_success):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            measured(net, x, y, **how)
        said = [str(w.message) for w in caught if "most of which is not searched" in str(w.message)]
        assert len(said) == short, measured
        needed = math.ceil(eps / step_size) if step_size else 0
        words = f"take {needed} steps or more, or steps of {eps / steps:.3g}"
        assert not short or words in said[0]


def test_a_curve_doubts_its_attack_once():
    net = build(Spec("convnet-2", 1, 8, ("a", "b")))
    x, y = torch.rand(3, 1, 8, 8), torch.tensor([0, 1, 0])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        metrics.robustness_curve(net, x, y, radii=[0.0, 0.1, 0.2, 0.3], steps=2)
    said = [str(w.message) for w in caught if "not searched" in str(w.message)]
    assert len(said) == 1
    assert "take 4 steps or more" in said[0]
