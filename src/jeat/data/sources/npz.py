"""An ``.npz`` of numpy arrays: of our own names, as of Keras, of MedMNIST, or ``x`` and ``y``.

::

    images, labels               test_images, test_labels                   ours
    x_train, y_train             x_test, y_test      x_val, y_val           Keras
    train_images, train_labels   test_images, ...    val_images, ...        MedMNIST
    x, y

``classes``, an array of names, may be beside them; else classes are numbers.
"""

import warnings
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from jeat._support.kinds import NPZ, kind_of
from jeat._support.reading import Reading
from jeat.data.decode import line
from jeat.data.images import SOURCES, Data
from jeat.data.sources._archive import check_size
from jeat.data.splits import Part, data_of_parts

__all__ = ["read", "reads"]

Pair = tuple[str, str]

_LAYOUTS: tuple[Mapping[str, Pair], ...] = (
    {
        "train": ("images", "labels"),
        "validation": ("val_images", "val_labels"),
        "test": ("test_images", "test_labels"),
    },
    {
        "train": ("train_images", "train_labels"),
        "validation": ("val_images", "val_labels"),
        "test": ("test_images", "test_labels"),
    },
    {
        "train": ("x_train", "y_train"),
        "validation": ("x_val", "y_val"),
        "test": ("x_test", "y_test"),
    },
    {"train": ("x", "y"), "validation": ("x_val", "y_val"), "test": ("x_test", "y_test")},
)  # fmt: skip
_NAMES = "classes", "class_names"


def reads(source: str, path: Path) -> bool:
    """Whether the source is named like an ``.npz``, or is one."""
    return path.suffix.lower() == ".npz" or (path.is_file() and kind_of(path) == NPZ)


def read(source: str, path: Path, how: Reading) -> Data:
    """Its images and, to test on, its test images, else every tenth of each class.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it does not hold those arrays, or one of a pair only, or they are no labelled
            images.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no data file {path}: {SOURCES}")
    layout, arrays, left = _arrays(path)
    if left:
        warnings.warn(f"{path}: arrays are left out: {', '.join(left)}", stacklevel=1)
    parts = {}
    for split, pair in layout.items():
        there = [k for k in pair if k in arrays]
        if len(there) == 1:
            raise ValueError(f"{path} must hold both or none of {' and '.join(pair)}")
        if there:
            parts[split] = Part(arrays[pair[0]], arrays[pair[1]], " and ".join(pair))
    names = next((arrays[k] for k in _NAMES if k in arrays), None)
    classes = None if names is None else _classes(path, names)
    return data_of_parts(source, parts, classes)


def _arrays(path: Path) -> tuple[Mapping[str, Pair], dict[str, np.ndarray], list[str]]:
    """The layout, its arrays by their names in lower case, and the names of all others.

    Raises:
        ValueError: they are of no layout, or cannot be read.
    """
    names: list[str] = []
    try:
        # np.load alone would take a bare array, too
        with zipfile.ZipFile(path) as archive, np.load(path, allow_pickle=False) as stored:
            size = sum(info.file_size for info in archive.infolist())
            check_size(path, size, "save it by numpy.savez, if you trust it")
            names = stored.files
            known = {k.lower(): k for k in reversed(names)}
            layout = next((one for one in _LAYOUTS if {*one["train"]} <= {*known}), None)
            if layout is not None:
                wanted = {k for pair in layout.values() for k in pair} | {*_NAMES}
                found = {k: np.asarray(stored[known[k]]) for k in known if k in wanted}
                read = {known[k] for k in found}
                return layout, found, [k for k in names if k not in read]
    except (
        KeyError, ValueError, OSError, RuntimeError, zipfile.BadZipFile, zlib.error, MemoryError,
    ) as error:  # fmt: skip
        kind = kind_of(path) or "damaged"
        raise ValueError(_refusal(path, line(error) if kind == NPZ else f"it is {kind}")) from error
    other = kind_of(path) != NPZ
    holds = ", ".join(names) or "nothing"
    raise ValueError(_refusal(path, f"it is {kind_of(path)}" if other else f"it holds {holds}"))


def _refusal(path: Path, why: str) -> str:
    (first, *others) = ("{!r} and {!r}".format(*one["train"]) for one in _LAYOUTS)
    return f"{path} is not an .npz of arrays {first}: {why}; {', or '.join(others)} will do, too"


def _classes(path: Path, names: np.ndarray) -> list[str]:
    """The names of classes.

    Raises:
        ValueError: they are no list of text.
    """
    if names.ndim != 1 or names.dtype.kind != "U":
        raise ValueError(
            f"classes of {path} must be a list of text, got {names.dtype} {names.shape}"
        )
    return [str(k) for k in names]
