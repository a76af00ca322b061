"""The page on scale shows what its command counts, and counts what a run writes."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
from benchmarks import plan

from jeat import suites
from jeat.nets.places import newest
from jeat.recipes import digits
from jeat.runs.fit import fit
from jeat.training.plan import Optimisation, Plan

_cost = import_module("jeat.suites.cost")


def test_the_committed_plan_is_what_the_command_writes():
    assert plan.FILE.read_text() == plan.tables()
    assert "../results/plan.md" in (plan.FILE.parents[1] / "docs/scale.md").read_text()


def test_the_plan_counts_as_the_dry_run_does():
    suite = plan.cifar10()
    rows = {row["run"]: row for row in suites.cost(suite, Path("runs"), seeds=1)}
    for method in plan.METHODS:
        computed, _ = plan._of(suite, suite.plans(Path("runs/seed0"), 0)[method])
        row = rows[f"seed0/{method}"]
        assert computed["GPU hours"] == row["hours at 100 TFLOP/s"]
        assert computed["iterations"] == row["iterations"]


@pytest.mark.parametrize(
    "change",
    [{}, {"ema": 0.9}, {"optimizer": "sgd", "kept": "fp16"}],
    ids=["adamw", "average", "sgd, fp16"],
)
def test_a_checkpoint_is_as_large_as_counted(tmp_path, change):
    o = replace(Optimisation(epochs=0.01, batch_size=16, evaluate_images=2), **change)
    settings = {"steps": 1, "buffer_size": 2000}
    p = Plan("jeat", net="convnet-32", start="gaussian", objective=settings, optimisation=o)
    for _ in fit(p, tmp_path / "run"):
        pass
    suite = digits.suite()
    _, parameters = _cost._of_a_pass(suite, p)
    written = sum(f.stat().st_size for f in newest(tmp_path / "run").iterdir())
    assert written == pytest.approx(_cost.of_checkpoint(suite, p, parameters), rel=0.02)
