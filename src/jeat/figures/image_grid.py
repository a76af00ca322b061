"""Image grids."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw
from torch import Tensor

from jeat._support.tensors import check_pixels
from jeat.figures._font import font

__all__ = ["enlarged", "fitting", "grid", "panels", "rows"]

_LEAST, _MOST, _ROOM = 64, 160, 1000  # pixels: the side of an image, and of all of them


def grid(
    images: Float[Tensor, "b c h w"], *, columns: int, gap: int = 2, least: int = 32
) -> Image.Image:
    """Images (B, C, H, W) in [0, 1], row by row, on grey.

    Small images are enlarged by a whole factor, without smoothing, until no side is shorter than
    ``least`` pixels.

    Raises:
        ValueError: no image or no column, pixels outside of [0, 1], or NaN.
    """
    if not len(images) or columns < 1:
        raise ValueError(f"a grid needs images and columns, got {len(images)} and {columns}")
    x = enlarged(images, least)
    rows, down, right = -(-len(x) // columns), x.shape[1] + gap, x.shape[2] + gap
    canvas = np.full((rows * down + gap, columns * right + gap, 3), 96, dtype=np.uint8)
    for i, image in enumerate(x):
        top, left = (i // columns) * down + gap, (i % columns) * right + gap
        canvas[top : top + x.shape[1], left : left + x.shape[2]] = image
    return Image.fromarray(canvas)


def enlarged(images: Float[Tensor, "b c h w"], least: int) -> np.ndarray:
    """Images in [0, 1] as pixels (B, H, W, 3) of 8 bits, enlarged as by :func:`grid`."""
    zoom = -(-least // min(images.shape[2:]))
    x = (check_pixels(images).detach().float() * 255).round().byte().cpu().numpy()
    x = x.repeat(zoom, axis=2).repeat(zoom, axis=3).transpose(0, 2, 3, 1)
    return x.repeat(3, axis=3) if x.shape[3] == 1 else x


def fitting(shape: Sequence[int], columns: int, rows: int) -> int:
    """How long the shorter side of images is shown, so that few images are large.

    By whole factors it is 160 pixels or a little more where all of them then find room in 1000 x
    1000 pixels, else as much as does, and at least 64.

    Args:
        shape: (H, W) of an image.
        columns, rows: of images.
    """
    side = min(shape)
    least, most = (-(-n // side) for n in (_LEAST, _MOST))
    longest = max(rows * shape[0], columns * shape[1])
    return side * max(least, min(most, _ROOM // longest))


def panels(pictures: Mapping[str, Image.Image], *, columns: int = 3, gap: int = 8) -> Image.Image:
    """Pictures of one size on white, row by row, each under its name.

    Raises:
        ValueError: no picture or no column.
    """
    if not pictures or columns < 1:
        raise ValueError(f"panels need pictures and columns, got {len(pictures)} and {columns}")
    columns = min(columns, len(pictures))
    width, height = next(iter(pictures.values())).size
    title = 28
    rows = -(-len(pictures) // columns)
    size = columns * (width + gap) + gap, rows * (height + title + gap) + gap
    canvas = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(canvas)
    for i, (name, picture) in enumerate(pictures.items()):
        left = gap + (i % columns) * (width + gap)
        top = gap + (i // columns) * (height + title + gap)
        draw.text((left, top), name, fill="black", font=font(20))
        canvas.paste(picture, (left, top + title))
    return canvas


def rows(
    images: Mapping[str, Float[Tensor, "_ c h w"]],
    *,
    columns: int | None = None,
    gap: int = 8,
    least: int | None = None,
) -> Image.Image:
    """Images in [0, 1] of several names on white: a row a name, which stands before it.

    A row has all of its images beside each other, or goes on below after ``columns``. Small images
    are enlarged as by :func:`grid`, and without ``least`` as far as :func:`fitting` says.

    Raises:
        ValueError: no image of a name, pixels outside of [0, 1], or NaN.
    """
    across = {name: min(len(x), columns or len(x)) for name, x in images.items()}
    if least is None:
        down = sum(-(-len(x) // across[name]) for name, x in images.items())
        shape = next(iter(images.values())).shape[2:]
        least = fitting(shape, max(across.values()), down)
    pictures = {name: grid(x, columns=across[name], least=least) for name, x in images.items()}
    letters = font(14)
    measure = ImageDraw.Draw(Image.new("L", (1, 1))).textlength
    left = gap * 2 + math.ceil(max(measure(name, font=letters) for name in pictures))
    high = max(picture.height for picture in pictures.values()) + gap
    wide = left + max(picture.width for picture in pictures.values()) + gap
    canvas = Image.new("RGB", (wide, gap + high * len(pictures)), "white")
    draw = ImageDraw.Draw(canvas)
    for i, (name, picture) in enumerate(pictures.items()):
        top = gap + i * high
        draw.text((gap, top + picture.height // 2), name, fill="black", font=letters, anchor="lm")
        canvas.paste(picture, (left, top))
    return canvas
