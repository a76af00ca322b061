"""Labelled images as one uint8 tensor on the device: checks, augmentation, batches in [0, 1]."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn import functional as F

from jeat._sealed import seal_of

__all__ = ["Batch", "Data", "Images", "augment", "batches", "check_pixels", "from_arrays"]


@dataclass(frozen=True)
class Images:
    """Labelled images: ``x`` uint8 (N, C, H, W), ``y`` int64 (N,)."""

    x: UInt8[Tensor, "n c h w"]
    y: Int[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.y)

    def to(self, device: torch.device) -> "Images":
        """The same images on another device."""
        return Images(self.x.to(device), self.y.to(device))

    def floats(self, n: int | None = None) -> tuple[Tensor, Tensor]:
        """``n`` images spread evenly over all (all by default), fp32 in [0, 1], and their labels.

        Evenly, since data sets come sorted by class.
        """
        n = min(n or len(self), len(self))
        at = torch.arange(n, device=self.y.device) * len(self) // n
        return self.x[at].float() / 255, self.y[at]


@dataclass(frozen=True)
class Data:
    """A training and a test split over the same named classes."""

    train: Images
    test: Images
    classes: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        channels, height, width = self.train.x.shape[1:]
        return channels, height, width

    def tensors(self) -> dict[str, Tensor]:
        """Images and labels by split: ``train.x``, ``train.y``, ``test.x``, ``test.y``."""
        splits = (("train", self.train), ("test", self.test))
        return {f"{name}.{k}": v for name, s in splits for k, v in (("x", s.x), ("y", s.y))}

    def digest(self) -> str:
        """SHA-256 of all images, labels and classes."""
        return seal_of({"classes": self.classes}, self.tensors())


@dataclass(frozen=True)
class Batch:
    """What an objective sees: images in [0, 1], labels, and whether this iteration is logged.

    Objectives spend passes that only the log needs where ``logged`` is true.
    """

    x: Float[Tensor, "b c h w"]
    y: Int[Tensor, " b"]
    logged: bool = True


def from_arrays(
    images: np.ndarray, labels: np.ndarray, classes: Sequence[str] | None = None
) -> Images:
    """Images (N, H, W), (N, H, W, C) or (N, C, H, W), uint8 or floats in [0, 1], and labels (N,).

    Raises:
        ValueError: NaN or out-of-range pixels, images that are not square or of 1 or 3 channels,
            labels that are not whole numbers from 0, or not below the number of classes (of
            images, where no classes are named).
    """
    x = np.asarray(images)
    given = x.shape
    if x.ndim == 3:
        x = x[:, None]
    elif x.ndim == 4 and x.shape[3] in (1, 3) and x.shape[1] == x.shape[2]:
        x = x.transpose(0, 3, 1, 2)
    if x.ndim != 4 or x.shape[1] not in (1, 3) or x.shape[2] != x.shape[3] or not x.size:
        raise ValueError(f"images must be square with 1 or 3 channels, got {given}")
    if x.dtype != np.uint8:
        if not np.issubdtype(x.dtype, np.floating):
            raise ValueError(f"pixels must be uint8 or floats in [0, 1], got {x.dtype}")
        if not (x.min() >= 0 and x.max() <= 1):  # false for NaN, too
            raise ValueError("pixels given as floats must be finite and lie in [0, 1]")
        x = np.round(x * 255).astype(np.uint8)
    y = np.asarray(labels)
    if y.shape != (len(x),) or not np.issubdtype(y.dtype, np.integer):
        raise ValueError(f"labels must be {len(x)} whole numbers, got {y.dtype} {y.shape}")
    most = len(classes) if classes is not None else len(y)
    if y.min() < 0 or y.max() >= most:
        raise ValueError(f"labels must lie in 0..{most - 1}, got {y.min()}..{y.max()}")
    return Images(torch.from_numpy(np.ascontiguousarray(x)), torch.from_numpy(y.astype(np.int64)))


def check_pixels(x: Tensor, *, box: bool = True) -> None:
    """See that images are finite floats (B, C, H, W), and in [0, 1] where ``box``.

    Raises:
        ValueError: they are not.
    """
    if not isinstance(x, Tensor):
        raise ValueError(f"images must be a tensor (B, C, H, W), got a {type(x).__name__}")
    got = f"{x.dtype} {tuple(x.shape)}"
    if x.dim() == 4 and x.is_floating_point() and x.numel():
        low, high = float(x.detach().min()), float(x.detach().max())  # NaN where a pixel is
        if (low >= 0 and high <= 1) if box else math.isfinite(low) and math.isfinite(high):
            return
        got += f" from {low:g} to {high:g}"
    raise ValueError(
        f"needed are finite float images{' in [0, 1]' * box}, (B, C, H, W): divide uint8 pixels "
        f"by 255; got {got}"
    )


def augment(x: Float[Tensor, "b c h w"], *, pad: int, flip: bool) -> Float[Tensor, "b c h w"]:
    """Reflect-pad by ``pad`` and crop back at random, then flip left-right with probability 1/2.

    One draw per image, on the device of ``x``.

    Raises:
        ValueError: ``pad`` is not smaller than the image.
    """
    n, _, h, w = x.shape
    if not 0 <= pad < min(h, w):
        raise ValueError(f"images of {h} pixels cannot be reflected by pad={pad}")
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
    order = torch.from_numpy(np.random.default_rng((seed, epoch)).permutation(len(images)))
    for i in range(skip, len(images) // batch_size):
        at = order[i * batch_size : (i + 1) * batch_size].to(images.x.device)
        yield Batch(images.x[at].float() / 255, images.y[at])
