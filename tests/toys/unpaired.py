"""Two batches: the term of p(x) sees its own images, fewer and not augmented."""

from torch import Tensor, nn

from jeat.data import Batch, Branch
from jeat.energy import cross_entropy, marginal_energy
from jeat.objectives import Metrics, TwoParts

__all__ = ["Unpaired"]


class Unpaired(TwoParts):
    """Minimise L(x, y) + weight * mean E(x')^2, with x' from a branch of its own.

    Args:
        weight: of the second term.
        images: x' of an iteration.
    """

    def __init__(self, *, weight: float = 0.01, images: int = 8) -> None:
        super().__init__()
        self.weight = weight
        self.branches = {"plain": Branch(batch_size=images, augment=False)}

    def points(self, net: nn.Module, batch: Batch):
        plain = batch.others["plain"].x

        def loss_of(net: nn.Module) -> tuple[Tensor, Metrics]:
            clf = cross_entropy(net(batch.x), batch.y).mean()
            loss = clf + self.weight * marginal_energy(net(plain)).square().mean()
            return loss, {"loss": loss.detach(), "loss_clf": clf.detach()}

        return loss_of
