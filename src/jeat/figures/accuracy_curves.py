"""Accuracy over the radius of an attack, a line a net, with how far each is known."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from jeat.figures._canvas import canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Curve", "draw"]

Curve = Mapping[float, tuple[float, float, float]]
"""Radius -> accuracy, and the lower and upper end of its interval."""


def draw(curves: Mapping[str, Curve], *, norm: str, title: str = "") -> "Figure":
    """Accuracy over eps, a line with a band a net, as a matplotlib figure to save.

    Radii in linf of at most 1 are in 255ths, as they are usually named.

    Args:
        curves: of each net, by name.
        norm: of the balls.
        title: what is seen, such as the attack and the images.

    Raises:
        ValueError: no curve, or one without points.
    """
    if not curves or not all(curves.values()):
        raise ValueError("a picture of curves needs one curve or more, all with points")

    figure = canvas(6.4, 4.2)
    ax = figure.subplots()
    scale = 255 if norm == "linf" else 1
    markers = "osD^vP*X"
    for i, (name, curve) in enumerate(curves.items()):
        radii = [scale * eps for eps in curve]
        value, low, high = zip(*curve.values(), strict=True)
        ax.fill_between(radii, low, high, color=f"C{i}", alpha=0.2, lw=0)
        marker = markers[i % len(markers)]
        ax.plot(radii, value, marker=marker, ms=4, lw=1.5, color=f"C{i}", label=name)
    ax.set_ylim(-0.02, 1.02)
    ax.margins(x=0.02)
    ax.set_xlabel(f"eps in {norm}" + ", 255ths of the pixel range" * (scale == 255))
    ax.set_ylabel("accuracy under attack, 95 % intervals")
    ax.grid(alpha=0.3)
    ax.legend(fontsize=9)
    figure.suptitle(title, fontsize=9, wrap=True)
    return figure
