"""Images in rows, each with lines of text under it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from PIL import Image, ImageDraw
from torch import Tensor

from jeat.figures._font import font
from jeat.figures.image_grid import enlarged

__all__ = ["Cell", "captioned", "text_width"]

FONT, LINE, GAP = 14, 18, 12  # pixels: the size of text, from line to line, around what is shown


@dataclass(frozen=True)
class Cell:
    """An image in [0, 1], and the text under it, of any number of lines."""

    image: Float[Tensor, "c h w"]
    text: str = ""


def captioned(
    rows: Sequence[tuple[str, Sequence[Cell]]],
    *,
    heads: Sequence[str] = (),
    title: str = "",
    least: int = 96,
    wide: int = 0,
) -> Image.Image:
    """Rows of images of one size on white, each row after its name.

    Small images are enlarged by a whole factor, without smoothing, until no side is shorter than
    ``least`` pixels.

    Args:
        rows: their names and images.
        heads: names of the columns.
        title: a line above all.
        least: side of an image that is shown.
        wide: least width of a column; all are as wide as the widest text in them needs.

    Raises:
        ValueError: no image, pixels outside of [0, 1], or NaN.
    """
    cells = [cell for _, row in rows for cell in row]
    if not cells:
        raise ValueError("no image to show: rows need one or more")
    shown = iter(enlarged(torch.stack([cell.image for cell in cells]), least))
    high, broad = enlarged(cells[0].image[None], least).shape[1:3]
    texts = [*heads, *(cell.text for cell in cells)]
    column = max(wide, broad, text_width(texts)) + GAP
    left = GAP + max((text_width([name]) + GAP for name, _ in rows if name), default=0)
    lines = [max(cell.text.count("\n") + bool(cell.text) for cell in row) for _, row in rows]
    top = GAP + LINE * bool(title) + (LINE + 4) * bool(heads)
    width = left + column * max(len(row) for _, row in rows)
    tall = top + sum(high + LINE * n + GAP for n in lines)
    canvas = Image.new("RGB", (max(width, text_width([title]) + 2 * GAP), tall), "white")
    draw, letters = ImageDraw.Draw(canvas), font(FONT)
    draw.text((GAP, GAP - 4), title, fill="black", font=letters)
    for k, head in enumerate(heads):
        draw.text((left + k * column, top - LINE - 4), head, fill="black", font=letters)
    for (name, row), n in zip(rows, lines, strict=True):
        draw.text((GAP, top + high // 2), name, fill="black", font=letters, anchor="lm")
        for k, cell in enumerate(row):
            at = left + k * column
            canvas.paste(Image.fromarray(next(shown)), (at, top))
            for i, line in enumerate(cell.text.splitlines()):
                draw.text((at, top + high + 2 + LINE * i), line, fill="black", font=letters)
        top += high + LINE * n + GAP
    return canvas


def text_width(texts: Iterable[str]) -> int:
    """How wide the widest line of texts is, in pixels."""
    measure = ImageDraw.Draw(Image.new("L", (1, 1))).textlength
    letters = font(FONT)
    lines = [line for text in texts for line in text.splitlines()]
    return math.ceil(max((measure(line, font=letters) for line in lines), default=0))
