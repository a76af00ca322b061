"""JEM: a classifier trained as an energy model of its clean images (Grathwohl et al. 2020)."""

from collections.abc import Callable
from typing import Annotated, Any

from torch import Tensor, nn

from jeat._support.checks import check_not_negative
from jeat._support.plugins import Part
from jeat.data import Batch
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
    noisy,
    positives,
    unlabelled_branch,
)  # fmt: skip
from jeat.samplers import ReplayBuffer

__all__ = ["JEM"]

begins = "random weights in its paper; the suites for two cores begin from a classifier's"
weakness = "Attacks of eps 8/255 fool it on nearly every image."
recovery = {"steps": "add", "w_l2": "raise"}
smallest = {"steps": 2, "buffer_size": 4}
remedies = ("objective.clamp", "more objective.steps", "objective.w_l2")


class JEM(TwoParts):
    """Minimise w_clf * L(x, y) + w_px * [E(x) - E(x_neg)], x_neg ~ p(x) by Langevin (Eq. 6, 13).

    The defaults are JEM's published settings, converted from [-1, 1] to [0, 1] images: step 1 and
    noise 0.01 become 0.25 and 0.005, input noise 0.03 becomes 0.015. Where JEM draws one batch for
    each term, both terms here see the same batch, unless ``unlabelled`` brings one for p(x).

    Args:
        restart: n -> n first states of chains.
        steps: K, Langevin steps an iteration.
        step_size: factor of the gradient in a chain.
        noise: standard deviation of a chain's noise; null couples it, sqrt(2 * step_size).
        clamp: keep chains in [0, 1]; JEM does not.
        buffer_size: slots of the replay buffer.
        rho: restart probability.
        input_noise: standard deviation of the noise added to training images.
        w_clf: weight of cross-entropy.
        w_px: weight of the energy difference. Where w_l2 is 0, too, no chain is run.
        w_l2: weight of E(x)^2 + E(x_neg)^2, which keeps energies from running away; 0 in JEM.
        sampler: of the chains, by the name of a file in ``jeat/samplers`` or
            package.module:function.
        unlabelled: data set whose training images the p(x) term is of, in place of the labelled
            ones; their labels are not used.
    """

    def __init__(
        self,
        restart: Callable[[int], Tensor],
        *,
        steps: int = 20,
        step_size: float = 0.25,
        noise: float | None = 0.005,
        clamp: bool = False,
        buffer_size: int = 10_000,
        rho: float = 0.05,
        input_noise: float = 0.015,
        w_clf: float = 1.0,
        w_px: float = 1.0,
        w_l2: float = 0.0,
        sampler: Annotated[Part, "samplers"] = "langevin",
        unlabelled: str | None = None,
    ) -> None:
        super().__init__()
        check_not_negative(input_noise=input_noise, w_clf=w_clf, w_px=w_px, w_l2=w_l2)
        self.sampler = chains(sampler, steps=steps, step_size=step_size, noise=noise, clamp=clamp)
        self.buffer = ReplayBuffer(restart, size=buffer_size, rho=rho)
        self.branches = unlabelled_branch(unlabelled, w_px=w_px, w_l2=w_l2)
        self.input_noise = input_noise
        self.w_clf, self.w_px, self.w_l2 = w_clf, w_px, w_l2

    def points(self, net: nn.Module, batch: Batch) -> Loss:
        x, x_pos = noisy(batch.x, self.input_noise), positives(self.branches, batch)
        if x_pos is not None:
            x_pos = noisy(x_pos, self.input_noise)
        x_neg = None
        if negatives_count(self.w_px, self.w_l2):
            x_neg = negatives(net, self.buffer, len(x), self.sampler)

        def loss_of(net: nn.Module) -> tuple[Tensor, Metrics]:
            metrics = clean(net, batch)
            with fixed_statistics(net):
                loss, parts = energy_difference(
                    net, net(x), batch.y, x_neg, x_pos=x_pos, w_clf=self.w_clf, w_px=self.w_px,
                    w_l2=self.w_l2,
                )  # fmt: skip
            metrics |= parts
            return loss, metrics | gap(metrics, "E_neg", "E_clean")

        return loss_of

    @staticmethod
    def cost(settings: dict[str, Any]) -> Cost:
        """A gradient a step of the chains, passes of images and of negatives, a replay buffer."""
        count = negatives_count(settings["w_px"], settings["w_l2"])
        apart = settings["unlabelled"] is not None
        return Cost(settings["steps"] * count, 1 + count * (1 + apart), settings["buffer_size"])
