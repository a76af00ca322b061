"""A suite carried out: train what is missing, draw, measure, report."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jeat._support.checks import SettingError
from jeat.jobs import drawing, measurement
from jeat.runs.fit import fit
from jeat.suites.cards import write_models
from jeat.suites.rehearsal import rehearse
from jeat.suites.report import write
from jeat.suites.suite import Suite, drawings, measurements, runs

__all__ = ["Progress", "reproduce"]


@dataclass(frozen=True)
class Progress:
    """``done`` of ``total`` of a named stage, and what is being done."""

    stage: str
    done: int
    total: int
    note: str = ""


def reproduce(suite: Suite, out: Path, *, seeds: int) -> Iterator[Progress]:
    """Train what is missing, measure it, and write the report, into ``out``.

    ::

        OUT/report.html                 every table and figure, beside the paper's numbers
        OUT/results.json, tables.csv    the same numbers, with the command of each
        OUT/tables.md                   the tables in Markdown
        OUT/figures/*.png               Fig. 2 to 7
        OUT/judge/                      the run of the judge
        OUT/seed0/METHOD/               a run, its images (eq17.safetensors) and figures/*.json
        OUT/models/NAME-METHOD.*        nets to hand on and their cards, where the suite has a NAME

    A second call neither trains, draws nor measures what is there; it writes the report anew.

    Raises:
        ValueError: fewer than 1 seed, a file where the folder should be, or what
            :func:`jeat.suites.rehearsal.rehearse` finds wanting; nothing is trained then.
        FileNotFoundError: what a measurement needs is not there; nothing is trained then, either.
    """
    if seeds < 1:
        raise SettingError(f"--seeds must be at least 1, got {seeds}")
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file: give --out a folder")
    out = _as_seen_from_here(out)
    rehearse(suite, out, seeds=seeds)
    training = runs(suite, out, seeds=seeds)
    for i, (name, plan) in enumerate(training.items()):
        for log in fit(plan, out / name, resume=True):
            yield Progress("train", i, len(training), f"{name}: {log.iteration} of {log.total}")
    yield Progress("train", len(training), len(training), "done")
    images = drawings(suite, out, seeds=seeds)
    for i, (file, d) in enumerate(images.items()):
        yield Progress("draw", i, len(images), str(file.relative_to(out)))
        drawing.draw_to(file, d)
    yield Progress("draw", len(images), len(images), "done")
    figures = measurements(suite, out, seeds=seeds)
    for i, (file, m) in enumerate(figures.items()):
        yield Progress("measure", i, len(figures), str(file.relative_to(out)))
        measurement.measure_to(file, m)
    yield Progress("measure", len(figures), len(figures), "done")
    yield Progress("report", 0, 1)
    write(suite, out, seeds=seeds)
    if suite.models:
        write_models(suite, out)
    yield Progress("report", 1, 1)


def _as_seen_from_here(out: Path) -> Path:
    """One spelling of a folder, since commands hold it: relative where it lies below."""
    full = out.resolve()
    return full.relative_to(Path.cwd()) if full.is_relative_to(Path.cwd()) else full
