"""A net without convolutions."""

from itertools import pairwise

from torch import Tensor, nn

__all__ = ["Net"]


class Net(nn.Module):
    """mlp-width: layers of ``width`` units between pixels and logits.

    Args:
        width: units of a layer.
        channels, size, classes: of the images.
        depth: number of layers before the last.
    """

    def __init__(
        self, width: int = 64, *, channels: int, size: int, classes: int, depth: int = 2
    ) -> None:
        super().__init__()
        widths = [channels * size**2, *[width] * depth]
        layers = [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), nn.SiLU())]
        self.layers = nn.Sequential(nn.Flatten(), *layers)
        self.linear = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images in [0, 1] -> logits."""
        return self.linear(self.layers(2 * x - 1))
