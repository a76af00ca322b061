"""Every number of a suite, with the command that recomputes it."""

import json
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from jeat.runs.log import minutes, rows
from jeat.suites.ended import why_diverged
from jeat.suites.suite import JUDGE, Suite, drawings, measurements, runs

__all__ = ["divergences", "logged", "measured_in", "records"]


def measured_in(suite: Suite, out: Path, *, seeds: int) -> dict[Path, dict[str, Any]]:
    """What each file of a suite's measurements holds, its commands as they are from here.

    Runs that diverged have none.
    """
    drawn = {str(f): d.command(str(f)) for f, d in drawings(suite, out, seeds=seeds).items()}
    found = {}
    for file, m in measurements(suite, out, seeds=seeds).items():
        if why_diverged(file.parents[1]):
            continue
        here = {"command": m.command(), "net": m.net, "judge": m.judge}
        here["drawing"] = drawn.get(m.samples or "")
        found[file] = json.loads(file.read_text()) | here
    return found


def records(
    suite: Suite, measured: Mapping[Path, dict[str, Any]], out: Path
) -> list[dict[str, Any]]:
    """Every number: method, seed, column, value, the command that recomputes it, its file.

    ``images`` are test images, or generated ones where the number is of those, and ``drawing`` the
    command that drew them.
    """
    found = []
    for file, m in measured.items():
        for figure, value in m["figures"].items():
            row, column = suite.comparison.name(file.parents[1].name, file.stem, figure)
            found.append({
                "method": row,
                "seed": m["seed"],
                "column": column,
                "value": value,
                "images": m.get("counts", {}).get(figure, m["samples"] or m["images"]),
                "command": m["command"],
                "drawing": m["drawing"],
                "file": str(file.relative_to(out)),
            })  # fmt: skip
    return found


def divergences(suite: Suite, out: Path, *, seeds: int) -> list[dict[str, Any]]:
    """Of the runs that may diverge, whether they did: 1 or 0 in the column ``diverged``."""
    return [
        {
            "method": Path(name).name,
            "seed": plan.optimisation.seed,
            "column": "diverged",
            "value": float(why_diverged(out / name) is not None),
            "command": f"jeat reproduce {suite.title} --seeds {seeds}",
            "drawing": None,
            "file": name,
        }
        for name, plan in runs(suite, out, seeds=seeds).items()
        if Path(name).name in suite.may_diverge
    ]


def logged(suite: Suite, out: Path, *, seeds: int) -> list[dict[str, Any]]:
    """What runs logged while they were trained, where their logs are kept: how long it took.

    Of Eq. 15, means over the iterations at which it was looked at: ``delta_x_E_y`` and its like. Of
    evaluations, ``test_accuracy@ITERATION`` and its like.
    """
    found = []
    for name, plan in runs(suite, out, seeds=seeds).items():
        log = out / name / "log.jsonl"
        if name == JUDGE or not log.is_file():
            continue
        o, changes = plan.optimisation, dict[str, list[float]]()
        figures = {"minutes": (minutes(out / name), 0)}  # value, and images that it is of
        for line in rows(out / name):
            for column, value in line.items():
                if column.startswith("delta_") and not column.endswith("_std"):
                    changes.setdefault(column, []).append(value)
                if column.startswith("test_"):
                    figures[f"{column}@{line['iteration']}"] = value, o.evaluate_images
        figures |= {k: (fmean(v), len(v) * o.batch_size) for k, v in changes.items()}
        found += [
            {
                "method": Path(name).name,
                "seed": o.seed,
                "column": column,
                "value": value,
                "images": images,
                "command": f"jeat reproduce {suite.title} --seeds {seeds}",
                "drawing": None,
                "file": f"{name}/log.jsonl",
            }
            for column, (value, images) in figures.items()
        ]
    return found
