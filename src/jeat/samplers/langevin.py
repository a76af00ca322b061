"""Langevin dynamics (Sec. 2.4), with step size and noise apart or coupled."""

import math
from collections.abc import Iterator
from numbers import Real

import torch
from jaxtyping import Float
from torch import Tensor

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
from jeat.energy import Energy, score

__all__ = ["langevin"]


def langevin(
    E: Energy,
    x: Float[Tensor, "b *shape"],
    *,
    steps: int,
    step_size: float,
    noise: float | None = None,
    bounds: tuple[float, float] | None = None,
) -> Iterator[Tensor]:
    r"""Yield the ``steps`` states of a Langevin chain after ``x``.

    .. math:: x \leftarrow x - \text{step\_size} \cdot \nabla E(x)
              + \text{noise} \cdot \mathcal N(0, I)

    With ``noise=None`` it is :math:`\sqrt{2\,\text{step\_size}}`: Eq. 9, 10 and 17 with
    :math:`\alpha = 2\,\text{step\_size}`, which samples :math:`\exp(-E)` as the step shrinks.
    A smaller noise samples :math:`\exp(-E/T)`, :math:`T = \text{noise}^2 / (2\,\text{step\_size})`.
    JEM's published step 1 and noise 0.01 are for [-1, 1] images: 0.25 and 0.005 in [0, 1].

    Args:
        E: the energy to descend, (B, ...) -> (B,).
        x: first states, not yielded.
        steps: how many states to yield, at least 1.
        step_size: factor of the gradient.
        noise: standard deviation of the noise added at each step.
        bounds: clamp every state to this closed interval; ``None`` lets it roam.

    Yields:
        Detached states; each is a new tensor, so ``list(langevin(...))`` is the trajectory.

    Raises:
        ValueError: ``steps`` below 1, ``step_size`` not positive, ``noise`` negative, ``bounds``
            that are no interval, first states that are not finite floats.
        NotFiniteError: at a state that is not finite, or whose energy or gradient is not; a
            ValueError. On a GPU it is looked for at every tenth state and the last, as each look
            waits for the device; a state between is then NaN. Only in the steps of a training,
            which counts it as diverged, the chain goes on with NaN.
    """
    if not is_whole(steps, 1, MOST_STEPS):
        raise SettingError(
            f"a chain takes at least 1 step and at most 1e9, a whole number, got "
            f"steps={quoted(steps)}"
        )
    if not (is_fp32(step_size) and step_size > 0):
        raise SettingError(f"step_size must be positive and finite, got {quoted(step_size)}")
    if noise is not None:
        check_not_negative(noise=noise)
    if bounds is not None and not _is_interval(bounds):
        raise SettingError(f"bounds must be an interval, such as (0, 1), got {quoted(bounds)}")
    if not callable(E):
        raise ValueError(
            f"an energy is a function of images, got {quoted(E)}: use jeat.energy.energy_of"
        )
    if not (isinstance(x, Tensor) and x.is_floating_point() and x.isfinite().all()):
        raise ValueError("a chain starts from a tensor of finite floats: divide uint8 by 255")
    sigma = math.sqrt(2 * step_size) if noise is None else noise
    learning = is_learning()

    def chain(x: Tensor) -> Iterator[Tensor]:
        every = _look_every(x.device)
        for i in range(1, steps + 1):
            x = torch.add(x, score(E, x), alpha=step_size)
            if sigma > 0:
                # not randn_like, which is slow where memory is not in the order of the axes
                x.add_(torch.randn(x.shape, device=x.device, dtype=x.dtype), alpha=sigma)
            looked = i % every == 0 or i == steps
            if not learning and looked and not x.sum().isfinite():
                check_finite(
                    x,
                    "an energy, its gradient or a step is NaN or infinite in {} chains: lower "
                    "step_size, or look whether the net is sound",
                )
            if bounds is not None:
                x = _clamped(x, bounds, known=learning or looked)
            yield x

    return chain(x.detach())


def _clamped(x: Tensor, bounds: tuple[float, float], *, known: bool) -> Tensor:
    """``x`` in ``bounds``, in place, and NaN where it was not finite, unless that is ``known``."""
    if known:
        return x.clamp_(*bounds)
    lost = x - x  # NaN where x is not finite, else 0
    return x.clamp_(*bounds).add_(lost)


def _look_every(device: torch.device) -> int:
    """After how many states it is looked whether all are finite."""
    return 1 if device.type == "cpu" else 10


def _is_interval(bounds: object) -> bool:
    if not isinstance(bounds, tuple | list) or len(bounds) != 2:
        return False
    low, high = bounds
    return isinstance(low, Real) and isinstance(high, Real) and low < high
