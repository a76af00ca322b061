"""Images brought to one size: shrunk or enlarged until they cover it, then cut at the centre."""

import os
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from jeat.data.images import Data

__all__ = ["all_fitted", "check_room", "coloured_alike", "fitted", "resized"]


def check_room(images: int, pixels: int) -> None:
    """Check that decoded images find room: they are in memory twice while they are put together.

    Args:
        images: how many.
        pixels: bytes of one.

    Raises:
        ValueError: they take more than half of this machine's memory.
    """
    need, memory = images * pixels, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if 2 * need > memory:
        raise ValueError(
            f"{images} images take {need / 1e9:.1f} GB decoded, twice that while they are read, "
            f"and this machine has {memory / 1e9:.1f} GB: choose a smaller --size"
        )


def fitted(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """An image of mode L or RGB at (H, W) pixels; one of that size as it is.

    It is scaled by one factor, which leaves no pixel of the size uncovered, by Pillow's bilinear
    filter, whose support grows as the image shrinks (antialiasing). Then as much is cut from one
    side as from the other. For a square that is ``Resize(size)`` and ``CenterCrop(size)`` of
    torchvision, to the bit.
    """
    (height, width), (wide, high) = size, image.size
    if (high, wide) == (height, width):
        return image
    if height * wide >= width * high:  # the height is what the image covers last
        scaled = height * wide // high, height
    else:
        scaled = width, width * high // wide
    image = image.resize(scaled, Image.Resampling.BILINEAR)
    left, top = round((scaled[0] - width) / 2), round((scaled[1] - height) / 2)
    return image.crop((left, top, left + width, top + height))


def coloured_alike(data: Data) -> Data:
    """A grey split as colour, where the other is in colour."""
    most = max(s.x.shape[1] for s in (data.train, data.test))
    train, test = (
        s if s.x.shape[1] == most else replace(s, x=s.x.repeat(1, most, 1, 1))
        for s in (data.train, data.test)
    )
    return replace(data, train=train, test=test)


def resized(data: Data, size: tuple[int, int] | None) -> Data:
    """Both splits with images of (H, W) pixels, by :func:`fitted`; as they are where it is None.

    Raises:
        ValueError: as :func:`check_room`.
    """
    if size is None or all(s.x.shape[2:] == size for s in (data.train, data.test)):
        return data
    check_room(len(data.train) + len(data.test), data.shape[0] * size[0] * size[1])
    train, test = (replace(s, x=all_fitted(s.x, size)) for s in (data.train, data.test))
    return replace(data, train=train, test=test)


def all_fitted(x: UInt8[Tensor, "n c h w"], size: tuple[int, int]) -> UInt8[Tensor, "n c i j"]:
    """Each of several images by :func:`fitted`."""
    arrays = x.movedim(1, -1).squeeze(-1).numpy(force=True)
    found = np.stack([np.asarray(fitted(Image.fromarray(a), size)) for a in arrays])
    planes = torch.from_numpy(found).view(len(x), *size, -1)
    return planes.movedim(-1, 1).contiguous()
