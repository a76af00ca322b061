"""Langevin dynamics with momentum, of limited steps (the sampler of WEAT, Mirza et al. 2024)."""

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from jeat._support.checks import SettingError
from jeat.energy import Energy, score
from jeat.samplers._walk import Bounds, gaussian, walk

__all__ = ["momentum"]


def momentum(
    E: Energy,
    x: Float[Tensor, "b *shape"],
    *,
    steps: int,
    step_size: float,
    noise: float | None = None,
    bounds: Bounds | None = None,
    friction: float = 0.2,
    limit: float = 1.0,
) -> Iterator[Tensor]:
    r"""Yield the ``steps`` states of a chain with velocity v, 0 at first, after ``x``.

    .. math:: v \leftarrow (1 - \text{friction}) v - \text{step\_size} \cdot \nabla E(x), \qquad
              x \leftarrow x + \mathrm{clamp}(v + \text{noise} \cdot \mathcal N(0, I),
              -\text{limit}, \text{limit})

    At friction 1, and a limit that no step reaches, it is :func:`jeat.samplers.langevin`, which is
    Eq. 17. The authors' notebooks have friction 0.2, half a step of 0.025 and noise of 0.001
    sqrt(2 x 0.025).

    Args:
        E, x, steps, step_size, noise, bounds: as :func:`jeat.samplers.langevin`.
        friction: share of the velocity that is lost at each step, in [0, 1].
        limit: how far a pixel moves in a step, at most.

    Yields:
        Detached states, each a new tensor.

    Raises:
        ValueError, NotFiniteError: as :func:`jeat.samplers.langevin`; ``friction`` outside of
            [0, 1], ``limit`` negative.
    """
    if not 0 <= friction <= 1:
        raise SettingError(f"friction is a share, in [0, 1], got {friction}")
    velocity: Tensor | None = None

    def move(x: Tensor) -> Tensor:
        nonlocal velocity
        sigma = math.sqrt(2 * step_size) if noise is None else noise
        pushed = step_size * score(E, x)
        velocity = pushed if velocity is None else torch.add(pushed, velocity, alpha=1 - friction)
        moved = velocity
        if sigma > 0:
            moved = torch.add(velocity, gaussian(x), alpha=sigma)
        return x + moved.clamp(-limit, limit)

    return walk(
        x, move, E=E, steps=steps, step_size=step_size, bounds=bounds, noise=noise, limit=limit
    )
