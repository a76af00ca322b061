"""A data set of one's own: stripes that are upright or lie."""

import torch

from jeat.data import Data, Images

__all__ = ["stripes"]


def stripes() -> Data:
    """200 images of 8 x 8 pixels, 40 to test on."""
    y = torch.arange(200) % 2
    wave = (torch.arange(8) % 4 < 2).byte() * 200
    upright = wave.expand(1, 8, 8)
    x = torch.stack([upright if k == 0 else upright.mT for k in y.tolist()])
    x = x + torch.randint(56, x.shape, generator=torch.Generator().manual_seed(0)).byte()
    return Data(Images(x[40:], y[40:]), Images(x[:40], y[:40]), ("upright", "lying"))
