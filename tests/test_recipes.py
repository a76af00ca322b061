"""A recipe trains what is missing, and its figures are those of the nets it leaves."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.svm import SVC

import jeat
from jeat.cli import main
from jeat.recipes import digits

from .conftest import DIGITS

METHODS = ["normal", "noise", "at", "prejeat", "jem", "jeat"]


def short(plans):
    """The same runs, of 3 iterations."""

    def plan(p):
        o = replace(p.optimisation, epochs=0.3, evaluate_images=10)
        few = {"steps": 2, "buffer_size": 130} if p.method in ("jem", "jeat") else {}
        return replace(p, net="convnet-4", objective=p.objective | few, optimisation=o)

    return lambda out, *, seed: {k: plan(p) for k, p in plans(out, seed=seed).items()}


def test_digits_leaves_a_run_a_row_and_a_grid_for_each_method_once(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(digits, "plans", short(digits.plans))
    out = tmp_path / "out"
    assert main(["reproduce", "digits", "--out", str(out), "--seed", "4"]) == 0
    results = json.loads((out / "results.json").read_text())
    assert [row["method"] for row in results["rows"]] == METHODS
    x, y = DIGITS.test.floats()
    for row in results["rows"]:
        net = jeat.load(out / row["method"])
        assert row["clean"] == jeat.metrics.accuracy(net, x, y)
        scores = jeat.metrics.fisher_score(net, x, y)
        assert row["jfs"] == pytest.approx(float(scores.mean()), rel=1e-4, abs=1e-6)
        assert Image.open(out / f"{row['method']}.png").size == (342, 342)
        plan = json.loads((out / row["method"] / "run.json").read_text())["plan"]
        assert (plan["method"], plan["optimisation"]["seed"]) == (row["method"], 4)
    assert results["protocol"]["seed"] == 4
    assert results["protocol"]["attack"]["steps"] == 20
    printed = capsys.readouterr().out
    assert (out / "table.md").read_text() in printed
    assert np.asarray(Image.open(out / "methods.png")).min() == 0
    assert list(digits.reproduce(out, seed=4)) == []  # a second call trains nothing
    assert json.loads((out / "results.json").read_text()) == results


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_jeat_draws_digits_that_a_stranger_reads_and_still_classifies(tmp_path):
    """The stranger is a support vector machine that has only seen scikit-learn's digits."""
    for _ in digits.reproduce(tmp_path):
        pass
    x, y = DIGITS.train.floats()
    reader = SVC().fit(x.flatten(1).numpy(), y.numpy())
    rows = {
        row["method"]: row for row in json.loads((tmp_path / "results.json").read_text())["rows"]
    }
    labels = torch.arange(10).repeat_interleave(30)
    images = {m: digits.EQ_17(jeat.load(tmp_path / m), labels) for m in ("at", "jeat")}
    read = reader.predict(images["jeat"].flatten(1).numpy())
    assert (read == labels.numpy()).mean() > 0.9
    far = {m: torch.cdist(i.flatten(1), x.flatten(1)).amin(1).mean() for m, i in images.items()}
    assert far["jeat"] < 0.8 * far["at"], far  # from the nearest training image
    assert rows["jeat"]["clean"] > 0.95
    assert rows["jeat"]["PGD-20"] > rows["normal"]["PGD-20"] + 0.2
