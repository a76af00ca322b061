"""Training images that are held out to choose settings by, so that the test images stay unseen."""

from dataclasses import replace

import torch

from jeat._support.evenly import rounded
from jeat.data.images import Data, Images

__all__ = ["with_validation"]


def with_validation(data: Data, number: int | None, source: str) -> Data:
    """The last ``number`` training images in the place of the test split, and the rest to train on.

    Of each class as many as is its share, rounded by largest remainders. The test
    images are left out, so that a setting which is chosen here was not chosen on them.

    Args:
        data: all of it.
        number: of images; None leaves the data as they are.
        source: how the user named it.

    Raises:
        ValueError: a class would have no image left to train on.
    """
    if number is None:
        return data
    x, y = data.train.x, data.train.y
    count = y.long().bincount(minlength=len(data.classes))
    held = rounded(count, min(number, len(y)))
    for name, of_class, taken in zip(data.classes, count.tolist(), held.tolist(), strict=True):
        if 0 < of_class <= taken:
            raise ValueError(
                f"validation {number} of {source} leaves class {name!r} none of its {of_class} "
                "images to train on: lower it"
            )
    at = torch.zeros(len(y), dtype=torch.bool, device=y.device)
    for k, taken in enumerate(held.tolist()):
        of_class = (y == k).nonzero()[:, 0]
        at[of_class[len(of_class) - taken :]] = True
    train, test = (Images(x[here], y[here]) for here in (~at, at))
    return replace(data, train=train, test=test)
