"""A data set: bars that are upright or lie, in noise."""

import torch

from jeat.data import Data, Images

__all__ = ["bars"]


def bars() -> Data:
    """400 images of 8 x 8 pixels, 80 to test on."""
    drawn = torch.Generator().manual_seed(0)
    y = torch.arange(400) % 2
    x = torch.randint(0, 60, (400, 1, 8, 8), generator=drawn, dtype=torch.uint8)
    at = torch.randint(0, 8, (400,), generator=drawn)
    for image, lies, place in zip(x, y.tolist(), at.tolist(), strict=True):
        rows, columns = (place, slice(None)) if lies else (slice(None), place)
        image[0, rows, columns] += 180
    return Data(Images(x[80:], y[80:]), Images(x[:80], y[:80]), ("upright", "lying"))
