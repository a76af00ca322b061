"""Input gradients that an attack cannot follow: exactly zero, or not finite."""

from torch import Tensor

from jeat.energy import Energy, score

__all__ = ["zeros_and_faults"]


def zeros_and_faults(E: Energy, x: Tensor) -> tuple[Tensor, Tensor]:
    """Share of the values of grad E that are exactly 0, and whether one is NaN or infinite, (B,).

    The sign of NaN is 0: an attack that takes no heed stands still there, as where all are 0.
    """
    g = score(E, x).flatten(1)
    return (g == 0).float().mean(1), ~g.isfinite().all(1)
