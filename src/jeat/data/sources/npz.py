"""An ``.npz`` of numpy arrays ``images``, ``labels``, and of ``test_images``, ``test_labels``."""

import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np

from jeat._support.kinds import NPZ, kind_of
from jeat._support.reading import Reading
from jeat.data.decode import line
from jeat.data.images import SOURCES, Data, from_arrays

__all__ = ["read", "reads"]

_TEST = "test_images", "test_labels"


def reads(source: str, path: Path) -> bool:
    """Whether the source is named like an ``.npz``, or is one."""
    return path.suffix.lower() == ".npz" or (path.is_file() and kind_of(path) == NPZ)


def read(source: str, path: Path, how: Reading) -> Data:
    """Its images and, to test on, its test images, else every tenth of each class.

    Classes are numbers.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it does not hold those arrays, or one of the two of test images only, or they
            are no labelled images.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no data file {path}: {SOURCES}")
    names: list[str] = []
    try:
        # np.load alone would take a bare array, too
        with zipfile.ZipFile(path), np.load(path, allow_pickle=False) as arrays:
            names = arrays.files
            x, y = np.asarray(arrays["images"]), np.asarray(arrays["labels"])
            test = [np.asarray(arrays[name]) for name in _TEST if name in names]
    except (
        KeyError, ValueError, OSError, RuntimeError, zipfile.BadZipFile, zlib.error
    ) as error:  # fmt: skip
        kind = kind_of(path) or "damaged"
        found = f"it holds {', '.join(names)}" if kind == NPZ and names else f"it is {kind}"
        if {"images", "labels"} <= {*names}:
            found = line(error)
        raise ValueError(
            f"{path} is not an .npz of arrays 'images' and 'labels': {found}"
        ) from error
    if left := [name for name in names if name not in ("images", "labels", *_TEST)]:
        warnings.warn(f"{path}: arrays are left out: {', '.join(left)}", stacklevel=1)
    images = from_arrays(x, y)
    classes = tuple(str(k) for k in range(int(images.y.max()) + 1))
    if not test:
        return Data.held_out(images, classes)
    if len(test) == 1:
        raise ValueError(f"{path} must hold both or none of {' and '.join(_TEST)}")
    try:
        return Data(images, from_arrays(test[0], test[1], classes), classes)
    except ValueError as error:
        raise ValueError(f"{' and '.join(_TEST)} of {path}: {error}") from error
