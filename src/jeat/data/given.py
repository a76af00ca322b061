"""Data that a program holds: tensors, a data set of torch, torchvision or datasets, a loader.

Other libraries' classes are known by what they have, so none is imported.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from jeat._support.checks import quoted
from jeat._support.reading import Reading
from jeat.data.columns import named
from jeat.data.images import Data, from_arrays
from jeat.data.pairs import TAKEN, Split, split_of
from jeat.data.sources.hugging_face import read_splits
from jeat.data.splits import SPLIT_OF, WORDS, column_of, held_out, train_and_test

__all__ = ["data_of_object", "has_columns", "is_named", "name_of_object"]


def is_named(source: object) -> bool:
    """Whether this is a name of data given in Python, which no program can read again."""
    return isinstance(source, str) and source.startswith("<") and source.endswith(" in Python>")


def name_of_object(source: object) -> str:
    """What a record calls data that were given in Python."""
    return f"<a {type(source).__name__} given in Python>"


def has_columns(source: object) -> bool:
    """Whether labels are of one of several columns."""
    splits = _splits(source)
    return bool(splits) and all(map(_is_table, splits.values()))


def _is_table(part: object) -> bool:
    """Whether it is a data set of the library datasets."""
    return hasattr(part, "features") and hasattr(part, "num_rows")


def data_of_object(source: Any, how: Reading) -> Data:
    """Tensors, or a data set of another library, as :class:`Data`; errors as ``load_data``."""
    if isinstance(source, Data):
        return source
    name, splits = name_of_object(source), _splits(source)
    if not splits:
        raise ValueError(f"data must be a data set, got {quoted(source)}: {TAKEN}")
    if has_columns(source):
        return read_splits(name, splits, how, [Path("/")])
    if any(map(_is_table, splits.values())):
        kinds = ", ".join(f"{k} is a {type(part).__name__}" for k, part in splits.items())
        raise ValueError(f"splits of {name} are of several kinds: {kinds}: give all as one kind")
    if odd := [k for k in splits if k not in WORDS]:
        raise ValueError(f"splits are train, validation and test, got {', '.join(odd)}")
    train, test = train_and_test(name, [*splits], lambda split: [0], "it")
    return _read(name, {k: splits[k] for k in (train, test) if k}, how)


def _splits(source: Any) -> dict[str, Any]:
    """What is given by split, those that are None left out.

    Raises:
        ValueError: two are one split, such as ``val`` and ``validation``.
    """
    if isinstance(source, Mapping):
        given = [(SPLIT_OF.get(str(k).lower(), str(k)), part) for k, part in source.items()]
    elif isinstance(source, list | tuple) and len(source) == 2 and not _is_array(source[0]):
        given = [*zip(("train", "test"), source, strict=True)]
    else:
        given = [("train", source)]
    given = [(k, part) for k, part in given if part is not None]
    if len(splits := dict(given)) < len(given):
        words = ", ".join(map(str, source))
        raise ValueError(f"of the splits {words} two are one: put them together, or take one away")
    return splits


def _is_array(part: object) -> bool:
    return isinstance(part, torch.Tensor | np.ndarray)


def _read(name: str, splits: Mapping[str, Any], how: Reading) -> Data:
    """The split to train on and, where there is one, to test on."""
    said: set[str] = set()
    found = {
        split: split_of(part, f"split {split!r} of {name}", how, said)
        for split, part in splits.items()
    }
    for text in sorted(said):
        warnings.warn(text, stacklevel=1)
    classes, labels = _classes(found, name)
    try:
        parts = [from_arrays(x, labels[k], classes, axis=-1) for k, (x, _, _) in found.items()]
        if len(parts) == 1:
            return held_out(name, next(iter(splits)), parts[0], classes)
        return Data(parts[0], parts[1], classes)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _classes(
    splits: Mapping[str, Split], name: str
) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """Class names, and labels by split; without names they are numbers, or all texts, sorted."""
    declared = {classes for _, _, classes in splits.values() if classes is not None}
    if len(declared) > 1:
        both = " and ".join(map(str, declared))
        raise ValueError(f"splits of {name} must have the same classes, they have {both}")
    every = [k for _, labels, _ in splits.values() for k in labels]
    if len({isinstance(k, str | bytes) for k in every if k is not None}) > 1:
        raise ValueError(f"labels of {name} must be all numbers or all text, they are of both")
    arrays = {split: np.array(labels) for split, (_, labels, _) in splits.items()}
    if declared:
        arrays = {k: y.astype(int) if y.dtype.kind == "b" else y for k, y in arrays.items()}
    columns = {k: column_of(y) for k, y in arrays.items()}
    if not any(y.dtype.kind == "U" for y in columns.values()):
        ends = [int(y.max()) for y in columns.values() if y.dtype.kind in "iu" and y.size]
        most = max(ends, default=0)
        classes = next(iter(declared), tuple(map(str, range(most + 1))))
        return classes, columns
    if not declared:
        texts = {split: y.tolist() for split, y in columns.items()}
        found, classes = named(texts, lambda split: f"split {split!r} of {name}")
        return classes, found
    (classes,) = declared
    at = {k: i for i, k in enumerate(classes)}
    return classes, {
        split: np.array([at.get(k, -1) for k in y.tolist()]) for split, y in columns.items()
    }
