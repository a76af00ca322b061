"""Accuracy without attack beside that under attack: a course a training, a point a net."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from jeat.figures._canvas import canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Point", "draw"]

Point = tuple[float, float]
"""Accuracy, and accuracy under attack."""


def draw(courses: Mapping[str, Sequence[Point]], points: Mapping[str, Point]) -> "Figure":
    """A line a training and a mark a net, as a matplotlib figure to save.

    Args:
        courses: of trainings, in the order of their evaluations, by name.
        points: of nets, by name.

    Raises:
        ValueError: nothing to show.
    """
    if not any(courses.values()) and not points:
        raise ValueError("a picture of accuracies needs a course or a point")

    figure = canvas(6.4, 4.2)
    ax = figure.subplots()
    for i, (name, course) in enumerate(courses.items()):
        x, y = zip(*course, strict=True)
        ax.plot(x, y, marker=".", ms=5, lw=1, color=f"C{i}", label=name)
    for i, (name, (clean, robust)) in enumerate(points.items(), len(courses)):
        ax.plot(clean, robust, marker="osD^vP*X"[i % 8], ms=7, ls="", color=f"C{i}", label=name)
    ax.set_xlabel("accuracy without attack")
    ax.set_ylabel("accuracy under attack")
    ax.grid(alpha=0.3)
    ax.legend(fontsize=9)
    return figure
