"""Cross-entropy with smoothed labels: a classifier whose energies of other classes stay near."""

from torch import Tensor, nn

from jeat.data import Batch
from jeat.objectives import Cost, Metrics

__all__ = ["Smoothed"]

begins = "random weights"
weakness = "It is not robust: nothing that it learns is adversarial."


class Smoothed(nn.Module):
    """Minimise (1 - s) [E(x, y) - E(x)] + s / K sum_k [E(x, k) - E(x)].

    Args:
        smoothing: s, the share of the loss that all K classes have alike.
    """

    def __init__(self, *, smoothing: float = 0.1) -> None:
        super().__init__()
        self.smoothing = smoothing

    def forward(self, net: nn.Module, batch: Batch) -> tuple[Tensor, Metrics]:
        loss = nn.functional.cross_entropy(net(batch.x), batch.y, label_smoothing=self.smoothing)
        return loss, {"loss": loss.detach()}

    @staticmethod
    def cost(settings: dict) -> Cost:
        """A pass of training, and no other."""
        return Cost(input_gradients=0, training_passes=1)
