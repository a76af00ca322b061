"""IGEBM (Du and Mordatch 2019): an energy of images and classes, against chains of each class."""

from typing import Annotated, Any

import torch
from torch import Tensor, nn

from jeat._support.checks import check_not_negative
from jeat._support.plugins import Part
from jeat.data import Batch
from jeat.energy import cross_entropy, energy_of, joint_energy, joint_energy_at
from jeat.nets import evaluating
from jeat.objectives._parts import (
    Cost,
    Loss,
    Metrics,
    TwoParts,
    chains,
    clean,
    fixed_statistics,
    gap,
)  # fmt: skip
from jeat.samplers import LabelledBuffer, Restart, last

__all__ = ["IGEBM"]

begins = "random weights"
weakness = (
    "It learns p(x|y) up to a factor of each class, and classifies only as far as these are alike."
)
recovery = {"steps": "add", "w_l2": "raise"}
smallest = {"steps": 2, "buffer_size": 4}
remedies = ("more objective.steps", "objective.w_l2", "a lower objective.step_size")


class IGEBM(TwoParts):
    r"""Minimise E(x, y) - E(x_neg, y_neg), and the squares of both, for a net of -E(x, k).

    .. math:: \mathcal L = \overline{E(x, y)} - \overline{E(x_{neg}, y_{neg})} + w_{l2} \left[
              \overline{E(x, y)^2} + \overline{E(x_{neg}, y_{neg})^2} \right]
              + w_{clf} \overline{\mathcal L(x, y)}

    x is dequantised: 255/256 x + U(0, 1/256). x_neg are K steps down clamped gradients of
    E(x, y_neg), from a replay buffer that keeps the label of each of its states; one that is
    restarted takes a label of the batch, and a start of that class. An image is classified by its
    lowest energy. A net of one pass a class, such as that of ``nets/igebm.py``, takes one for each
    energy here; any other net of logits is trained, too.

    The authors' buffer keeps no labels: states that are replayed get those of the new batch
    (``docs/readings.md``). Their option of a gradient through the chains, which lowers E(x_neg) by
    way of x_neg, is left out, as by their ``--zero_kl``. They take Adam of beta_1 0, its gradients
    clipped entry by entry to 3 root mean squares and 0.1; a plan's AdamW has beta_1 0.9, and clips
    norms.

    Args:
        restart: its ``of`` gives first states of chains of given labels.
        steps: K, steps of a chain an iteration.
        step_size: factor of the clamped gradient; the larger, the flatter the energy that is
            learnt, and the more the levels of classes, which w_l2 alone holds, outweigh an image.
        noise: standard deviation of the noise before each step.
        buffer_size: slots of the replay buffer.
        rho: restart probability.
        w_l2: weight of the squares, which keep energies from running away.
        w_clf: weight of cross-entropy, 0 in the paper; above it the loss takes all logits.
        sampler: of the chains, by the name of a file in ``jeat/samplers`` or
            package.module:function; ``clamped`` with gradients in [-0.01, 0.01] as published.
    """

    def __init__(
        self,
        restart: Restart,
        *,
        steps: int = 60,
        step_size: float = 10.0,
        noise: float | None = 0.005,
        buffer_size: int = 10_000,
        rho: float = 0.05,
        w_l2: float = 1.0,
        w_clf: float = 0.0,
        sampler: Annotated[Part, "samplers"] = {"name": "clamped", "clip": 0.01},  # noqa: B006
    ) -> None:
        super().__init__()
        check_not_negative(w_l2=w_l2, w_clf=w_clf)
        self.sampler = chains(sampler, steps=steps, step_size=step_size, noise=noise, clamp=True)
        self.buffer = LabelledBuffer(restart, size=buffer_size, rho=rho)
        self.w_l2, self.w_clf = w_l2, w_clf

    def points(self, net: nn.Module, batch: Batch) -> Loss:
        x = dequantised(batch.x)
        x0, y_neg, slots = self.buffer.draw_of(batch.y)
        with evaluating(net):
            x_neg = last(self.sampler(energy_of(net, y_neg), x0), x0)
        self.buffer.put_of(slots, x_neg, y_neg)

        def loss_of(net: nn.Module) -> tuple[Tensor, Metrics]:
            metrics = clean(net, batch)
            with fixed_statistics(net):
                E, clf = self._of_images(net, x, batch.y)
                E_neg = joint_energy_at(net, x_neg, y_neg)
            px = E.mean() - E_neg.mean()
            l2 = E.square().mean() + E_neg.square().mean()
            loss = px + self.w_l2 * l2 + self.w_clf * clf
            parts = {
                "loss": loss, "loss_px": px, "E_y_neg": E_neg.mean(),
                "saturated": ((x_neg <= 0) | (x_neg >= 1)).float().mean(),
            }  # fmt: skip
            metrics |= {name: value.detach() for name, value in parts.items()}
            return loss, metrics | gap(metrics, "E_y_neg", "E_y_clean")

        return loss_of

    def _of_images(self, net: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """E(x, y) of each image, and mean L(x, y) where it counts, else 0."""
        if not self.w_clf:
            return joint_energy_at(net, x, y), x.new_zeros(())
        logits = net(x)
        return joint_energy(logits, y), cross_entropy(logits, y).mean()

    @staticmethod
    def cost(settings: dict[str, Any]) -> Cost:
        """A gradient a step of the chains, passes of images and of negatives, a replay buffer.

        Passes are of one image and one class each, where a net's ``joint`` gives that.
        """
        return Cost(settings["steps"], 2, settings["buffer_size"])


def dequantised(x: Tensor) -> Tensor:
    """Images of 8 bits, each pixel spread evenly over the values that are rounded down to it."""
    return 255 / 256 * x + torch.rand(x.shape, device=x.device, dtype=x.dtype) / 256
