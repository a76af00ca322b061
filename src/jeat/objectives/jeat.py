"""Joint Energy Adversarial Training (Sec. 3.4, Algorithm 1)."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from jeat._support.checks import check_not_negative
from jeat._support.plugins import Part
from jeat.attacks import AttackLoss, GradAt, pgd
from jeat.attacks.balls import Norm
from jeat.data import Batch
from jeat.energy import marginal_energy
from jeat.nets import evaluating
from jeat.objectives._parts import (
    Cost,
    Loss,
    Metrics,
    TwoParts,
    chains,
    clean,
    energy_difference,
    fixed_statistics,
    gap,
    negatives,
    negatives_count,
    positives,
    report,
    unlabelled_branch,
)  # fmt: skip
from jeat.samplers import ReplayBuffer

__all__ = ["JEAT"]

begins = (
    "the weights of an adversarially trained classifier (docs/cifar10.md says what else was tried)"
)
weakness = (
    "It classifies less well than the adversarially trained net that it began as, and is far less "
    "sure than it is right (ece)."
)
recovery = {"steps": "add", "w_l2": "raise"}
smallest = {"steps": 2, "buffer_size": 4}
remedies = ("objective.clamp", "more objective.steps", "objective.w_l2")


class JEAT(TwoParts):
    """Minimise -log p(x_adv, y) = -log p(y|x_adv) - log p(x_adv) (Eq. 19, 20; Algorithm 1).

    The loss is ::

        w_clf * [E(x_adv, y) - E(x_adv)] + w_px * [E(x_adv) - E(x_neg)],

    x_adv one random-start step up E(x, y) (Eq. 18), x_neg K Langevin steps down E(x) from the
    replay buffer. At equal weights E(x_adv) cancels. The paper prints no K, buffer, rho or step;
    the defaults are JEM's, in [0, 1] pixels. x_adv is clamped to [0, 1] (``docs/readings.md``).

    Of ``unlabelled`` images u, the second term is w_px * [E(u_adv) - E(x_neg)]: u_adv climbs E(u)
    in the same ball by the same steps, as no label is known, and E(x_adv) does not cancel.

    Args:
        restart: n -> n first states of chains.
        eps: radius of the ball, in [0, 1] pixels; 0 trains on the images as they are.
        norm: of the ball.
        attack_loss: what the attack climbs, E(x, y) as in Algorithm 1, or cross-entropy.
        attack_steps: attack steps; 1 in Algorithm 1.
        ratio: length of an attack step in units of eps; 1.0 in Algorithm 1.
        grad_at: first gradient at the random start, or at the clean image as Algorithm 1 prints.
        steps: K, Langevin steps an iteration.
        step_size: alpha / 2, factor of the gradient in a chain.
        noise: standard deviation of a chain's noise; null is sqrt(alpha), as printed.
        clamp: keep chains in [0, 1]; Algorithm 1 does not.
        buffer_size: slots of the replay buffer.
        rho: restart probability.
        w_clf: weight of -log p(y|x_adv).
        w_px: weight of -log p(x_adv). Where w_l2 is 0, too, no chain is run.
        w_l2: weight of E(x_adv)^2 + E(x_neg)^2, which keeps energies from running away; 0 in
            the paper.
        sampler: of the chains, by the name of a file in ``jeat/samplers`` or
            package.module:function.
        unlabelled: data set whose training images the p(x) term is of, in place of the labelled
            ones; their labels are not used.
    """

    def __init__(
        self,
        restart: Callable[[int], Tensor],
        *,
        eps: float = 8 / 255,
        norm: Norm = "linf",
        attack_loss: AttackLoss = "energy",
        attack_steps: int = 1,
        ratio: float = 1.0,
        grad_at: GradAt = "start",
        steps: int = 20,
        step_size: float = 0.25,
        noise: float | None = 0.005,
        clamp: bool = False,
        buffer_size: int = 10_000,
        rho: float = 0.05,
        w_clf: float = 1.0,
        w_px: float = 1.0,
        w_l2: float = 0.0,
        sampler: Annotated[Part, "samplers"] = "langevin",
        unlabelled: str | None = None,
    ) -> None:
        super().__init__()
        check_not_negative(w_clf=w_clf, w_px=w_px, w_l2=w_l2)
        self.attack = partial(
            pgd,
            eps=eps,
            norm=norm,
            steps=attack_steps,
            step_size=ratio * eps,
            loss=attack_loss,
            grad_at=grad_at,
        )
        self.sampler = chains(sampler, steps=steps, step_size=step_size, noise=noise, clamp=clamp)
        self.buffer = ReplayBuffer(restart, size=buffer_size, rho=rho)
        self.branches = unlabelled_branch(unlabelled, w_px=w_px, w_l2=w_l2)
        self.w_clf, self.w_px, self.w_l2 = w_clf, w_px, w_l2

    def points(self, net: nn.Module, batch: Batch) -> Loss:
        with evaluating(net):
            x_adv = self.attack(net, batch.x, batch.y)
            x_pos = positives(self.branches, batch)
            if x_pos is not None:
                unknown = torch.zeros(len(x_pos), dtype=torch.int64, device=x_pos.device)
                x_pos = self.attack(net, x_pos, unknown, loss=_marginal)
        x_neg = None
        if negatives_count(self.w_px, self.w_l2):
            x_neg = negatives(net, self.buffer, len(x_adv), self.sampler)

        def loss_of(net: nn.Module) -> tuple[Tensor, Metrics]:
            metrics = clean(net, batch)
            with fixed_statistics(net):
                logits = net(x_adv)
                loss, parts = energy_difference(
                    net, logits, batch.y, x_neg, x_pos=x_pos, w_clf=self.w_clf, w_px=self.w_px,
                    w_l2=self.w_l2,
                )  # fmt: skip
            metrics |= parts | report(logits, batch.y, "adv")
            for pair in (("E_y_adv", "E_y_clean"), ("E_neg", "E_adv"), ("E_neg", "E_clean")):
                metrics |= gap(metrics, *pair)
            return loss, metrics

        return loss_of

    @staticmethod
    def cost(settings: dict[str, Any]) -> Cost:
        """A gradient a step of attack and chains, passes of x_adv and x_neg, a replay buffer."""
        count = negatives_count(settings["w_px"], settings["w_l2"])
        apart = settings["unlabelled"] is not None
        gradients = settings["attack_steps"] * (1 + apart) + settings["steps"] * count
        return Cost(gradients, 1 + count * (1 + apart), settings["buffer_size"])


def _marginal(logits: Tensor, y: Tensor) -> Tensor:
    """E(x), whatever the label, for an attack to climb."""
    return marginal_energy(logits)
