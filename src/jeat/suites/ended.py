"""Runs of a suite that leave nothing to train: those that diverged, and those whose net is gone."""

import json
from pathlib import Path

from jeat._support.files import rewritten
from jeat.jobs.measurement import Measurement
from jeat.nets.places import newest
from jeat.suites.suite import JUDGE, Suite, measurements, runs
from jeat.training.health import DivergenceError

__all__ = ["kept", "record_divergence", "why_diverged"]

_FILE = "diverged.json"


def record_divergence(run: Path, why: DivergenceError) -> None:
    """Keep beside a run that it diverged, and how."""
    rewritten(run / _FILE, json.dumps({"why": str(why)}, indent=1) + "\n")


def why_diverged(run: Path) -> str | None:
    """How a run diverged; None where it did not."""
    file = run / _FILE
    return str(json.loads(file.read_text())["why"]) if file.is_file() else None


def kept(suite: Suite, out: Path, *, seeds: int) -> set[str]:
    """The runs in ``out`` that have every figure asked for, and no net any more.

    A folder of results without weights is such a run. It is neither trained nor drawn again, unless
    another run begins from its net, or a picture shows it.
    """
    files = measurements(suite, out, seeds=seeds)
    training = runs(suite, out, seeds=seeds)
    found: set[str] = set()
    for name in reversed(training):  # a run comes before those that begin from it
        left = {k: plan for k, plan in training.items() if k not in found and k != name}
        needed = any(plan.init == str(out / name) for plan in left.values())
        if name == JUDGE:
            needed = needed or bool(left)
        else:
            needed = needed or suite.comparison.shows(training[name].optimisation.seed)
        own = [(file, m) for file, m in files.items() if file.parents[1] == out / name]
        whole = bool(own) and all(_holds(file, m) for file, m in own)
        if whole and not needed and newest(out / name) is None:
            found.add(name)
    return found


def _holds(file: Path, m: Measurement) -> bool:
    """Whether a JSON file holds such a measurement, of whatever net."""
    try:
        return bool(json.loads(file.read_text())["inputs"]["what"] == m.what())
    except (OSError, ValueError, KeyError, TypeError):
        return False
