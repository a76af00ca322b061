"""Figures of trainings over their iterations, a panel a figure, a line a run."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from jeat.figures._canvas import canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw"]

Line = tuple[Sequence[float], Sequence[float]]
COLUMNS = 3


def draw(curves: Mapping[str, Mapping[str, Line]], *, along: str) -> "Figure":
    """The lines of each figure, as a matplotlib figure to save.

    Values that are not finite leave a gap.

    Args:
        curves: {figure: {run: (where, values)}}.
        along: what the lines run along, as the horizontal axes say.

    Raises:
        ValueError: no figure, or one without lines.
    """
    if not curves or not all(curves.values()):
        raise ValueError("a picture of trainings needs one figure or more, each of a run or more")

    columns = min(COLUMNS, len(curves))
    rows = -(-len(curves) // columns)
    figure = canvas(3.6 * columns + 0.6, 2.6 * rows + 0.6)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    runs = list(dict.fromkeys(run for lines in curves.values() for run in lines))
    for panel, (name, lines) in zip(panels, curves.items(), strict=False):
        for run, (where, values) in lines.items():
            marker = "o" if len(where) < 30 else ""
            panel.plot(where, values, color=f"C{runs.index(run)}", lw=1.2, marker=marker, ms=3)
        panel.set_title(name, fontsize=9)
        panel.tick_params(labelsize=8)
        panel.grid(alpha=0.3)
    for panel in panels[len(curves) :]:
        panel.set_visible(False)
    figure.supxlabel(along, fontsize=9)
    handles = [panels[0].plot([], [], color=f"C{i}", label=run)[0] for i, run in enumerate(runs)]
    figure.legend(handles=handles, loc="outside upper center", ncols=3, fontsize=8)
    return figure
