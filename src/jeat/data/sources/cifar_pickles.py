"""CIFAR-10 and CIFAR-100 as their authors give them, "python version": a folder or the .tar.gz.

::

    cifar-10-batches-py/    data_batch_1 ... data_batch_5, test_batch, batches.meta
    cifar-100-python/       train, test, meta
"""

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jeat._support.checks import SettingError
from jeat._support.reading import Reading
from jeat.data.images import Data
from jeat.data.sources._archive import explained, members
from jeat.data.sources._cifar import FOLDERS, Batch, is_packed, loaded
from jeat.data.splits import Part, data_of_parts

__all__ = ["read", "reads"]

has_columns = True

_LARGEST = 2**30  # bytes of a file; the largest one of the two has 155 million


@dataclass(frozen=True)
class _Layout:
    """The files of one of the two, and what is in them.

    Attributes:
        train: names of the files to train on, in order.
        test: name of the one to test on.
        meta: name of the one of class names.
        labels: key of labels -> key of their names; the usual one first.
    """

    train: tuple[str, ...]
    test: str
    meta: str
    labels: Mapping[str, str]


_LAYOUTS = (
    _Layout(
        tuple(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta",
        {"labels": "label_names"},
    ),
    _Layout(
        ("train",), "test", "meta",
        {"fine_labels": "fine_label_names", "coarse_labels": "coarse_label_names"},
    ),
)  # fmt: skip


def reads(source: str, path: Path) -> bool:
    """Whether it is one of the two folders, holds one, or is the archive of one."""
    return is_packed(path) if path.is_file() else _place(path) is not None


def read(source: str, path: Path, how: Reading) -> Data:
    """All images; CIFAR-100 by its 100 fine labels, or by ``coarse_labels``, as ``how`` says.

    Raises:
        ValueError: files that are missing, damaged, or name what is not data.
    """
    files = _packed(path) if path.is_file() else _in_folder(path)
    layout = next((one for one in _LAYOUTS if one.meta in files), None)
    if layout is None:
        metas = " or ".join(one.meta for one in _LAYOUTS)
        raise ValueError(f"{path} has no {metas}, which names the classes: fetch it anew")
    there = [name for name in layout.train if name in files]
    if gone := [name for name in layout.train[: len(there)] if name not in files]:
        raise ValueError(f"{path} has no {gone[0]}: fetch it anew")
    if not there:
        raise ValueError(f"{path} has no {layout.train[0]}: fetch it anew")
    key = _labels(source, layout, how)
    batches = {name: _part(name, loaded(files[name], f"{name} of {path}"), key) for name in there}
    parts = {"train": _joined([*batches.values()])}
    if layout.test in files:
        test = loaded(files[layout.test], f"{layout.test} of {path}")
        parts["test"] = _part(layout.test, test, key)
    meta = loaded(files[layout.meta], f"{layout.meta} of {path}")
    names = meta.get(layout.labels[key])
    if not isinstance(names, list) or not all(isinstance(k, str | bytes) for k in names):
        raise ValueError(f"{layout.meta} of {path} has no list {layout.labels[key]}: fetch it anew")
    classes = [k.decode("latin1") if isinstance(k, bytes) else k for k in names]
    if missing := layout.train[len(there) :]:
        warnings.warn(f"{source}: there is no {', '.join(missing)}", stacklevel=1)
    return data_of_parts(source, parts, classes)


def _labels(source: str, layout: _Layout, how: Reading) -> str:
    """The key of labels that is asked for, or the usual one, which is said where there are two."""
    usual, *others = layout.labels
    if how.label is None:
        if others:
            warnings.warn(
                f"{source}: labels are {usual!r}, not {others[0]!r}: label={others[0]} takes those",
                stacklevel=1,
            )
        return usual
    if how.label not in layout.labels:
        raise SettingError(f"{source} has the labels {', '.join(layout.labels)}, not {how.label!r}")
    return how.label


def _part(name: str, batch: Batch, key: str) -> Part:
    """Images (N, 3, S, S) and labels (N,) of a batch, whose rows are red, green and blue planes.

    Raises:
        ValueError: it holds no such arrays.
    """
    rows, labels = (batch.get(k) for k in ("data", key))
    if not isinstance(rows, np.ndarray) or not isinstance(labels, list | np.ndarray):
        raise ValueError(f"{name} must hold an array 'data' and a list {key!r}: fetch it anew")
    size = math.isqrt(rows.shape[-1] // 3) if rows.ndim == 2 else 0
    if rows.dtype != np.uint8 or rows.shape != (len(labels), 3 * size * size):
        raise ValueError(
            f"'data' of {name} must be uint8 rows of 3 x S x S for {len(labels)} labels, it is "
            f"{rows.dtype} {rows.shape}: fetch it anew"
        )
    try:
        y = np.asarray(labels)
    except ValueError as error:
        raise ValueError(f"{key} of {name} must be whole numbers: fetch it anew") from error
    return Part(rows.reshape(-1, 3, size, size), y, name)


def _joined(parts: list[Part]) -> Part:
    """Batches as one.

    Raises:
        ValueError: images of several sizes.
    """
    if len(sizes := {part.x.shape[1:] for part in parts}) > 1:
        raise ValueError(f"{parts[0].said} and others hold images of sizes {sorted(sizes)}")
    x, y = (np.concatenate([getattr(part, k) for part in parts]) for k in ("x", "y"))
    return Part(x, y, " to ".join(dict.fromkeys((parts[0].said, parts[-1].said))))


def _place(path: Path) -> Path | None:
    """``path`` where it is one of the two folders, else the one of them that lies in it."""
    marks = ("batches.meta",), ("data_batch_1",), ("meta", "train"), ("train", "test")
    for place in (path, *(path / name for name in FOLDERS)):
        if any(all((place / name).is_file() for name in mark) for mark in marks):
            return place
    return None


def _in_folder(path: Path) -> dict[str, bytes]:
    place = _place(path)
    assert place is not None
    files = [place / name for one in _LAYOUTS for name in (*one.train, one.test, one.meta)]
    there = [file for file in files if file.is_file()]
    for file in there:
        _check_size(file, file.stat().st_size)
    return {file.name: file.read_bytes() for file in there}


def _packed(path: Path) -> dict[str, bytes]:
    known = {name for one in _LAYOUTS for name in (*one.train, one.test, one.meta)}
    files = {}
    for member in members(path):
        named = member.name.name in known and member.name.parent.name in FOLDERS
        if named and member.content is not None:
            _check_size(path / member.name, member.size)
            with explained(path):
                files[member.name.name] = member.content.read()
    return files


def _check_size(file: Path, size: int) -> None:
    if size > _LARGEST:
        raise ValueError(f"{file} has {size:,} bytes, far more than a file of CIFAR: fetch it anew")
