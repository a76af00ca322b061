"""The batches of an iteration: the labelled one, augmentation, and an objective's further ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from jeat._support.checks import SettingError
from jeat.data.images import Batch, Images

__all__ = ["Branch", "augment", "batch_at", "batches"]


@dataclass(frozen=True)
class Branch:
    """Further images of each iteration: what a second term of a loss sees.

    They come in an order of their own, so that a run that is resumed goes on with the same ones.

    Attributes:
        batch_size: images an iteration; None is as many as the labelled batch has.
        augment: augment them as the labelled batch is; False leaves them as they are.
        data: a data set whose training images these are; None is that of the run.
    """

    batch_size: int | None = None
    augment: bool = True
    data: str | None = None

    def __post_init__(self) -> None:
        if self.batch_size is not None and self.batch_size < 1:
            raise SettingError(f"a batch has at least 1 image, got {self.batch_size}")


def augment(x: Float[Tensor, "b c h w"], *, pad: int, flip: bool) -> Float[Tensor, "b c h w"]:
    """Reflect-pad by ``pad`` and crop back at random, then flip left-right with probability 1/2.

    One draw per image, on the device of ``x``.

    Raises:
        ValueError: ``pad`` is not smaller than the image.
    """
    n, _, h, w = x.shape
    if not 0 <= pad < min(h, w):
        raise ValueError(f"images of {min(h, w)} pixels cannot be reflected by pad={pad}")
    if pad:
        dy, dx = torch.randint(0, 2 * pad + 1, (2, n, 1), device=x.device)
        rows = (dy + torch.arange(h, device=x.device))[:, None, :, None]
        columns = (dx + torch.arange(w, device=x.device))[:, None, None, :]
        image, channel = (torch.arange(k, device=x.device) for k in x.shape[:2])
        padded = F.pad(x, (pad, pad, pad, pad), mode="reflect")
        x = padded[image[:, None, None, None], channel[None, :, None, None], rows, columns]
    if flip:
        mirrored = torch.rand(n, 1, 1, 1, device=x.device) < 0.5
        x = torch.where(mirrored, x.flip(3), x)
    return x


def batches(
    images: Images, batch_size: int, *, seed: int, epoch: int, skip: int = 0
) -> Iterator[Batch]:
    """One epoch's full batches, from the ``skip``-th on, in an order given by (seed, epoch).

    A last batch that would be short is left out; the order does not depend on the global RNG,
    so a resumed epoch goes on where it stopped.
    """
    order = _order(len(images), seed, epoch)
    for i in range(skip, len(images) // batch_size):
        at = order[i * batch_size : (i + 1) * batch_size].to(images.x.device)
        yield Batch(images.x[at].float() / 255, images.y[at])


def batch_at(images: Images, batch_size: int, *, iteration: int, seed: int, name: str) -> Batch:
    """The batch of a :class:`Branch` at an iteration, from 0, in an order of its name.

    Raises:
        ValueError: fewer images than a batch.
    """
    if (per_epoch := len(images) // batch_size) < 1:
        raise ValueError(f"{len(images)} images of {name} do not fill a batch of {batch_size}")
    epoch, i = divmod(iteration, per_epoch)
    order = _order(len(images), seed, epoch, crc32(name.encode()))
    at = order[i * batch_size : (i + 1) * batch_size].to(images.x.device)
    return Batch(images.x[at].float() / 255, images.y[at])


@lru_cache(maxsize=8)
def _order(n: int, *key: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(key).permutation(n))
