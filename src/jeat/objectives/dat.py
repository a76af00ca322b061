"""Dual adversarial training (ICLR 2026): a bounded energy loss beside adversarial training."""

from functools import partial
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from jeat._support.checks import SettingError, check_not_negative, is_whole, quoted
from jeat._support.plugins import Part
from jeat.attacks import pgd
from jeat.attacks.balls import Norm
from jeat.data import Batch
from jeat.energy import energy_of, joint_energy, marginal_energy
from jeat.nets import evaluating
from jeat.objectives._parts import (
    Cost,
    Loss,
    Metrics,
    TwoParts,
    chains,
    cross_entropy_at,
    fixed_statistics,
    gap,
    without_gradient,
)  # fmt: skip
from jeat.samplers import Restart, last

__all__ = ["DAT"]

begins = "the weights of an adversarially trained classifier"
weakness = (
    "E(x) tells images from its negatives; it is no density, so that Fisher scores and E(x) of "
    "other images mean less."
)
smallest = {"first_steps": 1, "most_steps": 1, "window": 1}
remedies = ("a lower objective.most_steps",)


class DAT(TwoParts):
    r"""Minimise L(x_adv, y) + BCE of -E(x), images against negatives.

    .. math:: \mathcal L(x_{adv}, y) + \tfrac{w_{px}}{2} \left[ \log(1 + e^{E(x)})
              + \log(1 + e^{-E(x_{neg})}) \right]

    Its gradient with respect to an energy is at most w_px / 2 an image, whatever the energies.
    x_neg are T steps of one length down E(x, y) from the starts of chains, y being the labels of
    the batch. T grows by 1 when f(x)[y] tells images from negatives: when their
    AUC, averaged over ``window`` batches at this T, reaches ``threshold``. It never falls. x_adv
    climbs L(x, y) from x. The statistics of batch normalisation are held still.

    The authors draw starts from 80 Million Tiny Images, keep the average of weights (ema 0.999)
    with the best FID, and do not begin a new window when T grows (``docs/readings.md``).

    Args:
        restart: its ``of`` gives first states of chains of given labels.
        eps: radius of the ball of x_adv, in [0, 1] pixels; 0.5 in l2 in their experiments.
        norm: of the ball.
        attack_steps: attack steps.
        ratio: length of an attack step in units of eps.
        first_steps: T at the beginning.
        most_steps: the largest T.
        step_size: length of a step of the chains, in l2.
        threshold: of the AUC, at which T grows.
        window: batches that the AUC is averaged over.
        w_px: weight of the energy loss.
        sampler: of the chains, by the name of a file in ``jeat/samplers`` or
            package.module:function.

    Raises:
        SettingError: ``restart`` has no ``of``; settings out of range.
    """

    taken: Tensor
    aucs: Tensor
    seen: Tensor

    def __init__(
        self,
        restart: Restart,
        *,
        eps: float = 8 / 255,
        norm: Norm = "linf",
        attack_steps: int = 10,
        ratio: float = 0.25,
        first_steps: int = 0,
        most_steps: int = 50,
        step_size: float = 0.1,
        threshold: float = 0.8,
        window: int = 8,
        w_px: float = 1.0,
        sampler: Annotated[Part, "samplers"] = "normalized",
    ) -> None:
        super().__init__()
        check_not_negative(w_px=w_px)
        if not is_whole(window, 1):
            raise SettingError(f"window is a number of batches, at least 1, got {quoted(window)}")
        if not (is_whole(first_steps, 0) and is_whole(most_steps, first_steps)):
            raise SettingError(
                f"chains have first_steps to most_steps steps, got {quoted(first_steps)} to "
                f"{quoted(most_steps)}"
            )
        if not 0 <= threshold <= 1:
            raise SettingError(f"threshold is an AUC, in [0, 1], got {threshold}")
        self.attack = partial(
            pgd,
            eps=eps,
            norm=norm,
            steps=attack_steps,
            step_size=ratio * eps,
            random_start=False,
        )
        self.restart, self.most_steps = restart, most_steps
        self.chains = partial(chains, sampler, step_size=step_size, noise=None, clamp=True)
        self.threshold, self.w_px = threshold, w_px
        self.register_buffer("taken", torch.tensor(first_steps))
        self.register_buffer("aucs", torch.zeros(window))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def points(self, net: nn.Module, batch: Batch) -> Loss:
        with evaluating(net):
            x_adv = self.attack(net, batch.x, batch.y)
            x_neg = self.restart.of(batch.y).to(batch.x)
            if steps := int(self.taken):
                E = energy_of(net, batch.y)
                x_neg = last(self.chains(steps=steps)(E, x_neg), x_neg)
            true, made = (without_gradient(net, x) for x in (batch.x, x_neg))
        auc = area_under_curve(-joint_energy(true, batch.y), -joint_energy(made, batch.y))
        self._grow(auc)
        adversarial = cross_entropy_at(x_adv, batch, "adv")

        def loss_of(net: nn.Module) -> tuple[Tensor, Metrics]:
            with fixed_statistics(net):
                clf, metrics = adversarial(net)
                E, E_neg = marginal_energy(net(batch.x)), marginal_energy(net(x_neg))
            bce = (F.softplus(E) + F.softplus(-E_neg)).mean() / 2
            loss = clf + self.w_px * bce
            parts = {"loss": loss, "loss_clf": clf, "bce": bce, "E_neg": E_neg.mean(), "auc": auc}
            metrics |= {name: value.detach() for name, value in parts.items()}
            metrics["chain_steps"] = torch.tensor(float(steps))
            return loss, metrics | gap(metrics, "E_neg", "E_clean")

        return loss_of

    def _grow(self, auc: Tensor) -> None:
        """Note an AUC; one more step where the window of this T is full and its mean is enough."""
        self.aucs[int(self.seen) % len(self.aucs)] = auc
        self.seen += 1
        full = int(self.seen) >= len(self.aucs)
        if full and self.aucs.mean() >= self.threshold and self.taken < self.most_steps:
            self.taken += 1
            self.seen.zero_()

    @staticmethod
    def cost(settings: dict[str, Any]) -> Cost:
        """A gradient a step of the attack and of the longest chains; three passes."""
        return Cost(settings["attack_steps"] + settings["most_steps"], 3)


def area_under_curve(true: Tensor, made: Tensor) -> Tensor:
    """P(a number of ``true`` > one of ``made``), ties counting half: the AUC of telling them."""
    above = (true[:, None] > made).float() + 0.5 * (true[:, None] == made).float()
    return above.mean()
