"""Data that a program holds: tensors, a data set of torch, torchvision or datasets, a loader.

Other libraries' classes are known by what they have, so none is imported.
"""

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from jeat._support.checks import quoted
from jeat._support.reading import Reading
from jeat.data.columns import named
from jeat.data.decode import coloured, pixels_of, together
from jeat.data.images import (
    SIXTEEN,
    Data,
    channels_first,
    eight_bits,
    from_arrays,
    is_sixteen,
    several_labels,
)
from jeat.data.sizes import fitted
from jeat.data.sources.hugging_face import read_splits
from jeat.data.splits import column_of

__all__ = ["data_of_object", "has_columns", "is_named", "name_of_object"]

_TAKEN = (
    "give a name, a jeat.data.Data, tensors (x, y) or ((x, y), (x_test, y_test)), a data set of "
    "(image, label) with or without one to test on, a loader of them, or a datasets.Dataset"
)

Split = tuple[np.ndarray, list[Any], tuple[str, ...] | None]
"""Images, labels and class names, where they have some."""


def is_named(source: object) -> bool:
    """Whether this is a name of data given in Python, which no program can read again."""
    return isinstance(source, str) and source.startswith("<") and source.endswith(" in Python>")


def name_of_object(source: object) -> str:
    """What a record calls data that were given in Python."""
    return f"<a {type(source).__name__} given in Python>"


def has_columns(source: object) -> bool:
    """Whether labels are of one of several columns."""
    return _tables(source) is not None


def _tables(source: Any) -> Mapping[str, Any] | None:
    """The splits of data sets of the library datasets; None for what is none."""
    splits = source if isinstance(source, Mapping) else {"train": source}
    named = all(hasattr(part, "features") and hasattr(part, "num_rows") for part in splits.values())
    return splits if splits and named else None


def data_of_object(source: Any, how: Reading) -> Data:
    """Tensors, or a data set of another library, as :class:`Data`; errors as ``load_data``."""
    if isinstance(source, Data):
        return source
    if (tables := _tables(source)) is not None:
        return read_splits(name_of_object(source), tables, how, [Path("/")])
    train, test = _two(source)
    if train is None:
        raise ValueError(f"data must be a data set, got {quoted(source)}: {_TAKEN}")
    name = name_of_object(source)
    said: set[str] = set()
    splits = {
        split: _split(images, f"split {split!r} of {name}", how, said)
        for split, images in (("train", train), ("test", test))
        if images is not None
    }
    for text in sorted(said):
        warnings.warn(text, stacklevel=1)
    classes, labels = _classes(splits, name)
    pixels = coloured([x for x, _, _ in splits.values()])
    try:
        parts = [
            from_arrays(x, labels[k], classes, axis=-1) for k, x in zip(splits, pixels, strict=True)
        ]
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    if len(parts) == 2:
        return Data(parts[0], parts[1], classes)
    warnings.warn(
        f"{name} has no test split, so every tenth image of a class is held out", stacklevel=1
    )
    return Data.held_out(parts[0], classes)


def _two(source: Any) -> tuple[Any, Any | None]:
    """What to train and what to test on."""
    if isinstance(source, Mapping):
        if "train" not in source or not {*source} <= {"train", "test"}:
            raise ValueError(f"splits are train and test, got {', '.join(map(str, source))}")
        return source["train"], source.get("test")
    if isinstance(source, list | tuple) and len(source) == 2:
        first, second = source
        if not isinstance(first, torch.Tensor | np.ndarray):
            return first, second
    return source, None


def _split(source: Any, name: str, how: Reading, said: set[str]) -> Split:
    """One split as arrays."""
    if isinstance(source, list | tuple) and len(source) == 2:
        x, y = source
        if not all(isinstance(a, torch.Tensor | np.ndarray) for a in source) or len(x) != len(y):
            raise ValueError(f"{name} must be images and as many labels, got {quoted(source)}")
        if y.ndim > 1 and math.prod(y.shape[1:]) != 1:
            raise ValueError(f"{name}: {several_labels(tuple(y.shape))}")
        return (*_pixels(zip(x, y, strict=True), name, how, said), None)
    if hasattr(source, "dataset") and hasattr(source, "batch_size"):
        items, whole = _loaded(source), source.dataset
    elif hasattr(source, "__getitem__") and hasattr(source, "__len__"):
        items, whole = (source[i] for i in range(len(source))), source
    else:
        raise ValueError(f"{quoted(source)} is no data set: {_TAKEN}")
    x, y = _pixels(items, name, how, said)
    return x, y, _names(whole)


def _loaded(loader: Any) -> Iterator[tuple[Any, Any]]:
    """The images of an epoch, with their labels, in an order that is the same each time."""
    n = 0
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for batch in loader:
            yield from _pairs(batch)
            n += len(batch[0])
    if hasattr(loader.dataset, "__len__") and n != len(loader.dataset):
        warnings.warn(
            f"the loader gives {n} of the {len(loader.dataset)} images of its data set",
            stacklevel=1,
        )


def _pairs(batch: Any) -> Iterable[tuple[Any, Any]]:
    if not isinstance(batch, list | tuple) or len(batch) != 2:
        raise ValueError(f"a loader gives batches (images, labels), got {quoted(batch)}")
    return zip(*batch, strict=True)


def _pixels(
    items: Iterable[Any], name: str, how: Reading, said: set[str]
) -> tuple[np.ndarray, list[Any]]:
    """Images and labels of pairs."""
    labels: list[Any] = []

    def images() -> Iterator[tuple[str, np.ndarray]]:
        for i, item in enumerate(items):
            if not isinstance(item, list | tuple) or len(item) != 2:
                raise ValueError(f"{name} gives (image, label), item {i} is {quoted(item)}")
            image, label = item
            labels.append(_label(label, f"item {i} of {name}"))
            yield f"image {i}", _image(image, f"image {i} of {name}", how, said)

    x = together(images())
    return x, labels


def _label(label: Any, name: str) -> Any:
    """A label as Python has it.

    Raises:
        ValueError: it is several numbers.
    """
    shape = tuple(getattr(label, "shape", ()))
    if math.prod(shape) != 1 or isinstance(label, list | tuple | Mapping):
        raise ValueError(
            f"{name}: a label is one number or text, got {shape or quoted(label)}: for a one-hot "
            "one y give y.argmax()"
        )
    return label.item() if hasattr(label, "item") else label


def _image(image: Any, name: str, how: Reading, said: set[str]) -> np.ndarray:
    """One image (H, W[, 3]) uint8."""
    if isinstance(image, Image.Image):
        return pixels_of(image, name, how, said)
    if isinstance(image, torch.Tensor):
        image = image.detach().cpu()
        image = image.float() if image.is_floating_point() else image  # numpy has no bfloat16
    x = np.asarray(image)
    try:
        said |= {SIXTEEN} if is_sixteen(x) else set()
        x = np.moveaxis(eight_bits(channels_first(x[None])[0]), 0, -1)
    except (ValueError, TypeError) as error:
        why = "; leave a normalisation out, as nets do it themselves" * (x.dtype.kind == "f")
        raise ValueError(f"{name}: {error}{why}") from error
    x = x[..., 0] if x.shape[2] == 1 else x
    return x if how.size is None else np.asarray(fitted(Image.fromarray(x), how.size))


def _names(source: Any) -> tuple[str, ...] | None:
    """Class names of a data set, or of the one that it is a part of."""
    names: Sequence[Any] | None = getattr(source, "classes", None)
    if names is None and hasattr(source, "dataset"):
        return _names(source.dataset)
    return None if names is None else tuple(map(str, names))


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
