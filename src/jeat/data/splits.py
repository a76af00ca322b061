"""Which splits of a data set are trained and tested on; what is left out or stands in is said."""

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jeat.data.columns import is_missing, named
from jeat.data.images import Data, Images, from_arrays

__all__ = [
    "SPLIT_OF",
    "WORDS",
    "Part",
    "column_of",
    "data_of_parts",
    "held_out",
    "split_named",
    "train_and_test",
]

WORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
SPLIT_OF = {word: split for split, words in WORDS.items() for word in words}
_BETWEEN = re.compile(r"[-._ 0-9/]+")


def split_named(text: str) -> str | None:
    """The split that the name of a file names, such as ``train-00000-of-00001``."""
    return next((SPLIT_OF[k] for k in _BETWEEN.split(text.lower()) if k in SPLIT_OF), None)


@dataclass(frozen=True)
class Part:
    """A split of a data set as arrays.

    Attributes:
        x: images, as :func:`jeat.data.from_arrays` takes them.
        y: labels (N,) or (N, 1).
        said: how an error names it, such as by its file.
        axis: that of channels, where the reader knows it.
    """

    x: np.ndarray
    y: np.ndarray
    said: str
    axis: int | None = None


def train_and_test(
    source: str, names: Sequence[str], labels: Callable[[str], Sequence[object]], where: str
) -> tuple[str, str | None]:
    """The splits to train and to test on; None where a part of the first is held out.

    Args:
        source: how the user named the data set.
        names: of its splits.
        labels: of a split.
        where: what holds them, such as ``"column 'label'"``.

    Raises:
        ValueError: none to train on, or one to test on that has no labels.
    """
    if len(names) == 1:
        if names[0] in ("test", "validation"):
            warnings.warn(
                f"{source}: the only split is {names[0]!r}, so it is trained on, but for every "
                "tenth image of a class: add a split 'train', or rename it to that",
                stacklevel=1,
            )
        return names[0], None
    if "train" not in names:
        raise ValueError(f"{source} has no split named 'train', only: {', '.join(names)}")
    if left := [name for name in names if name not in WORDS]:
        warnings.warn(f"{source}: splits are left out: {', '.join(left)}", stacklevel=1)
    tests = [name for name in ("test", "validation") if name in names]
    found = {name: labels(name) for name in tests}
    labelled = [name for name in tests if not all(map(is_missing, found[name]))]
    if tests and not labelled:
        first = found[tests[0]]
        why = f"has no labels: {where} holds {first[0]}" if len(first) else "holds no images"
        raise ValueError(
            f"split {tests[0]!r} of {source} {why}; remove the split, so that a part of 'train' is "
            "held out"
        )
    if labelled and labelled[0] != tests[0]:
        warnings.warn(
            f"{source}: split {tests[0]!r} has no labels, so {labelled[0]!r} stands in",
            stacklevel=1,
        )
    elif tests == ["validation"]:
        warnings.warn(
            f"{source}: there is no split 'test', so 'validation' is tested on", stacklevel=1
        )
    elif len(tests) == 2:
        warnings.warn(
            f"{source}: split 'validation' is held out, neither trained nor tested on",
            stacklevel=1,
        )
    return "train", labelled[0] if labelled else None


def held_out(source: str, split: str, images: Images, classes: tuple[str, ...]) -> Data:
    """:meth:`Data.held_out` of the split to train on, which is said; arguments as there.

    Of one to test on, :func:`train_and_test` said it.
    """
    data = Data.held_out(images, classes)
    if split not in ("test", "validation"):
        warnings.warn(
            f"{source}: there is no test split, so every tenth image of a class is held out",
            stacklevel=1,
        )
    return data


def data_of_parts(
    source: str,
    parts: Mapping[str, Part],
    classes: Sequence[str] | None = None,
) -> Data:
    """The data set of splits that are arrays, whose labels are numbers of classes, or text.

    Where no classes are named, they are the numbers up to the largest, or all texts, sorted.

    Args:
        source: how the user named it.
        parts: by split.
        classes: names.

    Raises:
        ValueError: arrays that are no labelled images, splits as :func:`train_and_test`.
    """
    columns = {name: column_of(part.y) for name, part in parts.items()}
    train, test = train_and_test(source, [*parts], lambda name: columns[name].tolist(), "it")
    used = {name: columns[name] for name in (train, test) if name}
    if classes is None and any(y.dtype.kind == "U" for y in used.values()):
        texts = {name: y.tolist() for name, y in used.items()}
        used, classes = named(texts, lambda name: f"{parts[name].said} of {source}")
    found = {}
    for name, y in used.items():
        try:
            found[name] = from_arrays(parts[name].x, y, classes, axis=parts[name].axis)
        except ValueError as error:
            raise ValueError(f"{parts[name].said} of {source}: {error}") from error
        if classes is None:
            classes = tuple(str(k) for k in range(int(found[name].y.max()) + 1))
    assert classes is not None
    if test is not None:
        return Data(found[train], found[test], tuple(classes))
    return held_out(source, train, found[train], tuple(classes))


def column_of(y: np.ndarray) -> np.ndarray:
    """Labels (N, 1) as (N,); whole floats as numbers, truth and bytes as text."""
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if y.dtype.kind == "f" and (y == np.trunc(y)).all() and (abs(y) < 2**31).all():
        return y.astype(np.int64)
    if y.dtype.kind == "S":
        return np.char.decode(y, "utf-8")
    return y.astype(str) if y.dtype.kind == "b" else y
