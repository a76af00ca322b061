"""Langevin dynamics (Sec. 2.4), with step size and noise apart or coupled."""

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from jeat.energy import Energy, score
from jeat.samplers._walk import Bounds, gaussian, walk

__all__ = ["langevin"]


def langevin(
    E: Energy,
    x: Float[Tensor, "b *shape"],
    *,
    steps: int,
    step_size: float,
    noise: float | None = None,
    bounds: Bounds | None = None,
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
        bounds: clamp every state to this closed interval; ``None`` lets it roam. A function takes
            every state to the nearest one of a set, as :class:`jeat.samplers.KnownPixels` does:
            projected Langevin dynamics (Bubeck et al. 2018).

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

    def move(x: Tensor) -> Tensor:
        sigma = math.sqrt(2 * step_size) if noise is None else noise
        x = torch.add(x, score(E, x), alpha=step_size)
        return x.add_(gaussian(x), alpha=sigma) if sigma > 0 else x

    return walk(x, move, E=E, steps=steps, step_size=step_size, bounds=bounds, noise=noise)
