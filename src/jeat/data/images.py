"""Labelled images as one uint8 tensor on the device, and checks of what comes in."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from jeat._support.evenly import evenly
from jeat._support.hub import SHORT_NAMES
from jeat._support.sealed import seal_of
from jeat._support.tensors import pixel_fault

__all__ = [
    "SIXTEEN",
    "SOURCES",
    "Batch",
    "Data",
    "Images",
    "channels_first",
    "eight_bits",
    "from_arrays",
    "is_sixteen",
    "several_labels",
]

SOURCES = (
    "give digits, an image folder with one folder a class, a zip or tar archive of one, a "
    ".csv of paths and labels, an .npz, a .parquet, a folder of idx or CIFAR files, or a data set "
    f"of the hub: {', '.join(SHORT_NAMES)}, owner/name or owner/name@COMMIT"
)

SIXTEEN = "pixels of 16 bits are scaled to 8, 65535 to 255: look at the range"
"""What is said of such pixels."""


@dataclass(frozen=True)
class Images:
    """Labelled images: ``x`` uint8 (N, C, H, W), ``y`` int64 (N,)."""

    x: UInt8[Tensor, "n c h w"]
    y: Int[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.y)

    def __repr__(self) -> str:
        return f"{len(self)} images {'x'.join(map(str, self.x.shape[1:]))}"

    def to(self, device: torch.device) -> "Images":
        """The same images on another device."""
        return Images(self.x.to(device), self.y.to(device))

    def floats(self, n: int | None = None) -> tuple[Tensor, Tensor]:
        """``n`` images spread evenly (all by default), fp32 in [0, 1], and their labels.

        Evenly over all, since data sets come sorted by class; within each class, where that would
        not have the classes in their shares (``_support/evenly.py`` has the rule).
        """
        at = self.rows(n)
        return self.x[at].float() / 255, self.y[at]

    def rows(self, n: int | None = None) -> Tensor:
        """Which images :meth:`floats` has, counted from 0."""
        return evenly(self.y, min(n or len(self), len(self)))


@dataclass(frozen=True)
class Data:
    """A training and a test split over the same named classes."""

    train: Images
    test: Images
    classes: tuple[str, ...]

    def __repr__(self) -> str:
        return f"{len(self.train)} + {self.test!r}, {len(self.classes)} classes"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        channels, height, width = self.train.x.shape[1:]
        return channels, height, width

    @classmethod
    def held_out(cls, images: Images, classes: tuple[str, ...]) -> "Data":
        """Every tenth image of each class to the test, the others to train on.

        Raises:
            ValueError: no class has 10 images.
        """
        rank = torch.zeros(len(images), dtype=torch.int64)
        for k in range(len(classes)):
            of_class = images.y == k
            rank[of_class] = torch.arange(int(of_class.sum()))
        test = rank % 10 == 9
        if not test.any():
            raise ValueError(
                "too few images to hold out a test split: a class needs at least 10; give more, "
                "or a split to test on"
            )
        train, held = (Images(images.x[at], images.y[at]) for at in (~test, test))
        return cls(train, held, classes)

    def tensors(self) -> dict[str, Tensor]:
        """Images and labels by split: ``train.x``, ``train.y``, ``test.x``, ``test.y``."""
        splits = (("train", self.train), ("test", self.test))
        return {f"{name}.{k}": v for name, s in splits for k, v in (("x", s.x), ("y", s.y))}

    def digest(self) -> str:
        """SHA-256 of all images, labels and classes."""
        return seal_of({"classes": self.classes}, self.tensors())


@dataclass(frozen=True)
class Batch:
    """What an objective sees in an iteration.

    Attributes:
        x: images in [0, 1].
        y: their labels.
        logged: whether this iteration is logged; passes that only the log needs are left out where
            it is not.
        others: the batches of the objective's further branches, by name.
    """

    x: Float[Tensor, "b c h w"]
    y: Int[Tensor, " b"]
    logged: bool = True
    others: Mapping[str, "Batch"] = field(default_factory=dict)


def from_arrays(
    images: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str] | None = None,
    *,
    axis: int | None = None,
) -> Images:
    """Images (N, H, W), (N, H, W, C) or (N, C, H, W), and labels (N,).

    Pixels are uint8, floats in [0, 1] or uint16, whose 65535 is 1. Floats that a rounding error
    takes out of [0, 1], 1e-6 at most, are clamped.

    Args:
        images: pixels.
        labels: numbers of classes.
        classes: names.
        axis: that of channels, 1 or -1, where there is one; None finds it by its length.

    Raises:
        ValueError: NaN or out-of-range pixels, images of other than 1 or 3 channels,
            labels that are not whole numbers from 0, or not below the number of classes (of
            images, where no classes are named).
    """
    x = channels_first(np.asarray(images), axis)
    if is_sixteen(x):
        warnings.warn(SIXTEEN, stacklevel=1)
    x = eight_bits(x)
    y = np.asarray(labels)
    if y.ndim == 2 and len(y) == len(x) and y.shape[1] > 1:
        raise ValueError(several_labels(y.shape))
    if missing := [i for i, k in enumerate(y.reshape(-1).tolist()) if k is None or k != k]:
        raise ValueError(f"a label is missing in row {missing[0]}: give it one, or remove the row")
    if y.shape != (len(x),) or not np.issubdtype(y.dtype, np.integer):
        raise ValueError(f"labels must be {len(x)} whole numbers, got {y.dtype} {y.shape}")
    most = len(classes) if classes is not None else len(y)
    why = "" if classes is not None else ", as there are no more classes than images"
    if len(odd := np.flatnonzero((y < 0) | (y >= most))):
        raise ValueError(
            f"labels must lie in 0..{most - 1}{why}, got {y.min()}..{y.max()}: {y[odd[0]]} in row "
            f"{odd[0]}"
        )
    return Images(torch.from_numpy(np.ascontiguousarray(x)), torch.from_numpy(y.astype(np.int64)))


def several_labels(shape: tuple[int, ...]) -> str:
    """What is said of labels of a shape that is not (N,)."""
    return f"labels are one number an image, got {shape}: for one-hot ones Y give Y.argmax(1)"


def is_sixteen(x: np.ndarray) -> bool:
    """Whether pixels are whole numbers of 16 bits, in either order of bytes."""
    return x.dtype.newbyteorder("=") == np.uint16


def channels_first(x: np.ndarray, axis: int | None = None) -> np.ndarray:
    """Images as (N, C, H, W).

    Args:
        x: (N, H, W), (N, H, W, C) or (N, C, H, W).
        axis: that of channels, where it is known.

    Raises:
        ValueError: they have other than 1 or 3 channels, or either axis may be that of channels.
    """
    if x.ndim == 3 and x.size:
        return x[:, None]
    first, last = (x.ndim == 4 and x.shape[axis] in (1, 3) for axis in (1, -1))
    if not (first or last) or not x.size:
        raise ValueError(
            f"images must be (N, H, W), (N, H, W, C) or (N, C, H, W) with C = 1 or 3, got {x.shape}"
        )
    if axis is not None:
        return np.moveaxis(x, axis, 1)
    if first and last and x.shape[1] != x.shape[2]:
        raise ValueError(f"which axis of {x.shape} is that of channels? Give images (N, H, W, 1)")
    return x.transpose(0, 3, 1, 2) if last else x


def eight_bits(x: np.ndarray) -> np.ndarray:
    """Pixels as uint8, rounded: 65535 of uint16, and 1 of floats, is 255.

    Raises:
        ValueError: floats that are NaN or not in [0, 1], pixels of another kind.
    """
    if x.dtype == np.uint8:
        return x
    if is_sixteen(x):
        return ((x.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if not np.issubdtype(x.dtype, np.floating):
        raise ValueError(f"pixels must be uint8 or floats in [0, 1], got {x.dtype}")
    if fault := pixel_fault(float(x.min()), float(x.max())):
        raise ValueError(f"pixels as floats must be finite and lie in [0, 1], they are {fault}")
    return np.round(x.clip(0, 1) * 255).astype(np.uint8)
