"""Chains of steps of one length along the gradient (Santurkar et al. 2019; DAT)."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from jeat.energy import Energy, score
from jeat.samplers._walk import Bounds, walk

__all__ = ["normalized"]


def normalized(
    E: Energy,
    x: Float[Tensor, "b *shape"],
    *,
    steps: int,
    step_size: float,
    bounds: Bounds | None = None,
    radius: float | None = None,
) -> Iterator[Tensor]:
    r"""Yield the ``steps`` states of steepest descent in l2 after ``x``, without noise.

    .. math:: x \leftarrow x - \text{step\_size} \cdot \nabla E(x) / \|\nabla E(x)\|_2

    A gradient of 0 moves nothing. Santurkar et al. descend L(x, y) from Gaussians of the classes by
    60 steps of 0.5 within radius 30, which these cannot leave, and return the best state; here it
    is the last. Dual adversarial training (DAT) descends E(x, y) by steps of 0.1 without a ball.

    Args:
        E, x, steps, step_size, bounds: as :func:`jeat.samplers.langevin`; a step is an l2 length.
        radius: of the l2 ball around ``x`` that states are kept in; ``None`` lets them roam.

    Yields:
        Detached states, each a new tensor.

    Raises:
        ValueError, NotFiniteError: as :func:`jeat.samplers.langevin`; ``radius`` negative.
    """
    start = x

    def move(x: Tensor) -> Tensor:
        s = score(E, x)
        x = torch.add(x, s / _safe(_lengths(s)), alpha=step_size)
        if radius is None:
            return x
        away = x - start
        kept: Tensor = start + away * (radius / _safe(_lengths(away))).clamp(max=1)
        return kept

    return walk(x, move, E=E, steps=steps, step_size=step_size, bounds=bounds, radius=radius)


def _lengths(x: Tensor) -> Tensor:
    """The l2 norm of each, shaped to divide ``x``; small entries do not underflow."""
    largest = x.flatten(1).abs().amax(1).view(-1, *[1] * (x.dim() - 1))
    scaled = (x / _safe(largest)).flatten(1).norm(dim=1)
    lengths: Tensor = largest * scaled.view(largest.shape)
    return lengths


def _safe(divisor: Tensor) -> Tensor:
    return divisor.where(divisor != 0, 1)
