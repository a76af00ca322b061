"""The energy on a plane through an image (Fig. 2 of Zhu et al., ICCV 2021)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from jeat._checks import SettingError
from jeat.energy import energy_of
from jeat.nets import autocast, evaluating

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.contour import QuadContourSet
    from matplotlib.figure import Figure

__all__ = ["axis", "draw", "grid", "plane"]

Directions = tuple[Tensor, Tensor]


def plane(x: Float[Tensor, "b c h w"], *, seed: int) -> Directions:
    """Two orthonormal Gaussian directions u, v (B, C, H, W) for each image, given by ``seed``.

    Gaussian draws made orthogonal and of length 1 in the L2 norm of pixels in [0, 1]. They are
    drawn on the CPU and apart from the global generator: the same on every device.
    """
    draws = torch.randn(len(x), 2, x[0].numel(), generator=torch.Generator().manual_seed(seed))
    u, v = draws.unbind(1)
    u = F.normalize(u)
    v = F.normalize(v - (u * v).sum(1, keepdim=True) * u)
    return u.view(x.shape).to(x), v.view(x.shape).to(x)


def axis(radius: float, points: int) -> Float[Tensor, " p"]:
    """``points`` coordinates from -radius to radius, the middle one exactly 0: the image.

    Raises:
        ValueError: a radius that is not positive, or points without a middle.
    """
    if not 0 < radius < float("inf"):
        raise SettingError(f"the radius of a plane must be positive and finite, got {radius}")
    if points < 3 or points % 2 == 0:
        raise SettingError(f"points must be odd, 3 or more, so that one is the image: got {points}")
    half = points // 2
    return torch.arange(-half, half + 1) * (radius / half)


@torch.no_grad()
def grid(
    net: nn.Module,
    x: Float[Tensor, "b c h w"],
    y: Int[Tensor, " b"] | None = None,
    *,
    directions: Directions,
    radius: float,
    points: int,
) -> Float[Tensor, "b p p"]:
    """E(x + a u + b v, y), or E(x + a u + b v) without ``y`` (Eq. 12), on a square of the plane.

    Rows are b, columns are a, both from -radius to radius: ``[i, p // 2, p // 2]`` is the energy of
    image i. Pixels are not clamped, else the plane would bend. Net in eval mode, fp32, 500 points
    a pass whatever their number.

    Args:
        net: the classifier.
        x: images (B, C, H, W) in [0, 1].
        y: labels (B,).
        directions: u and v, of :func:`plane`.
        radius: half a side of the square, in the L2 norm of pixels in [0, 1].
        points: on a side; odd.

    Raises:
        ValueError: a radius that is not positive, points that are not odd, directions of another
            shape than the images, or not one label an image.
    """
    t = axis(radius, points).to(x)
    u, v = directions
    if not u.shape == v.shape == x.shape or (y is not None and len(y) != len(x)):
        raise ValueError("a plane needs two directions of the shape of the images, a label each")
    E = []
    with autocast("fp32", x.device), evaluating(net):
        for at in torch.arange(len(x) * points**2, device=x.device).split(500):
            i, row, column = at // points**2, at // points % points, at % points
            a, b = (t[k].view(-1, 1, 1, 1) for k in (column, row))
            energy = energy_of(net, None if y is None else y[i])
            E.append(energy(x[i] + a * u[i] + b * v[i]))
    return torch.cat(E).view(len(x), points, points)


def draw(
    energies: Mapping[str, Float[Tensor, "p p"]], *, radius: float, title: str = ""
) -> "Figure":
    """Contours of E on a plane, a panel a method, as a matplotlib figure to save.

    Drawn is E less E at the image, with the same levels in every panel: a constant added to all
    logits moves the whole of E and no prediction, so that only differences compare. A flat energy
    is a panel of few lines. The E above a panel is that at the image. Darker is lower, the star is
    the image, the cross the lowest point of the grid.

    Args:
        energies: of one image under each method, by name, as :func:`grid` gives them.
        radius: that of the grid.
        title: what is seen, such as the image and the seed of the plane.

    Raises:
        ValueError: no energies, or not finite ones.
    """
    if not energies or not all(E.isfinite().all() for E in energies.values()):
        raise ValueError("a landscape needs the energies of one net or more, all finite")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    centres = {name: float(E[len(E) // 2, len(E) // 2]) for name, E in energies.items()}
    heights = {name: (E - centres[name]).cpu() for name, E in energies.items()}
    high = max(float(E.max()) for E in heights.values())
    low = min(float(E.min()) for E in heights.values())
    levels = MaxNLocator(24, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    columns = min(len(heights), 4 if len(heights) == 4 or len(heights) > 6 else 3)
    rows = -(-len(heights) // columns)
    figure = Figure(figsize=(3 * columns + 1, 3.1 * rows + 0.6), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).flatten()
    for i, (ax, (name, E)) in enumerate(zip(axes, heights.items(), strict=False)):
        contours = _panel(ax, E, levels, radius)
        ax.tick_params(labelbottom=i + columns >= len(heights))  # no panel below it
        ax.set_title(name, loc="left", fontsize=10, fontweight="bold")
        ax.set_title(f"E = {centres[name]:.2f}", loc="right", fontsize=8)
    for ax in axes[len(heights) :]:
        ax.remove()
    bar = figure.colorbar(contours, ax=figure.axes, aspect=30)
    bar.set_label("E less E at the image", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    figure.suptitle(title, fontsize=9, wrap=True)
    figure.supxlabel("along u, pixel L2", fontsize=9)
    figure.supylabel("along v, pixel L2", fontsize=9)
    return figure


def _panel(ax: "Axes", E: Tensor, levels: object, radius: float) -> "QuadContourSet":
    t = axis(radius, len(E)).numpy()
    contours = ax.contourf(t, t, E.numpy(), levels=levels, cmap="viridis")
    ax.contour(t, t, E.numpy(), levels=levels, colors="w", linewidths=0.4, linestyles="solid")
    row, column = divmod(int(E.argmin()), len(E))
    ax.plot(t[column], t[row], "X", ms=8, mfc="w", mec="k", clip_on=False, zorder=5)
    ax.plot(0, 0, "*", ms=14, mfc="royalblue", mec="w", zorder=6)
    ax.set_aspect("equal")
    ax.tick_params(labelsize=8)
    return contours
