"""A suite carried out: train what is missing, draw, measure, report."""

import os
from collections.abc import Iterator
from pathlib import Path

from jeat._support.checks import SettingError
from jeat.suites.cards import write_models
from jeat.suites.rehearsal import rehearse
from jeat.suites.report import write
from jeat.suites.suite import Suite
from jeat.suites.tasks import Progress, carried_out

__all__ = ["help_with", "reproduce"]


def reproduce(suite: Suite, out: Path, *, seeds: int, shared: bool = False) -> Iterator[Progress]:
    """Train what is missing, measure it, and write the report, into ``out``.

    ::

        OUT/report.html                 every table and figure, beside the paper's numbers
        OUT/results.json, tables.csv    the same numbers, with the command of each
        OUT/tables.md                   the tables in Markdown
        OUT/figures/*.png               Fig. 2 to 7
        OUT/judge/                      the run of the judge
        OUT/seed0/METHOD/               a run, its images (eq17.safetensors, .png), figures/*.json
        OUT/models/NAME-METHOD.*        nets to hand on and their cards, where the suite has a NAME

    A second call neither trains, draws nor measures what is there; it writes the report anew. Where
    work is ``shared``, what other processes of :func:`help_with` are at is left to them.

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
    yield from carried_out(suite, out, seeds=seeds, shared=shared)
    yield Progress("report", 0, 1)
    write(suite, out, seeds=seeds)
    if suite.models:
        write_models(suite, out)
    yield Progress("report", 1, 1)


def help_with(suite: Suite, out: Path, *, seeds: int, parent: int) -> None:
    """Share the work of :func:`reproduce`, which the process ``parent`` began, as its child."""
    out = _as_seen_from_here(out)
    for _ in carried_out(
        suite, out, seeds=seeds, shared=True, wanted=lambda: os.getppid() == parent
    ):
        pass


def _as_seen_from_here(out: Path) -> Path:
    """One spelling of a folder, since commands hold it: relative where it lies below."""
    full = out.resolve()
    return full.relative_to(Path.cwd()) if full.is_relative_to(Path.cwd()) else full
