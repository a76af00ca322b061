"""A data set of Hugging Face's ``datasets``: of the hub, or a local folder of images or parquet."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from jeat._support.files import expanded
from jeat._support.hub import pinned
from jeat._support.kinds import kind_of
from jeat._support.reading import Reading
from jeat.data.decode import coloured, decoded, image_files, line
from jeat.data.folders import check_tables, splits_of
from jeat.data.images import SOURCES, Data, from_arrays

__all__ = ["key", "read", "reads"]

has_columns = True
takes_the_rest = True

_PLAIN = ("string", "large_string", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")


def reads(source: str, path: Path) -> bool:
    """Whatever no other reader knows: it says what is wrong with it."""
    return True


def key(source: str, path: Path) -> str:
    """A key of what ``source`` holds: its files' names, sizes and times, or the hub name."""
    if path.is_file():
        raise ValueError(_not_a_folder(source, path))
    if not path.exists():
        if (hub := pinned(source)) is None:
            raise FileNotFoundError(f"no data at {source}: {SOURCES}")
        name, commit = hub
        if commit is None:
            raise FileNotFoundError(
                f"no folder {name}; a data set of the hub is named with its commit, as "
                f"{name}@COMMIT (40 digits, from huggingface.co/datasets/{name}/commits/main)"
            )
        return f"hub {name} {commit}"
    if (path / "run.json").exists():
        raise ValueError(f"{source} is a run directory and no data set: {SOURCES}")
    files = sorted(path.rglob("*"))
    if linked := next((f for f in files if f.is_symlink() and f.is_dir()), None):
        raise ValueError(f"{linked} is a link to a folder, which is not followed: put it in place")
    splits = splits_of(path, files)
    stats = [(str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files if f.is_file()]
    return json.dumps([str(path.resolve()), stats, splits])


def _not_a_folder(source: str, file: Path) -> str:
    """What a file is that is no data set, and what to give in its place."""
    kind, _, remedy = (kind_of(file) or "a file of an unknown kind").partition(": ")
    if kind.startswith(("a table", "an image")):
        remedy = "give the folder it is in"
    elif "unpack" in remedy or kind == "a zip archive":
        remedy = "unpack it and give the folder"
    said = ", or ".join([remedy] * bool(remedy) + [SOURCES])
    return f"{source} is {kind} and no data set: {said}"


def read(source: str, path: Path, how: Reading) -> Data:
    """Every image of its splits; errors as :func:`jeat.load_data`."""
    import datasets
    from huggingface_hub.constants import HF_HUB_CACHE

    datasets.disable_progress_bars()
    splits = _splits(source, path)
    features = next(iter(splits.values())).features
    image = _column(source, features, datasets.Image, "image")
    label = _column(source, features, datasets.ClassLabel, "label")
    classes = tuple(features[label].names)
    train, test = _train_and_test(source, splits, label)
    fetched = datasets.config.DOWNLOADED_DATASETS_PATH, HF_HUB_CACHE
    folders = [path] if path.exists() else [expanded(place) for place in fetched]
    seen: dict[tuple[int, int], Path] = {}
    names = [name for name in (train, test) if name]
    pixels = [decoded(image_files(splits[name], image, *folders, seen=seen), how) for name in names]
    parts = []
    for name, x in zip(names, coloured(pixels), strict=True):
        try:
            parts.append(from_arrays(x, np.array(splits[name][label]), classes))
        except ValueError as error:
            raise ValueError(
                f"split {name!r} of {source} (columns {image}, {label}): {error}"
            ) from error
    return Data(parts[0], parts[1], classes) if test else Data.held_out(parts[0], classes)


def _splits(source: str, path: Path) -> Any:
    """The data set by split.

    Raises:
        FileNotFoundError: no such data set, or the hub cannot be reached.
        ValueError: it cannot be read, or a file is of two splits.
    """
    import datasets

    try:
        if images := path.is_dir() and splits_of(path, sorted(path.rglob("*")), say=False):
            return datasets.load_dataset("imagefolder", data_files=images)
        # in full: a relative "imagefolder" would be taken for a reader of that name, of all here
        local = (str(path.resolve()), None)
        name, commit = local if path.exists() else pinned(source) or (source, None)
        found = datasets.load_dataset(name, revision=commit)
        read = datasets.load_dataset_builder(name).config.data_files if path.exists() else {}
    except datasets.exceptions.DatasetNotFoundError as error:
        raise FileNotFoundError(
            f"no folder and no hub data set is named {source!r}: {SOURCES}"
        ) from error
    except ConnectionError as error:
        raise FileNotFoundError(
            f"there is no folder {source!r}, and the hub cannot be reached to look there: {SOURCES}"
        ) from error
    except Exception as error:  # load_dataset raises dozens of kinds for a folder it cannot read
        raise ValueError(
            f"{source} cannot be read as a data set: {line(error.__cause__ or error)}; {SOURCES}"
        ) from error
    check_tables(path, {str(name): list(files) for name, files in (read or {}).items()})
    return found


def _column(source: str, features: Any, kind: type, usual: str) -> str:
    """The column of a kind; of several the one with the usual name, else the first, which is said.

    Raises:
        ValueError: there is none.
    """
    names = [k for k, f in features.items() if isinstance(f, kind)]
    if not names:
        kinds = ", ".join(f"{k} ({getattr(f, 'dtype', f)})" for k, f in features.items())
        plain = [k for k, f in features.items() if getattr(f, "dtype", "") in _PLAIN]
        remedy = (
            f"column {plain[0]!r} holds no class names: cast it to datasets.ClassLabel(names=...)"
            if plain and kind.__name__ == "ClassLabel"
            else SOURCES
        )
        raise ValueError(
            f"{source} needs an image and a class-label column (of 2 classes or more), it has: "
            f"{kinds}; {remedy}"
        )
    chosen = usual if usual in names else names[0]
    others = [k for k in features if k != chosen and (k in names or k == usual)]
    if others:
        warnings.warn(
            f"{source}: {usual}s are of column {chosen!r}, not of {', '.join(map(repr, others))}",
            stacklevel=1,
        )
    return chosen


def _train_and_test(source: str, splits: Any, label: str) -> tuple[str, str | None]:
    """The splits to train and to test on; None where a part of the first is held out.

    Raises:
        ValueError: none to train on, or one to test on that has no labels.
    """
    names = [str(name) for name in splits]
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
    if left := [name for name in names if name not in ("train", "test", "validation")]:
        warnings.warn(f"{source}: splits are left out: {', '.join(left)}", stacklevel=1)
    tests = [name for name in ("test", "validation") if name in names]
    labelled = [name for name in tests if any(k not in (None, -1) for k in splits[name][label])]
    if tests and not labelled:
        raise ValueError(
            f"split {tests[0]!r} of {source} has no labels: column {label!r} holds "
            f"{splits[tests[0]][label][0]}; remove the split, so that a part of 'train' is held out"
        )
    if labelled and labelled[0] != tests[0]:
        warnings.warn(
            f"{source}: split {tests[0]!r} has no labels, so {labelled[0]!r} stands in",
            stacklevel=1,
        )
    return "train", labelled[0] if labelled else None
