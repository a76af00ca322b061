"""What a suite needs at its end, tried before anything is trained."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from jeat._support.checks import SettingError
from jeat.data import Data, load_data
from jeat.jobs import drawing, measurement, needs
from jeat.runs.asked import check_run
from jeat.suites.cost import disk
from jeat.suites.ended import kept
from jeat.suites.suite import Suite, drawings, measurements, runs
from jeat.training.plan import Plan

__all__ = ["rehearse"]

FOLDERS, FILES = ("figures", "models"), ("report.html", "results.json", "tables.csv", "tables.md")


def rehearse(suite: Suite, out: Path, *, seeds: int) -> None:
    """Raise, in one line and before hours of work, where a suite could not come to its end.

    Looked at are the folder and its disk, every run that is begun there or will be, the data, the
    settings of all drawings and measurements with the files and data sets that they name, and what
    the comparison needs, such as fonts for its pictures.

    Raises:
        FileNotFoundError: what a measurement needs is not there.
        ValueError: anything else.
    """
    _check_folder(suite, out, seeds=seeds)
    gone = kept(suite, out, seeds=seeds)
    left = {k: plan for k, plan in runs(suite, out, seeds=seeds).items() if k not in gone}
    _check_runs(left, out)
    suite.comparison.check(suite)
    data = load_data(suite.data)
    _check_data(suite, data)
    for d in drawings(suite, out, seeds=seeds).values():
        drawing.check_ready(d, data)
    seen = set()
    for m in measurements(suite, out, seeds=seeds).values():
        measurement.check_ready(m)
        if m.outside not in seen:
            needs.check_outside(m.outside, data.shape)
        seen.add(m.outside)


def _check_runs(plans: Mapping[str, Plan], out: Path) -> None:
    """Refuse runs that cannot be carried out, or that are of several commits of one data set."""
    named: dict[str, set[str]] = {}
    for name, plan in plans.items():
        whole, _ = check_run(plan, out / name, resume=True)
        named.setdefault(plan.data, set()).add(whole.data)
        if len(commits := sorted(named[plan.data])) > 1:
            raise ValueError(
                f"runs in {out} are of {' and '.join(commits)}: name the data with one commit, and "
                "begin those of another one anew"
            )


def _check_data(suite: Suite, data: Data) -> None:
    for name, said, is_ in (
        ("shape", tuple(suite.shape), data.shape),
        ("classes", suite.classes, len(data.classes)),
    ):
        if said != is_:
            raise SettingError(
                f"{name} of suite {suite.title!r} must be that of {suite.data}, {is_}, got {said}"
            )
    if unknown := suite.chains.keys() - {*suite.methods()}:
        raise SettingError(
            f"chains of suite {suite.title!r} names no run {min(unknown)!r}: runs are "
            f"{', '.join(suite.methods())}"
        )


def _check_folder(suite: Suite, out: Path, *, seeds: int) -> None:
    for name in FOLDERS:
        if (out / name).is_file():
            raise ValueError(f"{out / name} is a file, where the report has a folder: move it")
    for name in FILES:
        if (out / name).is_dir():
            raise ValueError(f"{out / name} is a folder, where the report has a file: move it")
    there = sum(f.stat().st_size for f in out.rglob("*") if f.is_file())
    needed = disk(suite, out, seeds=seeds) - there
    free = shutil.disk_usage(next(p for p in (out, *out.absolute().parents) if p.exists())).free
    if needed > free:
        raise ValueError(
            f"{out} needs {needed / 1e6:,.0f} MB more, and its disk has {free / 1e6:,.0f} MB left: "
            "free some space, or give --out another disk"
        )
