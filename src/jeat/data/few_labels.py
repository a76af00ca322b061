"""A training split of few labels: as many images of each class, the same ones every time."""

from dataclasses import replace

import numpy as np
import torch

from jeat.data.images import Data, Images

__all__ = ["with_few_labels"]


def with_few_labels(data: Data, number: int | None, source: str) -> Data:
    """``number`` images of each class to train on, drawn at random; the test split as it is.

    They are the first of a permutation of each class, of a seed of its own whatever that of a run
    is: runs that are compared see the same labels, and fewer are among more.

    Args:
        data: all of it.
        number: of each class; None leaves all.
        source: how the user named it.

    Raises:
        ValueError: a class has fewer.
    """
    if number is None:
        return data
    x, y = data.train.x, data.train.y
    chosen = []
    for k, name in enumerate(data.classes):
        of_class = (y == k).nonzero()[:, 0]
        if 0 < len(of_class) < number:
            raise ValueError(
                f"class {name!r} of {source} has {len(of_class)} training images, fewer than "
                f"labels_per_class {number}: lower it, or add images"
            )
        order = np.random.default_rng((0, k)).permutation(len(of_class))
        chosen.append(of_class[torch.from_numpy(order[:number]).to(of_class.device)])
    at = torch.cat(chosen).sort().values
    return replace(data, train=Images(x[at], y[at]))
