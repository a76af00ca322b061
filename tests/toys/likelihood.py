"""Maximum likelihood of a net that knows log p(x, y), such as a flow."""

from torch import Tensor, nn

from jeat.data import Batch
from jeat.energy import joint_energy
from jeat.objectives import Metrics

__all__ = ["Likelihood"]

limits = {"max_energy": 1e6}  # energies are in nats: thousands for an image


class Likelihood(nn.Module):
    """Minimise E(x, y) = -log p(x, y)."""

    def forward(self, net: nn.Module, batch: Batch) -> tuple[Tensor, Metrics]:
        loss = joint_energy(net(batch.x), batch.y).mean()
        return loss, {"loss": loss.detach()}
