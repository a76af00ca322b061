"""Normal training: cross-entropy on clean images."""

from torch import Tensor, nn

from jeat.data import Batch
from jeat.energy import cross_entropy
from jeat.objectives._parts import Metrics, clean

__all__ = ["Normal"]


class Normal(nn.Module):
    """Minimise L(x, y) = E(x, y) - E(x) (Eq. 13)."""

    def forward(self, net: nn.Module, batch: Batch) -> tuple[Tensor, Metrics]:
        loss = cross_entropy(net(batch.x), batch.y).mean()
        return loss, {"loss": loss.detach()} | clean(net, batch)
