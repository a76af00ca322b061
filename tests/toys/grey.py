"""A start of chains of one's own: grey, as bright as the class is on average."""

from dataclasses import dataclass

import torch
from torch import Tensor

from jeat.data import Data

__all__ = ["Grey"]


@dataclass(frozen=True)
class Grey:
    """x0 is the mean pixel of the training images of its class, everywhere.

    Attributes:
        brightness: (classes,).
        shape: (C, H, W).
    """

    brightness: Tensor
    shape: tuple[int, int, int]

    @classmethod
    def of(cls, data: Data) -> "Grey":
        x, y = data.train.x.float() / 255, data.train.y
        means = [x[y == k].mean() for k in range(len(data.classes))]
        return cls(torch.stack(means), data.shape)

    def __call__(self, y: Tensor) -> Tensor:
        level = self.brightness.to(y.device)[y.long()]
        return level.view(-1, 1, 1, 1).expand(-1, *self.shape).clone()
