"""Whether a data set can be learnt and scored, whichever reader it came from."""

import unicodedata
import warnings
from collections.abc import Iterable, Sequence

import torch

from jeat.data.images import Data

__all__ = ["check_learnable"]


def check_learnable(data: Data, source: str) -> None:
    """Check images and labels of both splits; classes that can hardly be told are warned of.

    Raises:
        ValueError: images that are not uint8, or whose shape differs between the splits; a label
            that is no class; fewer than 2 classes to train on; a class to test on only.
    """
    _check_splits(data, source)
    train, test = (
        torch.bincount(s.y, minlength=len(data.classes)).tolist() for s in (data.train, data.test)
    )
    if sum(n > 0 for n in train) < 2:
        raise ValueError(
            f"{source} holds images of one class to train on, a classifier needs at least 2 classes"
        )
    alike, counts = _alike(data.classes), [*zip(data.classes, train, test, strict=True)]
    if odd := [k for k, n, to_test in counts if to_test and not n]:
        named = f"class {odd[0]!r} has" if len(odd) == 1 else f"classes {_listed(odd)} have"
        others = [other for k in odd for other in alike.get(k, [])]
        raise ValueError(
            f"{named} no image to train on, but some in the test split of {source}"
            + f" (there are of {_listed(others)})" * bool(others)
            + ": add some, or remove these"
        )
    _warn(source, "have no test images", (k for k, n, to_test in counts if n and not to_test))
    _warn(source, "differ in case or accents' spelling only", sorted(alike))


def _check_splits(data: Data, source: str) -> None:
    """Refuse splits that are no labelled images of these classes."""
    for split, images in (("train", data.train), ("test", data.test)):
        x, y = images.x, images.y
        if x.dtype != torch.uint8 or x.dim() != 4 or x.shape[1:] != data.train.x.shape[1:]:
            raise ValueError(
                f"split {split!r} of {source} must hold uint8 images (N, C, H, W), of one shape in "
                f"both splits, got {x.dtype} {tuple(x.shape)}"
            )
        if y.dtype != torch.int64 or y.shape != x.shape[:1]:
            raise ValueError(
                f"split {split!r} of {source} must have {len(x)} labels of int64, got {y.dtype} "
                f"{tuple(y.shape)}"
            )
        if len(odd := ((y < 0) | (y >= len(data.classes))).nonzero()):
            row = int(odd[0])
            raise ValueError(
                f"split {split!r} of {source} has the label {int(y[row])} in row {row}: labels "
                f"must lie in 0..{len(data.classes) - 1}"
            )


def _alike(classes: Iterable[str]) -> dict[str, list[str]]:
    """The classes whose names are one but for their case or Unicode's form, with the others."""
    groups: dict[str, list[str]] = {}
    for name in classes:
        plain = unicodedata.normalize("NFKC", name).casefold().strip()
        groups.setdefault(plain, []).append(name)
    return {
        a: [b for b in group if b != a] for group in groups.values() for a in group if group[1:]
    }


def _warn(source: str, what: str, names: Iterable[str]) -> None:
    if found := [*names]:
        warnings.warn(f"{source}: classes {what}: {_listed(found)}", stacklevel=1)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:10])) + ", ..." * (len(names) > 10)
