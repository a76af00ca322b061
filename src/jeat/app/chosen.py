"""The image that is looked at: a test image, or one that is uploaded, limited and decoded anew."""

import warnings
from dataclasses import dataclass, field
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from jeat._support.passes import logits_of
from jeat.app.given import Given
from jeat.app.pieces import note, picture, pictures, refusal
from jeat.app.turns import TURN
from jeat.data.decode import FORMATS
from jeat.jobs.one_image import image_in
from jeat.nets import spec_of

__all__ = ["BYTES", "Upload", "aimed", "chosen", "fitted", "preview"]

BYTES, PIXELS, LONGER = 10_000_000, 40_000_000, 20
TRANSPARENT = "transparent pixels are drawn on white"


@dataclass(frozen=True)
class Upload:
    """A file that was uploaded: its name, no flag of a command, and its first 10 MB and a byte."""

    name: str
    data: bytes = field(repr=False)

    @classmethod
    def of(cls, path: str) -> "Upload":
        """The file that the server holds at a path."""
        with Path(path).open("rb") as file:
            name = Path(path).name
            return cls("./" * name.startswith("-") + name, file.read(BYTES + 1))


@lru_cache(maxsize=8)
def fitted(data: bytes, shape: tuple[int, int, int]) -> tuple[Tensor, tuple[str, ...]]:
    """The picture in a file as a net takes it, (1, C, H, W) in [0, 1], and what is said of it.

    It is read as ``jeat attack --from`` reads it.

    Raises:
        ValueError: no picture, or one of more than 10 MB, of more than 40 million pixels, or with
            a side more than 20 times as long as the other; one in colour for a net of 2 channels.
    """
    with TURN, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        _check(data)
        channels, *size = shape
        x = image_in({"bytes": data, "path": "the picture"}, channels, (size[0], size[1]))
        said = [str(w.message) for w in caught] + [TRANSPARENT] * _is_transparent(data)
    return x[None], tuple(said)


def _check(data: bytes) -> None:
    """Refuse a file before any of its pixels is decoded; errors as :func:`fitted`."""
    if not data:
        raise ValueError("this file is empty: choose a picture")
    if len(data) > BYTES:
        raise ValueError(f"a picture has at most {BYTES // 10**6} MB: make it smaller")
    many = f"this picture has more than {PIXELS // 10**6} million pixels: make it smaller"
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as opened:
            sides = sorted(opened.size)
    except Image.DecompressionBombError as error:
        raise ValueError(many) from error
    except Exception as error:  # a damaged file has Pillow raise many kinds
        raise ValueError(
            "this file is no picture that can be read: choose a PNG, JPEG, WebP, GIF, BMP or TIFF"
        ) from error
    if sides[0] * sides[1] > PIXELS:
        raise ValueError(many)
    if sides[1] > LONGER * sides[0]:
        raise ValueError(f"one side is more than {LONGER} times the other: cut the picture first")


def _is_transparent(data: bytes) -> bool:
    """Whether a picture has pixels that something shows through."""
    with Image.open(BytesIO(data), formats=FORMATS) as opened:
        if not opened.has_transparency_data:
            return False
        alpha: Any = opened.convert("RGBA").getchannel("A").getextrema()
        return bool(alpha[0] < 255)


def chosen(
    given: Given, net: object, upload: Upload | None, index: object
) -> tuple[Tensor, int | None]:
    """The image (1, C, H, W) that is attacked, and its label, which an uploaded one has not.

    Raises:
        ValueError, FileNotFoundError: as :meth:`Given.test_image`, and :func:`fitted`.
    """
    if upload is not None:
        model = given.net(net)
        x, _ = fitted(upload.data, spec_of(model).shape)
        return x.to(next(model.parameters()).device), None
    x, y, _ = given.test_image(net, index)
    return x, int(y)


def aimed(given: Given, net: object, upload: Upload | None, index: object) -> tuple[Tensor, int]:
    """The image and the class that an attack leads away from: its label, or what the net says.

    Errors as :func:`chosen`.
    """
    x, label = chosen(given, net, upload, index)
    if label is None:
        with torch.no_grad():
            label = int(logits_of(given.net(net), x).argmax())
    return x, label


def preview(given: Given, net: object, upload: Upload | None, index: object) -> str:
    """The image that would be attacked and what is to be said of it, or why there is none."""
    try:
        x, label = chosen(given, net, upload, index)
        if upload is None:
            return pictures([picture(x[0], given.classes(net)[int(label or 0)])])
        _, said = fitted(upload.data, spec_of(given.net(net)).shape)
        return pictures([picture(x[0], "your picture", upload.name)]) + "".join(map(note, said))
    except Exception as error:  # whatever reading a data set raises
        return refusal(error, upload.name if upload else "")
