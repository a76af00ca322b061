"""Two stages in one run: chains grow by a step whenever they are told from data too well."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from jeat.data import Batch
from jeat.energy import cross_entropy, energy_of, marginal_energy
from jeat.nets import evaluating
from jeat.objectives import Cost, Metrics, TwoParts
from jeat.samplers import langevin, last

__all__ = ["Growing"]

begins = "the weights of an adversarially trained classifier"
weakness = "A toy."
limits = {"max_gap": 1e3}


class Growing(TwoParts):
    """Minimise L(x, y) + softplus E(x) + softplus -E(x_neg), x_neg after a growing number of steps.

    Args:
        restart: n -> n first states of chains.
        target: area under the curve of E on data against x_neg, above which chains grow.
    """

    steps: Tensor

    def __init__(self, restart: Callable[[int], Tensor], *, target: float = 0.8) -> None:
        super().__init__()
        self.restart, self.target = restart, target
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))  # kept in checkpoints

    def points(self, net: nn.Module, batch: Batch):
        x_neg = self.restart(len(batch.y)).to(batch.x)
        with evaluating(net):
            E = energy_of(net)
            if self.steps:
                x_neg = last(langevin(E, x_neg, steps=int(self.steps), step_size=0.1, noise=0.0))
            with torch.no_grad():
                told = (E(x_neg)[:, None] > E(batch.x)).float().mean()
        self.steps += int(told > self.target)

        def loss_of(net: nn.Module) -> tuple[Tensor, Metrics]:
            logits = net(batch.x)
            E, E_neg = marginal_energy(logits), marginal_energy(net(x_neg))
            real_or_not = (nn.functional.softplus(E) + nn.functional.softplus(-E_neg)).mean()
            loss = cross_entropy(logits, batch.y).mean() + real_or_not
            return loss, {"loss": loss.detach(), "auc": told, "chain_steps": self.steps.float()}

        return loss_of

    @staticmethod
    def cost(settings: dict) -> Cost:
        """At its beginning; it grows."""
        return Cost(input_gradients=0, training_passes=2)
