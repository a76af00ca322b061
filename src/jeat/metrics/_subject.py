"""What a metric is given."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["Subject", "pieces"]


@dataclass(frozen=True)
class Subject:
    """What is measured: a net, on what.

    Attributes:
        net: the classifier.
        x, y: test images (N, C, H, W) in [0, 1], and their labels.
        samples, sample_labels: images that the net drew, and the classes it was asked for.
        train: training images in [0, 1], which samples are compared with.
        outside: images of none of the classes, in [0, 1].
        judge: another classifier of the same classes, which looks at the samples.
    """

    net: nn.Module
    x: Tensor
    y: Tensor
    samples: Tensor | None = None
    sample_labels: Tensor | None = None
    train: Tensor | None = None
    outside: Tensor | None = None
    judge: nn.Module | None = None


def pieces(x: Tensor, y: Tensor, size: int) -> list[tuple[Tensor, Tensor]]:
    """(x, y) cut into pieces of at most ``size`` images, so that memory does not grow with N.

    Raises:
        ValueError: no image, or not as many labels as images.
    """
    if not len(x) or len(x) != len(y):
        raise ValueError(f"a metric needs as many labels as images, got {len(x)} and {len(y)}")
    return list(zip(torch.split(x, size), torch.split(y, size), strict=True))
