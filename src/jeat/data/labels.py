"""Whether a data set can be learnt and scored, whichever reader it came from."""

import re
import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal

import torch

from jeat._support.checks import quoted
from jeat._support.tensors import check_dense
from jeat.data.images import Data, Images

__all__ = ["as_number", "check_learnable", "check_splits"]

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]{1,3})?", re.IGNORECASE)


def as_number(label: str) -> Decimal | None:
    """The number that a text is: 1, 01, 1.0 and 1e0 are one; None for none."""
    return Decimal(label) if _NUMBER.fullmatch(label) else None


def check_learnable(data: Data, source: str) -> None:
    """Check splits that :func:`check_splits` passed; classes that can hardly be told are warned of.

    Raises:
        ValueError: images that differ in size between the splits; fewer than 2 classes to train on;
            a class to test on only.
    """
    sizes = [tuple(s.x.shape[2:]) for s in (data.train, data.test)]
    if sizes[0] != sizes[1]:
        raise ValueError(
            f"images of {source} differ in size ({sizes[0]} to train on, but {sizes[1]} to test "
            "on): bring them to one by --size 32, or size=32 in Python"
        )
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
    learnt = {*_rows(data.train)}
    if n := sum(row in learnt for row in _rows(data.test)):
        are = "is" if n == 1 else "are"
        warnings.warn(
            f"{source}: {n} of {len(data.test)} test images {are} trained on, too: there are equal "
            "ones in the training split",
            stacklevel=1,
        )
    _warn(source, "have no images", (k for k, n, to_test in counts if not n))
    _warn(source, "have no test images", (k for k, n, to_test in counts if n and not to_test))
    _warn(source, "differ in case, accents' spelling or zeros only", sorted(alike))


def check_splits(data: Data, source: str) -> None:
    """Check images, labels and classes of both splits.

    Raises:
        ValueError: images that are no uint8 tensors, or of other channels than 1 or 3; a split
            without images; classes that are no names, or two of one name; a label that is no class.
    """
    _check_classes(data.classes, source)
    for split, images in (("train", data.train), ("test", data.test)):
        said = f"split {split!r} of {source}"
        if not isinstance(images, Images):
            raise ValueError(f"{said} must be a jeat.data.Images, got {quoted(images)}")
        x, y = images.x, images.y
        if other := [t for t in (x, y) if not isinstance(t, torch.Tensor)]:
            raise ValueError(
                f"{said} must hold torch tensors, got a {type(other[0]).__name__}: "
                "jeat.data.from_arrays makes Images of numpy arrays"
            )
        for t in (x, y):
            check_dense(t, said)
        if x.dtype != torch.uint8 or x.dim() != 4:
            raise ValueError(
                f"{said} must hold uint8 images (N, C, H, W), got {x.dtype} {tuple(x.shape)}"
            )
        if not len(x):
            raise ValueError(f"{said} holds no images")
        if x.shape[1] not in (1, 3) or not x.numel():
            raise ValueError(f"{said} must hold images with 1 or 3 channels, got {tuple(x.shape)}")
        if y.dtype != torch.int64 or y.shape != x.shape[:1]:
            raise ValueError(
                f"{said} must have {len(x)} labels of int64, got {y.dtype} {tuple(y.shape)}"
            )
        if len(odd := ((y < 0) | (y >= len(data.classes))).nonzero()):
            row = int(odd[0])
            raise ValueError(
                f"{said} has the label {int(y[row])} in row {row}: labels must lie in "
                f"0..{len(data.classes) - 1}"
            )


def _check_classes(classes: Sequence[object], source: str) -> None:
    """Refuse classes that are no names, each another."""
    if not isinstance(classes, tuple) or not all(isinstance(k, str) for k in classes):
        raise ValueError(f"classes of {source} must be a tuple of names, got {quoted(classes)}")
    if twice := [k for k, n in Counter(classes).items() if n > 1]:
        raise ValueError(f"classes of {source} must differ, got {twice[0]!r} twice")


def _rows(images: Images) -> list[int]:
    """A hash of each image's pixels."""
    return [hash(row.tobytes()) for row in images.x.numpy(force=True)]


def _alike(classes: Iterable[str]) -> dict[str, list[str]]:
    """The classes whose names are one but for case, Unicode's form or zeros, with the others."""
    groups: dict[str | Decimal, list[str]] = {}
    for name in classes:
        plain = unicodedata.normalize("NFKC", name).casefold().strip()
        number = as_number(plain)
        groups.setdefault(plain if number is None else number, []).append(name)
    return {
        a: [b for b in group if b != a] for group in groups.values() for a in group if group[1:]
    }


def _warn(source: str, what: str, names: Iterable[str]) -> None:
    if found := [*names]:
        warnings.warn(f"{source}: classes {what}: {_listed(found)}", stacklevel=1)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:10])) + ", ..." * (len(names) > 10)
