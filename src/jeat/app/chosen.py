"""The image that is looked at: a test image, or one that is uploaded, limited and decoded anew."""

from io import BytesIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from jeat.app.given import Given
from jeat.app.pieces import picture, pictures, refusal
from jeat.data import Reading
from jeat.data.decode import FORMATS, decoded
from jeat.data.sizes import fitted
from jeat.nets import spec_of

__all__ = ["BYTES", "chosen", "decode", "for_net", "preview"]

BYTES, PIXELS, LONGER, KEPT = 10_000_000, 40_000_000, 20, 512


def decode(data: bytes | None) -> np.ndarray:
    """The pixels of an uploaded file, (H, W[, 3]) uint8, no side longer than 512.

    Raises:
        ValueError: no picture, or one of more than 10 MB, of more than 40 million pixels, or with
            a side more than 20 times as long as the other.
    """
    if not data or len(data) > BYTES:
        raise ValueError(f"a picture has at most {BYTES // 10**6} MB, and is not empty")
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as opened:  # reads no pixel yet
            sides = sorted(opened.size)
    except Exception as error:  # a damaged file has Pillow raise many kinds
        raise ValueError(
            "this file is no picture that can be read: choose a PNG, JPEG, WebP, GIF, BMP or TIFF"
        ) from error
    if sides[0] * sides[1] > PIXELS:
        raise ValueError(
            f"this picture has {sides[0] * sides[1] / 1e6:.0f} million pixels, and at most "
            f"{PIXELS // 10**6} million are read: make it smaller"
        )
    if sides[1] > LONGER * sides[0]:
        raise ValueError(f"one side is more than {LONGER} times the other: cut the picture first")
    name = {"bytes": data, "path": "the picture"}
    image = Image.fromarray(decoded([name], Reading(), 1)[0])
    image.thumbnail((KEPT, KEPT))
    return np.asarray(image)


def for_net(pixels: np.ndarray, shape: tuple[int, int, int]) -> Tensor:
    """Pixels as (1, C, H, W) in [0, 1]: scaled until they cover (H, W), cut at the centre.

    Raises:
        ValueError: a net that takes neither grey nor colour images.
    """
    channels, *size = shape
    if channels not in (1, 3):
        raise ValueError(f"this net takes images of {channels} channels, which no picture has")
    image = Image.fromarray(pixels).convert("L" if channels == 1 else "RGB")
    array = np.asarray(fitted(image, (size[0], size[1])))
    return torch.from_numpy(array.copy()).view(1, *size, channels).movedim(3, 1).float() / 255


def chosen(
    given: Given, net: object, uploaded: np.ndarray | None, index: object
) -> tuple[Tensor, int | None]:
    """The image (1, C, H, W) that is attacked, and its label, which an uploaded one has not.

    Raises:
        ValueError, FileNotFoundError: as :meth:`Given.test_image`, and
            :func:`for_net`.
    """
    if uploaded is not None:
        model = given.net(net)
        x = for_net(uploaded, spec_of(model).shape)
        return x.to(next(model.parameters()).device), None
    x, y, _ = given.test_image(net, index)
    return x, int(y)


def preview(given: Given, net: object, uploaded: np.ndarray | None, index: object) -> str:
    """The image that would be attacked, or why there is none."""
    try:
        x, label = chosen(given, net, uploaded, index)
        name = "your picture" if label is None else given.classes(net)[label]
        return pictures([picture(x[0], name)])
    except Exception as error:  # whatever reading a data set raises
        return refusal(error)
