"""Chains whose gradient is clamped pixel by pixel (Du and Mordatch 2019; JEM++; SADA-JEM)."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from jeat.energy import Energy, score
from jeat.samplers._walk import Bounds, gaussian, walk

__all__ = ["clamped"]


def clamped(
    E: Energy,
    x: Float[Tensor, "b *shape"],
    *,
    steps: int,
    step_size: float,
    noise: float | None = None,
    bounds: Bounds | None = None,
    clip: float = 2.0,
) -> Iterator[Tensor]:
    r"""Yield the ``steps`` states of a chain down clamped gradients after ``x``.

    .. math:: z = x + \text{noise} \cdot \mathcal N(0, I), \qquad
              x \leftarrow z - \text{step\_size} \cdot
              \mathrm{clamp}(\nabla E(z), -\text{clip}, \text{clip})

    No pixel moves by more than step_size x clip, but for the noise. JEM++ and SADA-JEM take steps
    of 1 with gradients in [-1, 1] on [-1, 1] images, without noise: 0.25 and 2 in [0, 1]. The
    inner loop of JEM++ ("YOPO") equals one longer such step, as its first layer is linear. IGEBM
    takes steps of 10 with gradients in [-0.01, 0.01] and noise 0.005.

    Args:
        E, x, steps, step_size, bounds: as :func:`jeat.samplers.langevin`.
        noise: standard deviation of the noise before each step; ``None`` is none.
        clip: largest size of a gradient's entry.

    Yields:
        Detached states, each a new tensor.

    Raises:
        ValueError, NotFiniteError: as :func:`jeat.samplers.langevin`; ``clip`` negative.
    """

    def move(x: Tensor) -> Tensor:
        z = torch.add(x, gaussian(x), alpha=noise) if noise else x
        return torch.add(z, score(E, z).clamp(-clip, clip), alpha=step_size)

    return walk(
        x, move, E=E, steps=steps, step_size=step_size, bounds=bounds, noise=noise, clip=clip
    )
