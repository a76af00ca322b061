"""One split of images and labels that a program holds, as arrays."""

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from jeat._support.checks import quoted
from jeat._support.reading import Reading
from jeat._support.tensors import check_dense
from jeat.data.decode import line, pixels_of, together
from jeat.data.images import SIXTEEN, channels_first, eight_bits, is_sixteen, several_labels
from jeat.data.sizes import fitted

__all__ = ["TAKEN", "Split", "split_of"]

TAKEN = (
    "give a name, a jeat.data.Data, tensors (x, y) or ((x, y), (x_test, y_test)), a data set of "
    "(image, label) with or without one to test on, a loader of them, or a datasets.Dataset"
)

Split = tuple[np.ndarray, list[Any], tuple[str, ...] | None]
"""Images, labels and class names, where they have some."""


def split_of(source: Any, name: str, how: Reading, said: set[str]) -> Split:
    """One split: tensors, a data set of pairs, or a loader of them.

    Args:
        source: as above.
        name: how an error names it.
        how: images are read.
        said: what is to be said of the images; added to.

    Raises:
        ValueError: it is none of these, holds no images, or what are no images and labels.
    """
    whole = None
    if _is_pair(source):
        items = _paired(source[0], source[1], name)
    elif hasattr(source, "dataset") and hasattr(source, "batch_size"):
        items, whole = _loaded(source), source.dataset
    elif hasattr(source, "__getitem__") and hasattr(source, "__len__") and not _is_number(source):
        items, whole = _items(source, name), source
    else:
        raise ValueError(f"{quoted(source)} is no data set: {TAKEN}")
    x, y = _pixels(items, name, how, said)
    return x, y, _names(whole)


def _is_pair(source: Any) -> bool:
    """Whether it is images and labels, rather than items."""
    two = isinstance(source, list | tuple) and len(source) == 2
    return two and isinstance(source[0], torch.Tensor | np.ndarray)


def _is_number(source: Any) -> bool:
    return getattr(source, "ndim", None) == 0


def _paired(x: Any, y: Any, name: str) -> Iterable[tuple[Any, Any]]:
    """Images and labels one by one.

    Raises:
        ValueError: they are not as many, or there are several labels an image.
    """
    y = np.asarray(y) if hasattr(y, "__array__") and not isinstance(y, torch.Tensor) else y
    listed = isinstance(y, Sequence | torch.Tensor | np.ndarray) and not isinstance(y, str | bytes)
    if not listed or _is_number(y):
        raise ValueError(
            f"{name}: labels are a list, an array or a tensor, one an image, got {quoted(y)}"
        )
    if _is_number(x) or len(x) != len(y):
        n = "1 number" if _is_number(x) else f"{len(x)} images"
        raise ValueError(f"{name} has {n} and {len(y)} labels: give one label an image")
    for t, what in ((x, "images"), (y, "labels")):
        check_dense(t, f"{what} of {name}")
    shape = tuple(getattr(y, "shape", ()))
    if math.prod(shape[1:]) != 1:
        raise ValueError(f"{name}: {several_labels(shape)}")
    return zip(x, y, strict=True)


def _items(source: Any, name: str) -> Iterator[Any]:
    """The items of a data set.

    Raises:
        ValueError: it gives one not by its number.
    """
    for i in range(len(source)):
        try:
            item = source[i]
        except (LookupError, TypeError) as error:
            kind = type(error).__name__
            raise ValueError(
                f"{name}: a {type(source).__name__} gives no item {i} ({kind}: {line(error)}): "
                f"{TAKEN}"
            ) from error
        yield item


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
                raise ValueError(
                    f"{name} gives (image, label), item {i} is {quoted(item)}: give pairs, such as "
                    "[*zip(x, y)]"
                )
            image, label = item
            labels.append(_label(label, f"item {i} of {name}"))
            yield f"image {i}", _image(image, f"image {i} of {name}", how, said)
        if not labels:
            raise ValueError(f"{name} holds no images: give some")

    x = together(images())
    return x, labels


def _label(label: Any, name: str) -> Any:
    """A label as Python has it.

    Raises:
        ValueError: it is several numbers.
    """
    check_dense(label, name)
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
    check_dense(image, name)
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
