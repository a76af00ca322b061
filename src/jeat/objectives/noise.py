"""Noise-injected training: "blind" adversarial training (Sec. 3.2)."""

from typing import Any

from torch import nn

from jeat._support.checks import check_not_negative
from jeat.data import Batch
from jeat.objectives._parts import Cost, Loss, TwoParts, cross_entropy_at, noisy

__all__ = ["Noise"]

begins = "random weights"
weakness = "Noise in training is no defence: attacks of eps 8/255 fool it on most images."


class Noise(TwoParts):
    """Minimise L(x + delta, y) with delta ~ N(0, sigma^2 I), not clamped (Sec. 3.2, Fig. 5).

    The paper writes N(0, 24/255); that is read as a standard deviation in [0, 1] pixels
    (``docs/readings.md``), of which it tries 8/255, 16/255 and 24/255.

    Args:
        sigma: standard deviation of the noise, in [0, 1] pixels.

    Raises:
        ValueError: ``sigma`` negative.
    """

    def __init__(self, *, sigma: float = 24 / 255) -> None:
        super().__init__()
        check_not_negative(sigma=sigma)
        self.sigma = sigma

    def points(self, net: nn.Module, batch: Batch) -> Loss:
        return cross_entropy_at(noisy(batch.x, self.sigma), batch, "noisy")

    @staticmethod
    def cost(settings: dict[str, Any]) -> Cost:
        """One pass."""
        return Cost()
