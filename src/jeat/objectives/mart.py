"""MART (Wang et al. 2020): adversarial training that minds what is misclassified already."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from jeat._support.checks import check_not_negative
from jeat._support.tensors import full
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
)  # fmt: skip

__all__ = ["MART"]

begins = "random weights"
weakness = "It classifies clean images less well than adversarial training does."


class MART(TwoParts):
    r"""Minimise BCE(x_adv, y) + beta KL(p(.|x) || p(.|x_adv)) (1 - p(y|x)).

    .. math:: \mathrm{BCE} = -\log p(y|x') - \log(1 - \max_{k \ne y} p(k|x')),

    x' found by climbing L(x, y) (Wang et al. 2020, Eq. 11). The weight 1 - p(y|x) has a gradient,
    too. The attack starts at x + 0.001 N(0, I), as theirs does.

    Args:
        eps: radius of the ball, in [0, 1] pixels; theirs is 0.031.
        norm: of the ball.
        steps: attack steps.
        ratio: length of a step in units of eps; theirs is 0.007 / 0.031.
        beta: weight of the KL; 5 for their ResNet-18, 6 for their WideResNet.
    """

    def __init__(
        self,
        *,
        eps: float = 8 / 255,
        norm: Norm = "linf",
        steps: int = 10,
        ratio: float = 0.25,
        beta: float = 5.0,
    ) -> None:
        super().__init__()
        check_not_negative(beta=beta)
        self.attack = partial(
            pgd, eps=eps, norm=norm, steps=steps, step_size=ratio * eps, random_start=0.001
        )
        self.beta = beta

    def points(self, net: nn.Module, batch: Batch) -> Loss:
        with evaluating(net):
            x_adv = self.attack(net, batch.x, batch.y)

        def loss_of(net: nn.Module) -> tuple[Tensor, Metrics]:
            metrics = clean(net, batch)
            logits, logits_adv = net(batch.x), net(x_adv)
            bce = _boosted(logits_adv, batch.y).mean()
            wrong = 1 - (-cross_entropy(logits, batch.y)).exp()
            kl = (divergence(logits, logits_adv) * wrong).mean()
            loss = bce + self.beta * kl
            metrics |= {"loss": loss.detach(), "bce": bce.detach(), "kl": kl.detach()}
            metrics |= report(logits_adv, batch.y, "adv")
            return loss, metrics | gap(metrics, "E_y_adv", "E_y_clean")

        return loss_of

    @staticmethod
    def cost(settings: dict[str, Any]) -> Cost:
        """A gradient a step of the attack, passes of x and x_adv."""
        return Cost(input_gradients=settings["steps"], training_passes=2)


def _boosted(logits: Tensor, y: Tensor) -> Tensor:
    """-log p(y) - log(1 - max of the others' p), per image; the last p at most 1 - 1e-4."""
    others = full(logits).log_softmax(1).scatter(1, y[:, None], -torch.inf).amax(1).exp()
    return cross_entropy(logits, y) - torch.log(1.0001 - others)
