"""A data set of Hugging Face's ``datasets``: of the hub, or local images in folders, or parquet."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from jeat._support.checks import quoted
from jeat._support.file_names import of_file_name
from jeat._support.files import expanded, stamp
from jeat._support.hub import SHORT_NAMES, hub_data
from jeat._support.kinds import kind_of
from jeat._support.near import near
from jeat._support.plugins import brought_parts, constant_of, known_parts
from jeat._support.reading import Reading
from jeat.data.columns import named
from jeat.data.decode import coloured, decoded, image_files, line
from jeat.data.folders import splits_of
from jeat.data.images import SOURCES, Data, from_arrays
from jeat.data.sources._features import image_column, label_of, split_by_column
from jeat.data.split_files import check_tables, has_card, images_of
from jeat.data.splits import held_out, split_named, train_and_test

__all__ = ["key", "read", "read_splits", "reads"]

has_columns = True
takes_the_rest = True

_ARCHIVES = {".zip", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"}
_PARQUET = "a table (parquet)"


def reads(source: str, path: Path) -> bool:
    """Whatever no other reader knows: it says what is wrong with it."""
    return True


def key(source: str, path: Path) -> str:
    """A key of what ``source`` holds: its files' names and stamps, or the hub name."""
    config = _config(source, path) or ""
    if path.is_file():
        if kind_of(path) != _PARQUET:
            raise ValueError(_not_a_folder(source, path))
        return json.dumps([str(path.resolve()), stamp(path)])
    if not path.exists():
        hub = hub_data(source)
        if hub is None or hub.commit is None:
            folder = "data/sources"
            ours = [p for p in known_parts(folder) if constant_of(folder, p, "is_named")]
            hint = near(source, [*ours, *SHORT_NAMES, *brought_parts(folder)]) or ":"
            raise FileNotFoundError(f"no data at {source}{hint} {SOURCES}")
        return f"hub {hub.name} {hub.commit}" + f" {config}" * bool(config)
    if (path / "run.json").exists():
        raise ValueError(f"{source} is a run directory and no data set: {SOURCES}")
    files = sorted(path.rglob("*"))
    if linked := next((f for f in files if f.is_symlink() and f.is_dir()), None):
        raise ValueError(f"{linked} is a link to a folder, which is not followed: put it in place")
    if (held := [f for f in files if f.is_file()]) and all(f.suffix in _ARCHIVES for f in held):
        raise ValueError(
            f"{source} holds archives, such as {held[0].name}: give one archive of all, or unpack "
            "them"
        )
    splits = splits_of(path, files)
    stats = [(str(f), stamp(f)) for f in files if f.is_file()]
    return json.dumps([str(path.resolve()), stats, splits, *[config] * bool(config)])


def _not_a_folder(source: str, file: Path) -> str:
    """What a file is that is no data set, and what to give in its place."""
    kind, _, remedy = (kind_of(file) or "a file of an unknown kind").partition(": ")
    if kind.startswith(("a table", "an image")):
        remedy = "give the folder it is in"
    elif "unpack" in remedy:
        remedy = "unpack it and give the folder"
    said = ", or ".join([remedy] * bool(remedy) + [SOURCES])
    return f"{source} is {kind} and no data set: {said}"


def read(source: str, path: Path, how: Reading) -> Data:
    """Every image of its splits; errors as :func:`jeat.load_data`."""
    import datasets
    from huggingface_hub.constants import HF_HUB_CACHE

    datasets.disable_progress_bars()
    folders = [path.parent if path.is_file() else path]
    if not path.exists():
        fetched = datasets.config.DOWNLOADED_DATASETS_PATH, HF_HUB_CACHE
        folders = [expanded(place) for place in fetched]
    if not path.exists():
        return read_splits(source, _splits(source, path), how, folders)
    place = Path(datasets.config.HF_DATASETS_CACHE)
    place.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="jeat-", dir=place) as copy:  # what is decoded is kept elsewhere
        splits = _splits(source, path, copy)
        return read_splits(source, splits, how, folders, of_folders=path.is_dir())


