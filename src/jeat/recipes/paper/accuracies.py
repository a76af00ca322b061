"""Pictures of accuracy under attack, which the paper has none of."""

import json
from pathlib import Path

from jeat.figures import accuracy_curves, tradeoff
from jeat.recipes.paper.shown import Shown
from jeat.report import Figure
from jeat.runs.log import rows

__all__ = ["CURVE", "course", "curves"]

CURVE = "curve"  # the measurement of accuracy over radii
_SEEN = "test_robust_accuracy"  # in the log line of an evaluation


def curves(s: Shown) -> Figure | None:
    """Accuracy over the radius of attack, where it was measured."""
    files = {m: s.runs / m / f"figures/{CURVE}.json" for m in s.methods}
    found = {m: json.loads(f.read_text()) for m, f in files.items() if f.exists()}
    if not found:
        return None
    lines = {
        m: {
            float(name.partition("@")[2]): (value, *kept["intervals"][name])
            for name, value in kept["figures"].items()
        }
        for m, kept in found.items()
    }
    n = next(iter(found.values()))["images"]
    return s.keep(
        "curves", "Accuracy over the radius of attack (not in the paper)",
        f"Under PGD-20 in {s.norm}, {n} test images, seed 0, with 95 % intervals. A net that is "
        "ahead at one radius may be behind at another.",
        accuracy_curves.draw(lines, norm=s.norm),
    )  # fmt: skip


def course(s: Shown) -> Figure | None:
    """Trainings that were looked at as they went, beside all nets, where both were measured."""
    courses = {}
    for m in s.methods:
        log = rows(s.runs / m)
        seen = [(row["test_accuracy"], row["test_robust_accuracy"]) for row in log if _SEEN in row]
        if len(seen) > 1:
            courses[f"{m}, by epoch"] = seen
    files = {m: [s.runs / m / f"figures/{k}.json" for k in ("clean", "pgd_20")] for m in s.methods}
    points = {
        m: (_figure(clean, "accuracy"), _figure(pgd_20, "robust_accuracy"))
        for m, (clean, pgd_20) in files.items()
        if clean.exists() and pgd_20.exists()
    }
    if not courses or not points:
        return None
    return s.keep(
        "course", "Accuracy without attack and under PGD-20 (not in the paper)",
        "A line is a training: the average of its weights after each epoch, on fewer test images. "
        "A mark is a finished net. A net below the line is less robust than one that was stopped "
        "early at the same accuracy. Seed 0.",
        tradeoff.draw(courses, points),
    )  # fmt: skip


def _figure(file: Path, name: str) -> float:
    """A figure that was measured."""
    value: float = json.loads(file.read_text())["figures"][name]
    return value
