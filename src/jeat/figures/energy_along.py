"""E(x, y) along chains, a line a net."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from jeat.figures._canvas import canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw"]


def draw(energies: Mapping[str, Sequence[float]], *, steps: int) -> "Figure":
    """Energies over the steps of chains, as a matplotlib figure to save.

    Args:
        energies: of the first states and those after each step so far, by name.
        steps: where the horizontal axis ends, so that it stays while chains go on.

    Raises:
        ValueError: no chain, or one without states.
    """
    if not energies or not all(energies.values()):
        raise ValueError("a picture of energies needs one chain or more, all with states")

    figure = canvas(4.8, 3.2)
    ax = figure.subplots()
    for name, E in energies.items():
        ax.plot(range(len(E)), E, lw=2, label=name)
    ax.set_xlim(0, max(steps, 1))
    ax.set_xlabel("step of the chain")
    ax.set_ylabel("E(x, y)")
    ax.grid(alpha=0.3)
    ax.legend(fontsize=9)
    return figure