def read_splits(
    source: str, splits: Any, how: Reading, folders: Sequence[Path], *, of_folders: bool = False
) -> Data:
    """Every image of the splits that are trained and tested on.

    Args:
        source: how the user named them.
        splits: name -> ``datasets.Dataset``.
        how: they are read.
        folders: where their files may lie.
        of_folders: whether classes have the names of folders, as ``jeat sample`` writes them.

    Raises:
        ValueError: no column of images or of labels, no split to train on; images that cannot be
            read, labels that are missing.
    """
    import datasets

    splits = {name: part.with_format(None) for name, part in splits.items()}
    features = next(iter(splits.values())).features
    image = image_column(source, features)
    splits, split = split_by_column(source, splits, image, how)
    label = label_of(source, {k: f for k, f in features.items() if k != split}, how, split)

    def labels_of(name: str) -> Any:
        _check_columns(f"split {name!r} of {source}", splits[name], image, label, features[label])
        return splits[name][label]

    train, test = train_and_test(source, [str(k) for k in splits], labels_of, f"column {label!r}")
    names = [name for name in (train, test) if name]
    labels = {name: list(labels_of(name)) for name in names}
    if empty := [name for name in names if not labels[name]]:
        raise ValueError(f"split {empty[0]!r} of {source} holds no images: give some")

    def where(name: str) -> str:
        return f"split {name!r} of {source} (columns {image}, {label})"

    if isinstance(features[label], datasets.ClassLabel):
        y, classes = _of_names(labels, features[label].names, of_folders)
    else:
        y, classes = named(labels, where)
    shown = {name: splits[name] for name in names}
    if not isinstance(features[image], datasets.Image):
        shown = {name: part.cast_column(image, datasets.Image()) for name, part in shown.items()}
    seen: dict[tuple[int, int], Path] = {}
    files = [image_files(shown[name], image, *folders, seen=seen) for name in names]
    total = sum(map(len, shown.values()))
    parts = []
    for name, x in zip(names, coloured([decoded(f, how, total) for f in files]), strict=True):
        try:
            parts.append(from_arrays(x, y[name], classes, axis=-1))
        except ValueError as error:
            raise ValueError(f"{where(name)}: {error}") from error
    if test is None:
        return held_out(source, train, parts[0], classes)
    return Data(parts[0], parts[1], classes)


def _of_names(
    labels: Mapping[str, Sequence[int]], names: Sequence[str], of_folders: bool
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Labels by split as numbers of classes, and the classes in order, of folders by their text."""
    found = {split: np.array(values) for split, values in labels.items()}
    texts = [of_file_name(name) for name in names] if of_folders else [*names]
    if texts == [*names]:
        return found, tuple(names)
    classes = tuple(sorted(texts))
    number = np.array([classes.index(text) for text in texts])
    return {split: number[y] for split, y in found.items()}, classes


def _check_columns(said: str, part: Any, image: str, label: str, feature: Any) -> None:
    """Refuse a split of other columns or classes than the first has."""
    if missing := [k for k in (image, label) if k not in part.features]:
        raise ValueError(f"{said} has no column {missing[0]!r}, as another split has: name it so")
    names, expected = (getattr(f, "names", None) for f in (part.features[label], feature))
    if names != expected:
        raise ValueError(
            f"{said} has the classes {quoted(names)} in column {label!r}, another split has "
            f"{quoted(expected)}: give both the same"
        )


def _splits(source: str, path: Path, copy: str | None = None) -> Any:
    """The data set by split; of local files, ``copy`` is the folder that it is written to.

    Raises:
        FileNotFoundError: no such data set, or the hub cannot be reached.
        ValueError: it cannot be read, or a file is of two splits.
    """
    import datasets

    config = _config(source, path)
    named = {"name": config} if config else {}
    to = {"cache_dir": copy} if copy else {}
    try:
        if path.is_file():
            split = split_named(path.stem) or "train"
            return datasets.load_dataset("parquet", data_files={split: str(path.resolve())}, **to)
        if images := path.is_dir() and splits_of(path, sorted(path.rglob("*")), say=False):
            if config:
                raise ValueError(f"folders of images have no configuration {config}")
            files = {name: images_of(pattern) for name, pattern in images.items()}
            return datasets.load_dataset("imagefolder", data_files=files, **to)
        if (path / "dataset_dict.json").exists() or (path / "state.json").exists():
            saved = datasets.load_from_disk(str(path))
            return saved if isinstance(saved, dict) else {"train": saved}
        hub = hub_data(source)
        if path.exists() or hub is None:
            # in full: a relative "imagefolder" would be taken for the reader of that name
            place = str(path.resolve()) if path.exists() else source
            found = datasets.load_dataset(place, revision=None, **named, **to)
            builder = datasets.load_dataset_builder(place, **named, **to)
            read = builder.config.data_files if path.exists() else {}
        else:
            found, read = datasets.load_dataset(hub.name, revision=hub.commit, **named), {}
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


def _config(source: str, path: Path) -> str | None:
    """The configuration that is named; a folder in the hub's place need not have a short name's."""
    hub = hub_data(source)
    if hub is None or expanded(source).exists():
        return None
    if hub.short and path.exists() and not has_card(path, f"config_name: {hub.config}"):
        return None
    return hub.config
