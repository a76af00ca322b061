"""What cameras and files do: contrast, stretched images, few pixels, JPEG."""

from collections.abc import Callable
from io import BytesIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from jeat.data.corruptions._filters import gaussian

__all__ = ["contrast", "elastic_transform", "jpeg_compression", "pixelate"]


def contrast(x: Tensor, factor: float, rng: torch.Generator) -> Tensor:
    """x, nearer to the mean of each channel of each image: mean + factor (x - mean)."""
    mean = x.mean((2, 3), keepdim=True)
    return mean + factor * (x - mean)


def elastic_transform(x: Tensor, c: tuple[float, float, float], rng: torch.Generator) -> Tensor:
    """x after a random affine map and a smooth random displacement (Simard et al. 2003).

    c is (alpha, sigma, jitter), each times the shorter side: three points around the middle, a
    third of a side away, move by U(-jitter, jitter); pixels then move by alpha times uniform
    noise in [-1, 1] that a Gaussian of deviation sigma smooths.
    """
    n, _, height, width = x.shape
    alpha, sigma, jitter = (value * min(height, width) for value in c)
    reach, middle = min(height, width) // 3, torch.tensor([width // 2, height // 2])
    before = middle + reach * torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    after = before + jitter * (2 * torch.rand(n, 3, 2, generator=rng) - 1)
    back = torch.linalg.solve(F.pad(after, (0, 1), value=1.0), before.expand(n, -1, -1))
    grid = torch.cartesian_prod(torch.arange(height), torch.arange(width)).flip(1).float()
    moved = (F.pad(grid, (0, 1), value=1.0) @ back).view(n, height, width, 2)
    x = _sampled(x, moved, corners=True)
    noise = 2 * torch.rand(n, 2, height, width, generator=rng) - 1
    shifts = alpha * gaussian(noise, sigma, truncate=3, mirrored=True)
    return _sampled(x, grid.view(height, width, 2) + shifts.movedim(1, 3), corners=False)


def _sampled(x: Tensor, at: Tensor, *, corners: bool) -> Tensor:
    """x at points (B, H, W, 2) as (column, row), linearly; beyond the edge lies its mirror image.

    With ``corners``, the mirror stands at the middle of the last pixel, else at its edge.
    """
    size = torch.tensor([x.shape[3], x.shape[2]])
    grid = 2 * at / (size - 1) - 1 if corners else (2 * at + 1) / size - 1
    return F.grid_sample(x, grid, padding_mode="reflection", align_corners=corners)


def pixelate(x: Tensor, scale: float, rng: torch.Generator) -> Tensor:
    """x at fewer pixels, each side times ``scale``, and back, by means of boxes."""

    def few(image: Image.Image) -> Image.Image:
        small = image.resize([int(n * scale) for n in image.size], Image.Resampling.BOX)
        return small.resize(image.size, Image.Resampling.BOX)

    return _by_pillow(x, few)


def jpeg_compression(x: Tensor, quality: int, rng: torch.Generator) -> Tensor:
    """x as JPEG of this quality, by Pillow."""

    def compressed(image: Image.Image) -> Image.Image:
        file = BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Image.open(file)

    return _by_pillow(x, compressed)


def _by_pillow(x: Tensor, change: Callable[[Image.Image], Image.Image]) -> Tensor:
    """Each image of 8 bits as Pillow changes it."""
    pixels = (x * 255).round().byte().movedim(1, 3).numpy()
    grey = x.shape[1] == 1
    images = [Image.fromarray(p[..., 0] if grey else p) for p in pixels]
    after = np.stack([np.asarray(change(image)) for image in images])
    found = torch.from_numpy(after).float() / 255
    return found[:, None] if grey else found.movedim(3, 1)
