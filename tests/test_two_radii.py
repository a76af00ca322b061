"""Figures of different balls do not stand side by side without a word."""

import json

import pytest

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
