"""Every method learns the digits: accuracy, robustness, and images that a judge knows."""

from pathlib import Path

import pytest
import torch

import jeat
from jeat._support.plugins import known_parts
from jeat.jobs.drawing import Drawing, draw
from jeat.metrics import accuracy, robust_accuracy
from jeat.recipes import hybrids, hybrids_digits
from jeat.suites.suite import JUDGE, runs

from .conftest import DIGITS

SUITE = hybrids_digits.suite()
LEAST = {  # accuracy, under PGD-20 at eps 0.1, judged as the class asked
    "normal": (0.95, 0.35, 0.5),
    "at": (0.95, 0.70, 0.9),
    "at-l2": (0.95, 0.60, 0.8),
    "trades": (0.95, 0.70, 0.8),
    "mart": (0.95, 0.70, 0.8),
    "trades-awp": (0.90, 0.65, 0.8),
    "jem": (0.93, 0.45, 0.9),
    "sada-jem": (0.93, 0.45, 0.9),
    "jeat": (0.95, 0.70, 0.9),
    "eb-jdat": (0.95, 0.70, 0.9),
    "dat": (0.95, 0.70, 0.9),
    "igebm": (0.50, 0.10, 0.4),
    "glow": (0.80, 0.05, 0.5),
}


def test_every_method_of_the_package_is_in_both_suites():
    there = {*known_parts("objectives")}
    for suite in (SUITE, hybrids.suite()):
        plans = suite.plans_of(Path(), 0)
        assert {plan.method for plan in plans.values()} == there - {"noise", "prejeat"}


def test_every_run_of_the_digits_has_rates_to_reach():
    assert {*SUITE.methods()} == {*LEAST}


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("all")


@pytest.fixture(scope="module")
def judge(out):
    for _ in jeat.fit(SUITE.judge, out / JUDGE):
        pass
    return jeat.load(out / JUDGE)


@pytest.mark.slow
@pytest.mark.parametrize("method", LEAST)
def test_a_method_learns_the_digits_without_diverging(method, out, judge):
    """Its parent is trained where no test before did."""
    plans = runs(SUITE, out, seeds=1)
    names = [f"seed0/{method}"]
    if (init := plans[names[0]].init) is not None:
        names.insert(0, str(Path(init).relative_to(out)))
    for name in names:
        for log in jeat.fit(plans[name], out / name, resume=True):
            assert not log.went_back
    x, y = DIGITS.test.floats(360)
    net = jeat.load(out / names[-1])
    how = SUITE.chain_of(method)
    images, labels = draw(Drawing(str(out / names[-1]), number=20, **how))
    with torch.no_grad():
        judged = float((judge(images).argmax(1) == labels).float().mean())
    found = accuracy(net, x, y), robust_accuracy(net, x, y, eps=0.1, step_size=0.025), judged
    assert all(value >= least for value, least in zip(found, LEAST[method], strict=True)), found
