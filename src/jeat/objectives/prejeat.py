"""Preliminary Joint Energy Adversarial Training (Sec. 3.3)."""

from functools import partial

from torch import Tensor, nn

from jeat.attacks import GradAt, pgd
from jeat.data import Batch
from jeat.objectives._parts import Metrics, adversarial_cross_entropy

__all__ = ["PreJEAT"]


class PreJEAT(nn.Module):
    """Minimise L(x_adv, y), x_adv found by climbing E(x, y) alone (Eq. 18).

    Args:
        eps: radius of the linf ball, in [0, 1] pixels.
        steps: attack steps; 1 is FGSM from a random start.
        ratio: length of a step in units of eps; 1.0 in Algorithm 1, 1.25 in fast AT.
        grad_at: first gradient at the random start, or at the clean image as Algorithm 1 prints.
    """

    def __init__(
        self,
        *,
        eps: float = 8 / 255,
        steps: int = 1,
        ratio: float = 1.0,
        grad_at: GradAt = "start",
    ) -> None:
        super().__init__()
        self.attack = partial(
            pgd, eps=eps, steps=steps, step_size=ratio * eps, loss="energy", grad_at=grad_at
        )

    def forward(self, net: nn.Module, batch: Batch) -> tuple[Tensor, Metrics]:
        return adversarial_cross_entropy(net, batch, self.attack)
