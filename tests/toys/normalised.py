"""Gradient descent by steps of one length, as in Santurkar et al. (2019), with momentum."""

from collections.abc import Iterator

import torch
from torch import Tensor

from jeat.energy import Energy, score

__all__ = ["normalised"]


def normalised(
    E: Energy,
    x: Tensor,
    *,
    steps: int,
    step_size: float,
    bounds: tuple[float, float] | None = None,
    momentum: float = 0.0,
) -> Iterator[Tensor]:
    """x <- x + step_size * v, v being the unit vector of the score, and momentum times the last v.

    Args:
        momentum: share of the last direction that is kept.
    """
    v = torch.zeros_like(x)
    for _ in range(steps):
        s = score(E, x)
        length = s.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
        v = momentum * v + s / length.where(length > 0, 1)
        x = x + step_size * v
        x = x if bounds is None else x.clamp(*bounds)
        yield x
