"""A data set by name: the reader that knows it, and the cache of what is slow to decode."""

import hashlib
import inspect
import re
import warnings
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from jeat._support.checks import SettingError, plainly, quoted
from jeat._support.files import cache_folder, check_not_home, whole_file
from jeat._support.plugins import brought_parts, find
from jeat._support.reading import Reading, reading_of
from jeat._support.sealed import load_sealed, save_sealed
from jeat.data.few_labels import with_few_labels
from jeat.data.given import data_of_object, has_columns, is_named, name_of_object
from jeat.data.images import SOURCES, Data, Images
from jeat.data.labels import check_learnable, check_splits
from jeat.data.names import place_of, whole
from jeat.data.sizes import coloured_alike, resized
from jeat.data.sources import reader_of
from jeat.data.validation import with_validation

__all__ = ["load_data"]

_RULES = 2  # raised where what is read of a source, or said of it, changes
_OUTSIDE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@plainly()
def load_data(
    source: object,
    *,
    size: int | str | tuple[int, int] | None = None,
    label: str | None = None,
    background: str | None = None,
    labels_per_class: int | None = None,
    validation: int | None = None,
) -> Data:
    """Load ``source`` with its training and test split.

    A source is one of these:

    - ``"digits"``, which comes with scikit-learn;
    - ``"mnist"``, ``"fashion-mnist"``, ``"cifar10"``, ``"cifar100"``, ``"svhn"``: of the Hugging
      Face hub, at commits that are known here;
    - ``owner/name`` of the hub, with ``:CONFIG`` and ``@COMMIT`` (40 digits) beside it or not;
    - an image folder with one folder a class, or a zip or tar archive of one;
    - a ``.csv`` or ``.tsv`` of paths below its folder, and labels;
    - a ``.parquet`` file, or a folder of them, with images and class names, numbers or texts;
    - an ``.npz`` of ``images`` and ``labels``, of ``x_train`` and ``y_train``, of ``train_images``
      and ``train_labels``, or of ``x`` and ``y``; ``classes`` may name the classes;
    - a folder of idx files, as MNIST comes, plain or ``.gz``, or one of them; of CIFAR's batches,
      or their ``.tar.gz``: nothing in them is run;
    - ``package.module:function``, a function of one's own that returns a :class:`Data`.

    A program may give what it holds, too: a :class:`Data`; tensors or arrays ``(x, y)`` or ``((x,
    y), (x_test, y_test))``; a data set of (image, label), as those of torchvision, alone or with
    one to test on, as a pair or as ``{"train": ..., "test": ...}``; a ``DataLoader``; a ``Dataset``
    of ``datasets``, or several. Images are read once, so that a transform which draws at
    random is frozen: ``Optimisation(pad=, flip=)`` augment.

    A split of an image folder is a top folder of a known name, such as ``train``, ``val`` and
    ``test``; what is left out or empty is named in a warning. Where there is no ``test``,
    ``validation`` or else every tenth image of each class stands in; beside it, ``validation`` is
    held out; both are said. Of a table, a column ``split``, or of another usual name, whose values
    are such words, names the split of each row; one that may do so is refused or said.

    Decoded pixels of image files are cached in ``$JEAT_CACHE`` (default ``~/.cache/jeat``), under a
    key that changes with local files; a hub data set is decoded once under its name and commit. A
    name of the hub without a commit is at its newest, which a run records and keeps. A folder
    ``$JEAT_DATA/name`` stands for the hub's ``owner/name``, and for a short name.

    Args:
        source: as above; its name may end with how it is read, such as
            ``photos?size=32&label=kind&background=white``.
        size: bring images to this many pixels, 32 or (height, width): the whole of them, shrunk or
            enlarged until they cover it, then cut to it at the centre.
        label: column of labels, where a table has several.
        background: colour behind transparent pixels: white, black (the default) or #rrggbb.
        labels_per_class: train on this many images of each class, the same ones every time: the
            labelled ones of semi-supervised training. The test split stays whole.
        validation: hold out the last so many training images, of each class in its share, and have
            them stand in for the test split, whose images are then not seen: for choosing settings.

    Raises:
        FileNotFoundError: nothing at that path, or the hub cannot be reached.
        ValueError: images that differ in size where none is given, have NaN or other pixels than
            [0, 1] floats or uint8; labels that are missing, no whole number, several an image, one
            number in two ways, or do not fit; no image or label column, one that may name splits;
            folders that may be splits as well as classes, a file that is read twice; fewer than 2
            classes to train on, a class to test on only, or with fewer than labels_per_class, or of
            which validation leaves none.
    """
    asked: dict[str, Any] = {
        "size": size, "label": label, "background": background,
        "labels_per_class": labels_per_class, "validation": validation,
    }  # fmt: skip
    if not isinstance(source, str | Path):
        return _given(source, Reading(**asked))
    name, how = reading_of(str(source), **asked)
    if is_named(name):
        raise ValueError(f"the data are {name}: give them again, or name their files by --data")
    if not name:
        raise SettingError(f"data must name a data set: {SOURCES}")
    if set(Path(name).parts) <= {".."}:
        raise SettingError(f"data must not be {name!r}, the working folder or one above: {SOURCES}")
    check_not_home("data", name)
    name = whole(name)
    path = place_of(name)
    own = not path.exists() and (_OUTSIDE.fullmatch(name) or name in brought_parts("data/sources"))
    return _ready(_own(name, how) if own else _read(name, path, how), name, how)


