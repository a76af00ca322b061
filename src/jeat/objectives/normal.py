"""Normal training: cross-entropy on clean images."""

from typing import Any

from torch import Tensor, nn

from jeat.data import Batch
from jeat.energy import cross_entropy
from jeat.objectives._parts import Cost, Metrics, clean

__all__ = ["Normal"]

begins = "random weights"
weakness = (
    "Attacks of eps 8/255 fool it on nearly every image, and its chains end in noise that it is "
    "sure of."
)


class Normal(nn.Module):
    """Minimise L(x, y) = E(x, y) - E(x) (Eq. 13)."""

    @staticmethod
    def cost(settings: dict[str, Any]) -> Cost:
        """One pass."""
        return Cost()

    def forward(self, net: nn.Module, batch: Batch) -> tuple[Tensor, Metrics]:
        loss = cross_entropy(net(batch.x), batch.y).mean()
        return loss, {"loss": loss.detach()} | clean(net, batch)
