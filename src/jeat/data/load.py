"""A data set by name: the reader that knows it, and the cache of what is slow to decode."""

import hashlib
import inspect
import os
import re
import warnings
from importlib import import_module
from pathlib import Path
from types import ModuleType

from jeat._support.checks import SettingError, plainly, quoted
from jeat._support.files import check_not_home, expanded, whole_file
from jeat._support.hub import pinned
from jeat._support.plugins import brought_parts, find, known_parts
from jeat._support.sealed import load_sealed, save_sealed
from jeat.data.images import SOURCES, Data, Images
from jeat.data.labels import check_learnable

__all__ = ["load_data"]

_OUTSIDE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@plainly()
def load_data(source: str | Path) -> Data:
    """Load ``source`` with its training and test split.

    A source is ``"digits"``, an ``.npz`` file of ``images`` and ``labels`` (and, where it has them,
    ``test_images`` and ``test_labels``), a Hugging Face data set by hub name or path
    (parquet, or an image folder with one folder a class), or ``package.module:function``, a
    function of one's own that returns a :class:`Data`.

    A split of an image folder is a top folder of a known name, such as ``train``, ``val`` and
    ``test``; what is left out is named in a warning. The test split is ``test``, else
    ``validation``; a source with one split gives every tenth image of each class to the test.

    Decoded pixels of Hugging Face sources are cached in ``$JEAT_CACHE`` (default
    ``~/.cache/jeat``), under a key that changes with local files; a hub data set is decoded once
    under its name and commit (``owner/name@COMMIT``). A folder ``$JEAT_DATA/name`` stands for the
    hub's ``owner/name``.

    Raises:
        FileNotFoundError: nothing at that path, or the hub cannot be reached.
        ValueError: images that differ in size, are not square, have NaN or other pixels than
            [0, 1] floats or uint8; labels that are missing or do not fit; no image or label column;
            folders that may be splits as well as classes, a file that is read twice; fewer than 2
            classes to train on, a class to test on only.
    """
    name = str(source)
    if not name:
        raise SettingError(f"data must name a data set: {SOURCES}")
    if set(Path(name).parts) <= {".."}:
        raise SettingError(f"data must not be {name!r}, the working folder or one above: {SOURCES}")
    check_not_home("data", name)
    path = _place(name)
    own = not path.exists() and (_OUTSIDE.fullmatch(name) or name in brought_parts("data/sources"))
    data = _own(name) if own else _read(name, path)
    check_learnable(data, name)
    return data


def _own(name: str) -> Data:
    """What a function of the user's own returns."""
    function = find("data/sources", name, "data set")
    try:
        inspect.signature(function).bind()
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be a function without arguments: {error}") from error
    data: object = function()
    if not isinstance(data, Data):
        raise ValueError(f"{name} must return a jeat.data.Data, got {quoted(data)}")
    return data


def _read(source: str, path: Path) -> Data:
    """By the first reader that knows the source; one that takes whatever is left comes last."""
    readers = [import_module(f"jeat.data.sources.{name}") for name in known_parts("data/sources")]
    readers.sort(key=lambda reader: bool(getattr(reader, "takes_the_rest", False)))
    reader = next(reader for reader in readers if reader.reads(source, path))
    if not hasattr(reader, "key"):
        data: Data = reader.read(source, path)
        return data
    return _cached(reader, source, path)


def _cached(reader: ModuleType, source: str, path: Path) -> Data:
    """What a reader with a ``key(source, path)`` reads, once for each key."""
    key = hashlib.sha256(reader.key(source, path).encode()).hexdigest()[:24]
    cache = expanded(os.environ.get("JEAT_CACHE") or "~/.cache/jeat")
    file = cache / f"{key}.safetensors"
    if (found := _kept(file)) is not None:
        data, said = found
        for text in said:
            warnings.warn(text, stacklevel=1)
        return data
    caught: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            read: Data = reader.read(source, path)
    finally:
        for w in caught:
            warnings.warn_explicit(w.message, w.category, w.filename, w.lineno, source=w.source)
    said = [str(w.message) for w in caught if w.category is UserWarning]
    with whole_file(file) as part:
        save_sealed(part, {"classes": read.classes, "warnings": said}, read.tensors())
    return read


def _kept(file: Path) -> tuple[Data, list[str]] | None:
    """What the cache holds, and what was warned of it; None where it holds nothing whole."""
    if not file.exists():
        return None
    try:
        header, tensors = load_sealed(file)
    except ValueError:
        return None
    train, test = (Images(tensors[f"{s}.x"], tensors[f"{s}.y"]) for s in ("train", "test"))
    return Data(train, test, tuple(header["classes"])), header.get("warnings", [])


def _place(source: str) -> Path:
    """Where a source lies: its path, or the folder of ``$JEAT_DATA`` that stands for the hub's."""
    path, hub = expanded(source), pinned(source)
    if path.exists() or hub is None:
        return path
    mirror = expanded(os.environ.get("JEAT_DATA") or "/nowhere") / hub[0].split("/")[1]
    return mirror if mirror.is_dir() else path
