"""Filters that several corruptions share, on batches (B, C, H, W)."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["angles", "clipped_zoom", "disk", "eight_bits", "gaussian", "streaked"]


def eight_bits(x: Tensor) -> Tensor:
    """Images of 8 bits, in [0, 1], cut and not rounded, as the published sets are written.

    What rounding in fp32 took below a whole number counts as that number.
    """
    return (x.clamp(0, 1) * 255 + 1e-3).floor() / 255


def gaussian(x: Tensor, sigma: float, *, truncate: float = 4.0, mirrored: bool = False) -> Tensor:
    """x smoothed by a Gaussian that ends at ``truncate`` deviations, as scipy.ndimage has it.

    Beyond the edge lies the last pixel, or with ``mirrored`` the image's mirror image.
    """
    for axis in (2, 3):
        x = torch.tensordot(x, _smoother(x.shape[axis], sigma, truncate, mirrored), ([axis], [1]))
        x = x.movedim(-1, axis)
    return x


def _smoother(n: int, sigma: float, truncate: float, mirrored: bool) -> Tensor:
    """The matrix (n, n) that smooths n pixels in a row."""
    radius = int(truncate * sigma + 0.5)
    if not radius:
        return torch.eye(n)
    k = torch.arange(-radius, radius + 1)
    weights = torch.exp(-0.5 * (k / sigma) ** 2)
    at = torch.arange(n)[:, None] + k
    if mirrored:
        at = at % (2 * n)
        at = torch.minimum(at, 2 * n - 1 - at)
    rows = torch.zeros(n, n)
    return rows.scatter_add_(1, at.clamp(0, n - 1), (weights / weights.sum()).expand(n, -1))


def disk(radius: float, blur: float) -> Tensor:
    """A disk of a lens out of focus, (k, k), smoothed by a Gaussian of 3 pixels, or 5 if large."""
    reach, side = max(8, int(radius)), 1 if radius <= 8 else 2
    k = torch.arange(-reach, reach + 1)
    flat = ((k[:, None] ** 2 + k**2) <= radius**2).float()
    t = torch.arange(-side, side + 1)
    weights = torch.exp(-0.5 * (t / blur) ** 2)
    weights = torch.outer(weights, weights) / weights.sum() ** 2
    padded = F.pad((flat / flat.sum())[None, None], (side,) * 4, mode="reflect")
    smooth = F.conv2d(padded, weights[None, None])[0, 0]
    reach = int(k[smooth.amax(0) > 0].max())  # zeros around it are left out
    middle = slice(len(k) // 2 - reach, len(k) // 2 + reach + 1)
    return smooth[middle, middle]


def clipped_zoom(x: Tensor, factor: float) -> Tensor:
    """The middle of the images, enlarged linearly to their size."""
    height, width = x.shape[2:]
    inside = [math.ceil(n / factor) for n in (height, width)]
    top, left = ((n - m) // 2 for n, m in zip((height, width), inside, strict=True))
    x = x[:, :, top : top + inside[0], left : left + inside[1]]
    size = [round(m * factor) for m in inside]
    x = F.interpolate(x, size=size, mode="bilinear", align_corners=True)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    return x[:, :, top : top + height, left : left + width]


def angles(n: int, low: float, high: float, rng: torch.Generator) -> Tensor:
    """n directions (n,), uniform between two angles in degrees, in radians."""
    return torch.deg2rad(low + (high - low) * torch.rand(n, generator=rng))


def streaked(x: Tensor, angle: Tensor, radius: int, sigma: float) -> Tensor:
    """Each image blurred to one side along its angle (B,), as ImageMagick's MotionBlurImage.

    The weights of 2 radius + 1 pixels along the line, its own first, fall like half a Gaussian of
    deviation ``sigma``. Beyond the edge lies the last pixel. The result is rounded to 8 bits.
    """
    height, width = x.shape[2:]
    k = torch.arange(2 * radius + 1)
    weights = torch.exp(-0.5 * (k / sigma) ** 2)
    weights = weights / weights.sum()
    down, right = (
        torch.ceil(k * turn[:, None] - 0.5).long() for turn in (angle.sin(), angle.cos())
    )
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    flat, out = x.flatten(2), torch.zeros_like(x).flatten(2)
    for i in range(len(k)):
        row = (rows + down[:, i, None, None]).clamp(0, height - 1)
        column = (columns + right[:, i, None, None]).clamp(0, width - 1)
        at = (row * width + column).flatten(1)[:, None].expand_as(flat)
        out += weights[i] * flat.gather(2, at)
    return (out.view_as(x) * 255).round() / 255
