"""Two convolutions of one weight, and one normalisation that is found under two names."""

from torch import Tensor, nn

__all__ = ["Tied"]


class Tied(nn.Module):
    """Convolutions that share their weight, and a normalisation that comes twice.

    Args:
        channels, size, classes: of the images.
        width: of the features.
    """

    def __init__(self, *, channels: int, size: int, classes: int, width: int = 4) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.third = nn.Conv2d(width, width, 3, padding=1)
        self.third.weight = self.second.weight
        self.norm = self.again = nn.BatchNorm2d(width)
        self.head = nn.Linear(width * size**2, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.first(x)).relu()
        x = self.again(self.second(x)).relu()
        return self.head(self.third(x).relu().flatten(1))
