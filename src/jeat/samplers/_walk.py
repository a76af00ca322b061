"""What chains of every kind share: checked settings, a look at each state, bounds."""

from collections.abc import Callable, Iterator
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn

from jeat._support.checks import (
    MOST_STEPS,
    SettingError,
    check_not_negative,
    is_fp32,
    is_whole,
    quoted,
)
from jeat._support.learning import is_learning
from jeat._support.tensors import check_finite

__all__ = ["Bounds", "gaussian", "walk"]

Bounds = tuple[float, float] | Callable[[Any], Any]  # without torch, as --help reads it
"""A closed interval of pixels, or a function that takes states to the nearest ones of a set."""


def walk(
    x: Any,
    move: Callable[[Tensor], Tensor],
    *,
    E: object,
    steps: int,
    step_size: float,
    bounds: Bounds | None,
    **not_negative: float | None,
) -> Iterator[Tensor]:
    """Yield the ``steps`` states after ``x``, each ``move`` of the last, taken into ``bounds``.

    Args:
        x: first states, not yielded.
        move: a state -> the next, a new tensor.
        E: the energy that ``move`` descends.
        steps, step_size, bounds: as :func:`jeat.samplers.langevin`.
        not_negative: further settings, at least 0 or None.

    Raises:
        ValueError, NotFiniteError: as :func:`jeat.samplers.langevin`.
    """
    if not is_whole(steps, 1, MOST_STEPS):
        raise SettingError(
            f"a chain takes at least 1 step and at most 1e9, a whole number, got "
            f"steps={quoted(steps)}"
        )
    if not (is_fp32(step_size) and step_size > 0):
        raise SettingError(f"step_size must be positive and finite, got {quoted(step_size)}")
    check_not_negative(**{k: v for k, v in not_negative.items() if v is not None})
    is_set = callable(bounds) and not isinstance(bounds, nn.Module)
    if bounds is not None and not is_set and not _is_interval(bounds):
        raise SettingError(
            "bounds must be an interval, such as (0, 1), or a set, such as KnownPixels, got "
            f"{quoted(bounds)}"
        )
    if not callable(E):
        raise ValueError(
            f"an energy is a function of images, got {quoted(E)}: use jeat.energy.energy_of"
        )
    if not (isinstance(x, Tensor) and x.is_floating_point() and x.isfinite().all()):
        raise ValueError("a chain starts from a tensor of finite floats: divide uint8 by 255")
    learning = is_learning()

    def chain(x: Tensor) -> Iterator[Tensor]:
        every = _look_every(x.device)
        for i in range(1, steps + 1):
            x = move(x)
            looked = i % every == 0 or i == steps
            if not learning and looked and not x.sum().isfinite():
                check_finite(
                    x,
                    "an energy, its gradient or a step is NaN or infinite in {} chains: lower "
                    "step_size, or look whether the net is sound",
                )
            if bounds is not None:
                x = _within(x, bounds, known=learning or looked)
            yield x

    return chain(x.detach())


def gaussian(x: Tensor) -> Tensor:
    """N(0, I), shaped like ``x``."""
    # not randn_like, which is slow where memory is not in the order of the axes
    return torch.randn(x.shape, device=x.device, dtype=x.dtype)


def _within(x: Tensor, bounds: Bounds, *, known: bool) -> Tensor:
    """``x`` in ``bounds``, and NaN where it was not finite, unless that is ``known``."""
    lost = None if known else x - x  # NaN where x is not finite, else 0
    kept: Tensor = bounds(x) if callable(bounds) else x.clamp_(*bounds)
    return kept if lost is None else kept.add_(lost)


def _look_every(device: torch.device) -> int:
    """After how many states it is looked whether all are finite."""
    return 1 if device.type == "cpu" else 10


def _is_interval(bounds: object) -> bool:
    if not isinstance(bounds, tuple | list) or len(bounds) != 2:
        return False
    low, high = bounds
    return isinstance(low, Real) and isinstance(high, Real) and low < high
