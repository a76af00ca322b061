"""An energy net that is given the class: E(x, k) takes a pass for each class, as in IGEBM."""

import torch
from torch import Tensor, nn

__all__ = ["Passes"]


class Passes(nn.Module):
    """f(x)[k] = -E(x, k), E a convolution whose features the class scales.

    Args:
        channels, size, classes: of the images.
        width: of the features.
    """

    def __init__(self, *, channels: int, size: int, classes: int, width: int = 8) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, width, 3, padding=1)
        self.gain = nn.Embedding(classes, width)
        self.last = nn.Linear(width * size**2, 1)

    def energy(self, x: Tensor, k: Tensor) -> Tensor:
        features = nn.functional.silu(self.first(x) * self.gain(k)[:, :, None, None])
        return self.last(features.flatten(1)).squeeze(1)

    def forward(self, x: Tensor) -> Tensor:
        classes = range(self.gain.num_embeddings)
        every = [self.energy(x, torch.full((len(x),), k, device=x.device)) for k in classes]
        return -torch.stack(every, 1)
