"""Preliminary Joint Energy Adversarial Training (Sec. 3.3)."""

from functools import partial
from typing import Any

from torch import nn

from jeat.attacks import GradAt, pgd
from jeat.attacks.balls import Norm
from jeat.data import Batch
from jeat.objectives._parts import Cost, Loss, TwoParts, at_adversarial

__all__ = ["PreJEAT"]

begins = "random weights"
weakness = (
    "Trained to withstand a step up E(x, y), it withstands attacks on cross-entropy less well than "
    "a net that was trained on those."
)


class PreJEAT(TwoParts):
    """Minimise L(x_adv, y), x_adv found by climbing E(x, y) alone (Eq. 18).

    Args:
        eps: radius of the ball, in [0, 1] pixels.
        norm: of the ball.
        steps: attack steps; 1 is FGSM from a random start.
        ratio: length of a step in units of eps; 1.0 in Algorithm 1, 1.25 in fast AT.
        grad_at: first gradient at the random start, or at the clean image as Algorithm 1 prints.
    """

    def __init__(
        self,
        *,
        eps: float = 8 / 255,
        norm: Norm = "linf",
        steps: int = 1,
        ratio: float = 1.0,
        grad_at: GradAt = "start",
    ) -> None:
        super().__init__()
        self.attack = partial(
            pgd,
            eps=eps,
            norm=norm,
            steps=steps,
            step_size=ratio * eps,
            loss="energy",
            grad_at=grad_at,
        )

    def points(self, net: nn.Module, batch: Batch) -> Loss:
        return at_adversarial(net, batch, self.attack)

    @staticmethod
    def cost(settings: dict[str, Any]) -> Cost:
        """A gradient a step of the attack."""
        return Cost(input_gradients=settings["steps"])
