"""An ``.npz`` file of numpy arrays ``images`` and ``labels``."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from jeat._support.kinds import NPZ, kind_of
from jeat.data.decode import line
from jeat.data.images import SOURCES, Data, from_arrays

__all__ = ["read", "reads"]


def reads(source: str, path: Path) -> bool:
    """Whether the source is named like an ``.npz``, or is one."""
    return path.suffix.lower() == ".npz" or (path.is_file() and kind_of(path) == NPZ)


def read(source: str, path: Path) -> Data:
    """Its images, every tenth of each class to test on; classes are numbers.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it does not hold those arrays, or they are no labelled images.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no data file {path}: {SOURCES}")
    names: list[str] = []
    try:
        # np.load alone would take a bare array, too
        with zipfile.ZipFile(path), np.load(path, allow_pickle=False) as arrays:
            names = arrays.files
            x, y = np.asarray(arrays["images"]), np.asarray(arrays["labels"])
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
    images = from_arrays(x, y)
    return Data.held_out(images, tuple(str(k) for k in range(int(images.y.max()) + 1)))
