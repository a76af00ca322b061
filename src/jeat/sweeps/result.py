"""What came of a sweep: a row a trial, the best first, and the best setting to train by."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from jeat._support.reading import reading_of
from jeat.jobs.comparing import USUAL, Group, compare, compared
from jeat.runs.asked import usual
from jeat.runs.folder import read_plan
from jeat.sweeps.study import Trial, locked, opened, trials
from jeat.sweeps.sweep import Sweep, place_of
from jeat.training.flags import command_of, config_of, flags_of

__all__ = ["Best", "Row", "best", "by_run", "by_trial", "in_order"]

_TESTED = "test_"


@dataclass(frozen=True)
class Row:
    """A trial, and what its runs reached: the figures of those that are finished, if some are."""

    trial: Trial
    group: Group | None

    def mean(self, figure: str) -> float:
        """Of a figure over its seeds; NaN where a run diverged, or none is finished."""
        whole = self.group is not None and not any(run.why for run in self.trial.ended.values())
        return self.group.cells[figure].mean if whole and self.group else math.nan


@dataclass(frozen=True)
class Best:
    """The best setting of a sweep.

    Attributes:
        trial: whose setting it is.
        command: what trains by it, on all training images, into the folder NEW.
        config: the same as YAML.
        on_test: whether it was chosen by what is reported, so that its figure is too good.
    """

    trial: Trial
    command: str
    config: str
    on_test: bool


def in_order(sweep: Sweep, out: Path) -> list[Row]:
    """The trials of a sweep that have an end, the best first and those that failed last."""
    study = opened(out, sweep)
    with locked(out):
        known = [
            t for t in trials(study, sweep) if len(t.ended) == sweep.seeds and t.at == t.number
        ]
    figures = [sweep.figure, *(name for name in USUAL if name != sweep.figure)]
    rows = [Row(trial, _group(out, trial, figures)) for trial in known]
    sign = 1 if sweep.minimise else -1

    def rank(row: Row) -> tuple[bool, float]:
        mean = row.mean(sweep.figure)
        return math.isnan(mean), 0.0 if math.isnan(mean) else sign * mean

    return sorted(rows, key=rank)


def _group(out: Path, trial: Trial, figures: Sequence[str]) -> Group | None:
    """The finished runs of a trial."""
    finished = [k for k, run in sorted(trial.ended.items()) if run.value is not None]
    runs = [compared(str(place_of(out, trial.at, k))) for k in finished]
    return compare(runs, figures)[0] if runs else None


def by_trial(rows: Sequence[Row]) -> list[dict[str, str]]:
    """A table: a row a trial, with its settings, figures over seeds, and how runs of it failed."""
    figures = _figures(rows)
    failed = any(run.why for row in rows for run in row.trial.ended.values())
    return [
        {"trial": f"{row.trial.number:03d}"}
        | row.trial.settings
        | {k: str(row.group.cells.get(k, "")) if row.group else "" for k in figures}
        | ({"failed": _failure(row.trial)} if failed else {})
        for row in rows
    ]


def by_run(rows: Sequence[Row]) -> list[dict[str, object]]:
    """A row a run, with all digits of its figures."""
    return [line for row in rows for line in _runs(row, _figures(rows))]


def _runs(row: Row, figures: Sequence[str]) -> Iterator[dict[str, object]]:
    finished = [k for k, run in sorted(row.trial.ended.items()) if run.value is not None]
    for k, run in sorted(row.trial.ended.items()):
        cells = row.group.cells if row.group and not run.why else {}
        values = {name: cells[name].values for name in figures if name in cells}
        at = finished.index(k) if k in finished else -1
        line: dict[str, object] = {"trial": row.trial.number, "run": k, **row.trial.settings}
        for name in figures:
            line[name] = repr(values[name][at]) if at in values.get(name, ()) else ""
        yield line | {"failed": run.why}


def _figures(rows: Sequence[Row]) -> list[str]:
    return [*dict.fromkeys(k for row in rows if row.group for k in row.group.cells)]


def _failure(trial: Trial) -> str:
    """How many of its runs diverged, and how the first of them did."""
    whys = [run.why for _, run in sorted(trial.ended.items()) if run.why]
    return f"{len(whys)} of {len(trial.ended)}: {whys[0]}" if whys else ""


def best(sweep: Sweep, out: Path, rows: Sequence[Row]) -> Best | None:
    """The setting of the best trial; None where all failed.

    Images that were held out to choose by are trained on again, and it is tested on test images.
    """
    if not rows or math.isnan(rows[0].mean(sweep.figure)):
        return None
    trial = rows[0].trial
    plan: dict[str, Any] = read_plan(place_of(out, trial.at, 0))
    source, how = reading_of(plan["data"])
    on_test = how.validation is None and sweep.figure.startswith(_TESTED)
    plan["data"] = replace(how, validation=None).of(source)
    before = asdict(usual(plan["method"], flags_of(plan)["net"]))
    return Best(trial, command_of(plan, before, "NEW"), config_of(plan), on_test)
