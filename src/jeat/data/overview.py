"""What a data set holds, in figures, and what in it makes results doubtful."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from jeat.data.images import Data, Images

__all__ = ["Overview", "doubts_of", "overview"]

_IMBALANCE = 10
_DARK = 64


@dataclass(frozen=True)
class Overview:
    """A data set in figures.

    Attributes:
        shape: (C, H, W) of an image.
        range: least and largest pixel, of 0..255.
        counts: class -> images to train on, and to test on.
        twice: split -> how many of its images are equal to one before them in the split.
        contrary: how many images are equal to one of another class, in either split.
        digest: SHA-256 of all images, labels and classes.
    """

    shape: tuple[int, int, int]
    range: tuple[int, int]
    counts: dict[str, tuple[int, int]]
    twice: dict[str, int]
    contrary: int
    digest: str


def overview(data: Data) -> Overview:
    """The figures of a data set. Images are equal whose pixels all are."""
    splits = {"train": data.train, "test": data.test}
    counts = [torch.bincount(s.y, minlength=len(data.classes)).tolist() for s in splits.values()]
    rows = {name: _rows(s) for name, s in splits.items()}
    ends = [s.x.aminmax() for s in splits.values()]
    labels: dict[bytes, int] = {}
    contrary = 0
    for name, s in splits.items():
        for row, y in zip(rows[name], s.y.tolist(), strict=True):
            contrary += labels.setdefault(row, y) != y
    return Overview(
        data.shape,
        (min(int(end.min) for end in ends), max(int(end.max) for end in ends)),
        {k: (n, m) for k, n, m in zip(data.classes, *counts, strict=True)},
        {name: len(found) - len({*found}) for name, found in rows.items()},
        contrary,
        data.digest(),
    )


def doubts_of(found: Overview) -> Iterator[str]:
    """What makes results on these data doubtful, beside what is said as they are loaded."""
    trained = {k: n for k, (n, _) in found.counts.items() if n}
    most, least = max(trained, key=trained.__getitem__), min(trained, key=trained.__getitem__)
    if trained[most] >= _IMBALANCE * trained[least]:
        yield (
            f"classes are imbalanced: {trained[most]} training images of {most!r}, "
            f"{trained[least]} of {least!r}; accuracy is mostly that of the large ones"
        )
    for split, n in found.twice.items():
        if n:
            yield f"split {split!r}: {n} {_images(n)} equal to one before"
    if n := found.contrary:
        yield f"{n} {_images(n)} equal to one of another class: one of the labels is wrong"
    if found.range[1] < _DARK:
        yield f"the brightest pixel is {found.range[1]} of 255: images are dark, or scaled wrongly"
    if found.range[0] == found.range[1]:
        yield "all pixels are the same: there is nothing to learn"


def _images(n: int) -> str:
    return "image is" if n == 1 else "images are"


def _rows(images: Images) -> list[bytes]:
    """The pixels of each image."""
    return [row.tobytes() for row in images.x.numpy(force=True)]
