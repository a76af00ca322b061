"""Maximum likelihood of images and labels, for flows: Glow and hybrids of it."""

import math
from typing import Any

from torch import Tensor, nn

from jeat._support.checks import check_not_negative
from jeat.data import Batch
from jeat.data.dequantise import dequantised, in_bits
from jeat.energy import cross_entropy, joint_energy, marginal_energy
from jeat.objectives._parts import Cost, Loss, Metrics, TwoParts, clean

__all__ = ["Glow"]

begins = "random weights"
weakness = (
    "It classifies less well than a classifier of its size, attacks fool it, and simple images of "
    "other data sets may have a higher p(x) than those of its own."
)
limits = {"max_energy": 1e6}  # -log p(x) is thousands of nats


class Glow(TwoParts):
    r"""Minimise -log p(x, y) in bits per dimension, and w_clf times the cross-entropy in bits.

    .. math:: \frac{E(x, y)}{D \ln 2} + 8 + w_{clf} \frac{E(x, y) - E(x)}{\ln 2}

    x is dequantised anew each time (:func:`jeat.data.dequantise.dequantised`), D the numbers of an
    image. The net's E(x) is to be -log p(x), as a flow's; any other net lowers its energies without
    end. p(y|x) is the net's: by Bayes, or of its head. The log has E(x) as ``bits``, bits per
    dimension.

    -log p(x, y) has E(x, y) - E(x) in it, too, at 1/D of the weight of a bit. Alone it hardly
    teaches to classify. Kingma and Dhariwal (2018) have a head for the second term, at weight 0.01
    (``docs/readings.md``).

    Args:
        w_clf: weight of -log p(y|x), in bits.
    """

    def __init__(self, *, w_clf: float = 1.0) -> None:
        super().__init__()
        check_not_negative(w_clf=w_clf)
        self.w_clf = w_clf

    def points(self, net: nn.Module, batch: Batch) -> Loss:
        x = dequantised(batch.x)

        def loss_of(net: nn.Module) -> tuple[Tensor, Metrics]:
            metrics = clean(net, batch)
            logits = net(x)
            joint = in_bits(joint_energy(logits, batch.y), x).mean()
            clf = cross_entropy(logits, batch.y).mean()
            loss = joint + self.w_clf * clf / math.log(2)
            bits = in_bits(marginal_energy(logits), x).mean()
            parts = {"loss": loss, "loss_clf": clf, "bits": bits}
            return loss, metrics | {name: value.detach() for name, value in parts.items()}

        return loss_of

    @staticmethod
    def cost(settings: dict[str, Any]) -> Cost:
        """One pass."""
        return Cost()
