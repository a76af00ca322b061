"""JEM: a classifier trained as an energy model of its clean images (Grathwohl et al. 2020)."""

from collections.abc import Callable

from torch import Tensor, nn

from jeat._checks import check_not_negative
from jeat.buffer import ReplayBuffer
from jeat.data import Batch
from jeat.objectives._parts import (
    Metrics,
    chains,
    clean,
    energy_difference,
    fixed_statistics,
    gap,
    negatives,
    noisy,
)  # fmt: skip

__all__ = ["JEM"]


class JEM(nn.Module):
    """Minimise w_clf * L(x, y) + w_px * [E(x) - E(x_neg)], x_neg ~ p(x) by Langevin (Eq. 6, 13).

    The defaults are JEM's published settings, converted from [-1, 1] to [0, 1] images: step 1 and
    noise 0.01 become 0.25 and 0.005, input noise 0.03 becomes 0.015. Where JEM draws one batch for
    each term, both terms here see the same batch.

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
        w_px: weight of the energy difference.
        w_l2: weight of E(x)^2 + E(x_neg)^2, which keeps energies from running away; 0 in JEM.
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
    ) -> None:
        super().__init__()
        check_not_negative(input_noise=input_noise, w_clf=w_clf, w_px=w_px, w_l2=w_l2)
        self.sampler = chains(steps=steps, step_size=step_size, noise=noise, clamp=clamp)
        self.buffer = ReplayBuffer(restart, size=buffer_size, rho=rho)
        self.input_noise = input_noise
        self.w_clf, self.w_px, self.w_l2 = w_clf, w_px, w_l2

    def forward(self, net: nn.Module, batch: Batch) -> tuple[Tensor, Metrics]:
        x = noisy(batch.x, self.input_noise)
        x_neg = negatives(net, self.buffer, len(x), self.sampler)
        metrics = clean(net, batch)
        with fixed_statistics(net):
            loss, parts = energy_difference(
                net, net(x), batch.y, x_neg, w_clf=self.w_clf, w_px=self.w_px, w_l2=self.w_l2
            )
        metrics |= parts
        return loss, metrics | gap(metrics, "E_neg", "E_clean")
