"""TRADES (Zhang et al. 2019): robustness as agreement with the prediction on the clean image."""

from functools import partial
from typing import Any

from torch import Tensor, nn

from jeat._support.checks import check_not_negative
from jeat.attacks import pgd
from jeat.attacks.balls import Norm
from jeat.data import Batch
from jeat.energy import cross_entropy
from jeat.nets import evaluating
from jeat.objectives._parts import (
    Cost,
    Loss,
    Metrics,
    TwoParts,
    clean,
    divergence,
    gap,
    report,
    without_gradient,
)  # fmt: skip

__all__ = ["TRADES"]

begins = "random weights"
weakness = "It classifies clean images less well, the more weight robustness has."


class TRADES(TwoParts):
    r"""Minimise L(x, y) + beta KL(p(.|x) || p(.|x_adv)), x_adv found by climbing that KL.

    .. math:: \mathcal L(x, y) + \beta \max_{x'} \mathrm{KL}(p(\cdot|x) \| p(\cdot|x')),

    both terms with gradients through p(.|x) and p(.|x') (Zhang et al. 2019, Eq. 5). The attack
    starts at x + 0.001 N(0, I): at x itself the KL has no gradient. Their eps is 0.031; 8/255 here.

    Args:
        eps: radius of the ball, in [0, 1] pixels.
        norm: of the ball.
        steps: attack steps.
        ratio: length of a step in units of eps; theirs is 0.007 / 0.031.
        beta: weight of the KL.
    """

    def __init__(
        self,
        *,
        eps: float = 8 / 255,
        norm: Norm = "linf",
        steps: int = 10,
        ratio: float = 0.25,
        beta: float = 6.0,
    ) -> None:
        super().__init__()
        check_not_negative(beta=beta)
        self.attack = partial(
            pgd, eps=eps, norm=norm, steps=steps, step_size=ratio * eps, random_start=0.001
        )
        self.beta = beta

    def points(self, net: nn.Module, batch: Batch) -> Loss:
        with evaluating(net):
            away = partial(divergence, without_gradient(net, batch.x))
            x_adv = self.attack(net, batch.x, batch.y, loss=lambda logits, y: away(logits))

        def loss_of(net: nn.Module) -> tuple[Tensor, Metrics]:
            metrics = clean(net, batch)
            logits, logits_adv = net(batch.x), net(x_adv)
            clf = cross_entropy(logits, batch.y).mean()
            kl = divergence(logits, logits_adv).mean()
            loss = clf + self.beta * kl
            metrics |= {"loss": loss.detach(), "loss_clf": clf.detach(), "kl": kl.detach()}
            metrics |= report(logits_adv, batch.y, "adv")
            return loss, metrics | gap(metrics, "E_y_adv", "E_y_clean")

        return loss_of

    @staticmethod
    def cost(settings: dict[str, Any]) -> Cost:
        """A gradient a step of the attack, passes of x and x_adv."""
        return Cost(input_gradients=settings["steps"], training_passes=2)
