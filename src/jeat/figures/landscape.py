"""Fig. 2: contours of the energy on a plane through an image."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from jeat.figures._canvas import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.contour import QuadContourSet
    from matplotlib.figure import Figure

__all__ = ["draw"]


def draw(
    energies: Mapping[str, Float[Tensor, "p p"]],
    *,
    radius: float,
    title: str = "",
    own_levels: bool = False,
    columns: int | None = None,
) -> "Figure":
    """Contours of E on a plane, a panel a method, as a matplotlib figure to save.

    The colours show E minus E at the image, the same levels in every panel: a constant added to all
    logits moves the whole of E and no prediction, so that only differences compare. A flat energy
    is a panel of few lines. The E above a panel is that at the image. Darker is lower, the star is
    the image, the cross the lowest point of the grid.

    With levels of its own a panel shows the shape of E, and no longer how flat it is beside others:
    the step from line to line stands above it.

    Args:
        energies: of one image under each method, by name, as :func:`jeat.metrics.energy_on_plane`
            gives them.
        radius: that of the grid.
        title: what is seen, such as the image and the seed of the plane.
        own_levels: whether each panel has its own levels.
        columns: panels beside each other; up to 4 by default.

    Raises:
        ValueError: no energies, or not finite ones.
    """
    if not energies or not all(E.isfinite().all() for E in energies.values()):
        raise ValueError("a landscape needs the energies of one net or more, all finite")
    from matplotlib.ticker import MaxNLocator

    centres = {name: float(E[len(E) // 2, len(E) // 2]) for name, E in energies.items()}
    heights = {name: (E - centres[name]).cpu() for name, E in energies.items()}
    high = max(float(E.max()) for E in heights.values())
    low = min(float(E.min()) for E in heights.values())
    locator = MaxNLocator(12 if own_levels else 24, steps=[1, 2, 2.5, 5, 10])
    shared = locator.tick_values(low, high)
    columns = columns or min(len(heights), 4 if len(heights) == 4 or len(heights) > 6 else 3)
    rows = -(-len(heights) // columns)
    figure = canvas(3 * columns + 1, 3.1 * rows + 0.6)
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).flatten()
    for i, (ax, (name, E)) in enumerate(zip(axes, heights.items(), strict=False)):
        levels = locator.tick_values(float(E.min()), float(E.max())) if own_levels else shared
        contours = _panel(ax, E, levels, radius)
        ax.tick_params(labelbottom=i + columns >= len(heights))  # no panel below it
        ax.set_title(name, loc="left", fontsize=10, fontweight="bold")
        step = f", a line every {levels[1] - levels[0]:.2g}" if own_levels else ""
        ax.set_title(f"E = {centres[name]:.2f}{step}", loc="right", fontsize=8)
    for ax in axes[len(heights) :]:
        ax.remove()
    if not own_levels:
        bar = figure.colorbar(contours, ax=figure.axes, aspect=30)
        bar.set_label("E minus E at the image", fontsize=9)
        bar.ax.tick_params(labelsize=8)
    figure.suptitle(title, fontsize=9, wrap=True)
    figure.supxlabel("along u, pixel L2", fontsize=9)
    figure.supylabel("along v, pixel L2", fontsize=9)
    return figure


def _panel(ax: "Axes", E: Tensor, levels: object, radius: float) -> "QuadContourSet":
    half = len(E) // 2
    t = (torch.arange(-half, half + 1) * (radius / half)).numpy()
    contours = ax.contourf(t, t, E.numpy(), levels=levels, cmap="viridis")
    ax.contour(t, t, E.numpy(), levels=levels, colors="w", linewidths=0.4, linestyles="solid")
    row, column = divmod(int(E.argmin()), len(E))
    ax.plot(t[column], t[row], "X", ms=8, mfc="w", mec="k", clip_on=False, zorder=5)
    ax.plot(0, 0, "*", ms=14, mfc="royalblue", mec="w", zorder=6)
    ax.set_aspect("equal")
    ax.tick_params(labelsize=8)
    return contours
