"""What a metric is given."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["Subject", "pieces"]


@dataclass(frozen=True)
class Subject:
    """A net and labelled images (N, C, H, W) in [0, 1] to measure it on."""

    net: nn.Module
    x: Tensor
    y: Tensor


def pieces(x: Tensor, y: Tensor, size: int) -> list[tuple[Tensor, Tensor]]:
    """(x, y) cut into pieces of at most ``size`` images, so that memory does not grow with N.

    Raises:
        ValueError: no image, or not as many labels as images.
    """
    if not len(x) or len(x) != len(y):
        raise ValueError(f"a metric needs as many labels as images, got {len(x)} and {len(y)}")
    return list(zip(torch.split(x, size), torch.split(y, size), strict=True))
