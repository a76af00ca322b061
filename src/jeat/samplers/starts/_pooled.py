"""Images averaged in blocks, to which starts of each class are fitted, and enlarged again."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["enlarged", "grain_of", "pooled_classes", "pooled_shape"]

Shape = tuple[int, int, int]


def grain_of(shape: Shape, *, blocks: int, least: int) -> int:
    """The pooling factor that leaves about ``blocks`` along the longer side of (C, H, W)."""
    _, height, width = shape
    grain = max(least, max(height, width) // blocks)
    while height % grain or width % grain:
        grain -= 1
    return grain


def pooled_shape(shape: Shape, grain: int) -> Shape:
    """(C, H, W) after pooling."""
    channels, height, width = shape
    return channels, height // grain, width // grain


def pooled_classes(images: Tensor, labels: Tensor, classes: int, grain: int) -> Iterator[Tensor]:
    """The images of each class in turn, in [0, 1], pooled and flattened to (n, d).

    Raises:
        ValueError: ``grain`` does not divide the image size, a class has no image, or images that
            are not uint8.
    """
    if images.dtype != torch.uint8:
        raise ValueError(f"a start is fitted to uint8 images, got {images.dtype}")
    if any(side % grain for side in images.shape[2:]):
        raise ValueError(f"grain {grain} does not divide the size of {tuple(images.shape)}")
    for k in range(classes):
        x = images[labels == k].float() / 255
        if not len(x):
            raise ValueError(f"class {k} has no training image to start chains from")
        yield F.avg_pool2d(x, grain).flatten(1)


def enlarged(x: Tensor, shape: Shape, grain: int) -> Tensor:
    """Pooled images (n, d) at their whole size by bilinear interpolation, clamped to [0, 1]."""
    x = x.view(-1, *pooled_shape(shape, grain))
    if grain > 1:
        x = F.interpolate(x, size=shape[1:], mode="bilinear", align_corners=False)
    return x.clamp(0, 1)
