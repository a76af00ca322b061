"""Adversarial training (Sec. 2.1), by FGSM-RS or PGD."""

from functools import partial
from typing import Any

from torch import nn

from jeat.attacks import pgd
from jeat.attacks.balls import Norm
from jeat.data import Batch
from jeat.objectives._parts import Cost, Loss, TwoParts, at_adversarial

__all__ = ["AT"]

begins = "random weights"
weakness = (
    "It withstands the attack it was trained on, of few steps; stronger ones are in the table."
)


class AT(TwoParts):
    """Minimise L(x_adv, y), x_adv found by climbing L(x, y) (Eq. 1; Eq. 14).

    One step is fast AT (FGSM from a random start, Wong et al. 2020); ten steps with ratio 0.25 is
    PGD-AT (Madry et al. 2018).

    Args:
        eps: radius of the ball, in [0, 1] pixels.
        norm: of the ball.
        steps: attack steps.
        ratio: length of a step in units of eps; 1.25 in fast AT, 1.0 in Algorithm 1.
    """

    def __init__(
        self,
        *,
        eps: float = 8 / 255,
        norm: Norm = "linf",
        steps: int = 1,
        ratio: float = 1.25,
    ) -> None:
        super().__init__()
        self.attack = partial(
            pgd, eps=eps, norm=norm, steps=steps, step_size=ratio * eps, loss="ce"
        )

    def points(self, net: nn.Module, batch: Batch) -> Loss:
        return at_adversarial(net, batch, self.attack)

    @staticmethod
    def cost(settings: dict[str, Any]) -> Cost:
        """A gradient a step of the attack."""
        return Cost(input_gradients=settings["steps"])
