"""Underdamped Langevin dynamics, by the Euler step of SGHMC (Chen, Fox and Guestrin 2014)."""

from collections.abc import Iterator

import torch
from torch import Tensor

from jeat.energy import Energy, score

__all__ = ["underdamped"]


def underdamped(
    E: Energy,
    x: Tensor,
    *,
    steps: int,
    step_size: float,
    noise: float | None = None,
    bounds: tuple[float, float] | None = None,
    friction: float = 0.5,
) -> Iterator[Tensor]:
    """v <- (1 - friction) v - step_size grad E(x) + noise N(0, I); x <- x + v.

    Where ``noise`` is None it is sqrt(2 friction step_size), for which x follows exp -E as steps
    get small.

    Args:
        friction: share of its speed that a chain loses in a step; 1 is Langevin's step.
    """
    noise = (2 * friction * step_size) ** 0.5 if noise is None else noise
    v = torch.zeros_like(x)
    for _ in range(steps):
        v = (1 - friction) * v + step_size * score(E, x) + noise * torch.randn_like(x)
        x = x + v
        x = x if bounds is None else x.clamp(*bounds)
        yield x
