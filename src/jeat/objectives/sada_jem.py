"""SADA-JEM (Yang et al. 2023): JEM with sharpness-aware steps and no augmentation in p(x)."""

from collections.abc import Callable
from typing import Annotated, Any

from torch import Tensor, nn

from jeat._support.checks import check_not_negative
from jeat._support.plugins import Part
from jeat.data import Batch, Branch
from jeat.objectives._parts import (
    Cost,
    Loss,
    Metrics,
    TwoParts,
    chains,
    check_unlabelled,
    clean,
    energy_difference,
    fixed_statistics,
    gap,
    negatives,
    negatives_count,
)  # fmt: skip
from jeat.samplers import ReplayBuffer

__all__ = ["SADAJEM"]

begins = "random weights in its paper; the suites for two cores begin from a classifier's"
weakness = "Attacks of eps 8/255 fool it on nearly every image."
recovery = {"steps": "add", "w_l2": "raise"}
smallest = {"steps": 2, "buffer_size": 4, "positives": 2}
remedies = ("more objective.steps", "objective.w_l2")
step = {"name": "sharpness_aware", "rho": 2.0, "adaptive": True}


class SADAJEM(TwoParts):
    """Minimise L(x, y) + w_px * [E(x+) - E(x_neg)] at weights that are moved uphill (SAM).

    x+ are images of a second batch, without augmentation; x_neg are K steps down clamped gradients
    of E(x) from the replay buffer, without noise. The method's step takes the loss twice, at the
    same x, x+ and x_neg, with statistics of batch normalisation that are held still:
    ``jeat.steps.sharpness_aware``, adaptive, rho 2. The sampler is that of JEM++, too: see
    ``jeat.samplers.clamped``. Steps of 1 with gradients in [-1, 1], on images in [-1, 1], are 0.25
    and 2 in [0, 1].

    Args:
        restart: n -> n first states of chains.
        steps: K, steps of a chain an iteration; 5 or 10 in the paper.
        step_size: factor of the clamped gradient.
        buffer_size: slots of the replay buffer.
        rho: restart probability.
        positives: images an iteration of the p(x) term; as many negatives.
        w_px: weight of the energy difference. Where w_l2 is 0, too, no chain is run.
        w_l2: weight of E(x+)^2 + E(x_neg)^2, which keeps energies from running away.
        sampler: of the chains, by the name of a file in ``jeat/samplers`` or
            package.module:function.
        unlabelled: data set whose training images x+ are, in place of the labelled ones; their
            labels are not used.
    """

    def __init__(
        self,
        restart: Callable[[int], Tensor],
        *,
        steps: int = 5,
        step_size: float = 0.25,
        buffer_size: int = 10_000,
        rho: float = 0.05,
        positives: int = 64,
        w_px: float = 1.0,
        w_l2: float = 0.0,
        sampler: Annotated[Part, "samplers"] = "clamped",
        unlabelled: str | None = None,
    ) -> None:
        super().__init__()
        check_not_negative(w_px=w_px, w_l2=w_l2)
        check_unlabelled(unlabelled, w_px=w_px, w_l2=w_l2)
        self.sampler = chains(sampler, steps=steps, step_size=step_size, noise=None, clamp=True)
        self.buffer = ReplayBuffer(restart, size=buffer_size, rho=rho)
        self.branches = {"positives": Branch(positives, augment=False, data=unlabelled)}
        self.w_px, self.w_l2 = w_px, w_l2

    def points(self, net: nn.Module, batch: Batch) -> Loss:
        x_pos, x_neg = batch.others["positives"].x, None
        if negatives_count(self.w_px, self.w_l2):
            x_neg = negatives(net, self.buffer, len(x_pos), self.sampler)

        def loss_of(net: nn.Module) -> tuple[Tensor, Metrics]:
            metrics = clean(net, batch)
            with fixed_statistics(net):
                loss, parts = energy_difference(
                    net, net(batch.x), batch.y, x_neg, x_pos=x_pos, w_clf=1.0, w_px=self.w_px,
                    w_l2=self.w_l2,
                )  # fmt: skip
            metrics |= parts
            return loss, metrics | gap(metrics, "E_neg", "E_clean")

        return loss_of

    @staticmethod
    def cost(settings: dict[str, Any]) -> Cost:
        """A gradient a step of the chains, passes of x, x+ and x_neg, a replay buffer."""
        count = negatives_count(settings["w_px"], settings["w_l2"])
        return Cost(settings["steps"] * count, 1 + 2 * count, settings["buffer_size"])
