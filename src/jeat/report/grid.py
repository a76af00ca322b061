"""Image grids."""

import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Tensor

__all__ = ["grid"]


def grid(
    images: Float[Tensor, "b c h w"], *, columns: int, gap: int = 2, least: int = 32
) -> Image.Image:
    """Images (B, C, H, W) in [0, 1], row by row, on black.

    Small images are enlarged by a whole factor, without smoothing, to ``least`` pixels or more.

    Raises:
        ValueError: no image or no column.
    """
    if not len(images) or columns < 1:
        raise ValueError(f"a grid needs images and columns, got {len(images)} and {columns}")
    zoom = -(-least // images.shape[-1])
    x = (images.detach().float().clamp(0, 1) * 255).round().byte().cpu().numpy()
    x = x.repeat(zoom, axis=2).repeat(zoom, axis=3).transpose(0, 2, 3, 1)
    if x.shape[3] == 1:
        x = x.repeat(3, axis=3)
    rows, side = -(-len(x) // columns), x.shape[1] + gap
    canvas = np.zeros((rows * side + gap, columns * side + gap, 3), dtype=np.uint8)
    for i, image in enumerate(x):
        top, left = (i // columns) * side + gap, (i % columns) * side + gap
        canvas[top : top + x.shape[1], left : left + x.shape[2]] = image
    return Image.fromarray(canvas)