def _given(source: object, how: Reading) -> Data:
    """Data that a program holds."""
    name = name_of_object(source)
    _check_label(name, how, has_columns(source))
    return _ready(data_of_object(source, how), name, how)


def _ready(data: Data, name: str, how: Reading) -> Data:
    """Checked, of one size and colour, with as many labels as are asked for."""
    check_splits(data, name)
    data = resized(coloured_alike(data), how.size)
    data = with_validation(data, how.validation, name)
    data = with_few_labels(data, how.labels_per_class, name)
    check_learnable(data, name)
    return data


def _own(name: str, how: Reading) -> Data:
    """What a function of the user's own returns."""
    _check_label(name, how, False)
    function = find("data/sources", name, "data set")
    try:
        inspect.signature(function).bind()
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be a function without arguments: {error}") from error
    data: object = function()
    if not isinstance(data, Data):
        raise ValueError(f"{name} must return a jeat.data.Data, got {quoted(data)}")
    return data


def _read(source: str, path: Path, how: Reading) -> Data:
    """By the reader that knows the source."""
    reader = reader_of(source, path)
    _check_label(source, how, getattr(reader, "has_columns", False))
    if not hasattr(reader, "key"):
        data: Data = reader.read(source, path, how)
        return data
    return _cached(reader, source, path, how)


def _check_label(source: str, how: Reading, has_columns: bool) -> None:
    """Refuse a column of labels where there are no columns."""
    if how.label is not None and not has_columns:
        raise SettingError(
            f"label={how.label} names a column, and {source} has no columns: leave it out"
        )


def _cached(reader: ModuleType, source: str, path: Path, how: Reading) -> Data:
    """What a reader with a ``key(source, path)`` reads, once for each key and reading."""
    rules = f"{_RULES} {replace(how, labels_per_class=None).of(reader.key(source, path))}"
    key = hashlib.sha256(rules.encode()).hexdigest()[:24]
    cache = cache_folder()
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
            read: Data = reader.read(source, path, how)
    finally:
        for w in {str(w.message): w for w in caught}.values():
            warnings.warn_explicit(w.message, w.category, w.filename, w.lineno, source=w.source)
    said = [*dict.fromkeys(str(w.message) for w in caught if w.category is UserWarning)]
    try:
        with whole_file(file) as part:
            save_sealed(part, {"classes": read.classes, "warnings": said}, read.tensors())
    except OSError as error:  # what was read is there all the same
        warnings.warn(
            f"{cache} cannot be written ({error.strerror or error}), so that {source} is decoded "
            "anew each time: name another folder in JEAT_CACHE",
            stacklevel=1,
        )
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
