"""Where images come from: any data set, decoded once and cached.

Sources: ``"digits"`` (scikit-learn's 1,797 8x8 digits, embedded); a Hugging Face data set by hub
name or path (parquet, or an image folder with one folder a class); an ``.npz`` file with arrays
``images`` and ``labels``.
"""

import hashlib
import json
import os
import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch

from jeat._checks import SettingError
from jeat._files import expanded, whole
from jeat._hub import pinned
from jeat._images import decoded, image_files, line
from jeat._sealed import load_sealed, save_sealed
from jeat.data import Data, Images, from_arrays

__all__ = ["load_data"]

_SOURCES = "give digits, an image folder with one folder a class, an .npz, or owner/name@COMMIT"


def load_data(source: str | Path) -> Data:
    """Load ``source`` (see the module) with its training and test split.

    The test split is ``test``, else ``validation``; a source with one split gives every tenth
    image of each class to the test. Decoded pixels of Hugging Face sources are cached in
    ``$JEAT_CACHE`` (default ``~/.cache/jeat``), under a key that changes with local files; a hub
    data set is decoded once under its name and commit (``owner/name@COMMIT``). A folder
    ``$JEAT_DATA/name`` stands for the hub's ``owner/name``.

    Raises:
        FileNotFoundError: nothing at that path, or the hub cannot be reached.
        ValueError: images that differ in size, are not square, have NaN or other pixels than
            [0, 1] floats or uint8; labels that do not fit; no image or label column.
    """
    if str(source) == "digits":
        return _digits()
    if not str(source):
        raise SettingError(f"data must name a data set: {_SOURCES}")
    path = _place(str(source))
    if path.suffix == ".npz":
        data = _npz(path)
        _check_classes(source, data)
        return data
    key = hashlib.sha256(_fingerprint(str(source), path).encode()).hexdigest()[:24]
    cache = expanded(os.environ.get("JEAT_CACHE", "~/.cache/jeat"))
    file = cache / f"{key}.safetensors"
    if (cached := _read(file)) is not None:
        return cached
    data = _decode(str(source), path)
    _check_classes(source, data)
    _write(file, data)
    return data


def _place(source: str) -> Path:
    path, hub = expanded(source), pinned(source)
    if path.exists() or hub is None:
        return path
    mirror = expanded(os.environ.get("JEAT_DATA", "/nowhere")) / hub[0].split("/")[1]
    return mirror if mirror.is_dir() else path


def _check_classes(source: str | Path, data: Data) -> None:
    """See that there are several.

    Raises:
        ValueError: all images to train on are of one class.
    """
    if len(data.train.y.unique()) < 2:
        raise ValueError(
            f"{source} holds images of one class to train on, a classifier needs at least 2 classes"
        )


def _digits() -> Data:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    parts = train_test_split(
        bunch.images / 16, bunch.target, test_size=360, stratify=bunch.target, random_state=0
    )
    names = tuple(str(k) for k in range(10))
    return Data(
        from_arrays(parts[0], parts[2], names), from_arrays(parts[1], parts[3], names), names
    )


def _npz(path: Path) -> Data:
    if not path.is_file():
        raise FileNotFoundError(f"no data file {path}: {_SOURCES}")
    try:
        # np.load alone would take a bare array, too
        with zipfile.ZipFile(path), np.load(path, allow_pickle=False) as arrays:
            images, labels = np.asarray(arrays["images"]), np.asarray(arrays["labels"])
    except (
        KeyError, ValueError, OSError, RuntimeError, zipfile.BadZipFile, zlib.error
    ) as error:  # fmt: skip
        raise ValueError(f"{path} is not an .npz of arrays 'images' and 'labels'") from error
    whole = from_arrays(images, labels)
    return _hold_out(whole, tuple(str(k) for k in range(int(whole.y.max()) + 1)))


def _hold_out(whole: Images, classes: tuple[str, ...]) -> Data:
    """Every tenth image of each class to the test."""
    rank = torch.zeros(len(whole), dtype=torch.int64)
    for k in range(len(classes)):
        of_class = whole.y == k
        rank[of_class] = torch.arange(int(of_class.sum()))
    test = rank % 10 == 9
    if not test.any():
        raise ValueError("too few images to hold out a test split: a class needs at least 10")
    return Data(
        Images(whole.x[~test], whole.y[~test]), Images(whole.x[test], whole.y[test]), classes
    )


def _fingerprint(source: str, path: Path) -> str:
    """A key of what ``source`` holds: its files' names, sizes and times, or the hub name."""
    if path.is_file():
        raise ValueError(f"{source} is a file, but no .npz: {_SOURCES}")
    if not path.exists():
        if (hub := pinned(source)) is None:
            raise FileNotFoundError(f"no data at {source}: {_SOURCES}")
        name, commit = hub
        if commit is None:
            raise FileNotFoundError(
                f"no folder {name}; a data set of the hub is named with its commit, as "
                f"{name}@COMMIT (40 digits, from huggingface.co/datasets/{name}/commits/main)"
            )
        return f"hub {name} {commit}"
    if (path / "run.json").exists():
        raise ValueError(f"{source} is a run directory and no data set: {_SOURCES}")
    files = sorted(path.rglob("*"))
    if linked := next((f for f in files if f.is_symlink() and f.is_dir()), None):
        raise ValueError(f"{linked} is a link to a folder, which is not followed: put it in place")
    stats = [(str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files if f.is_file()]
    return json.dumps([str(path.resolve()), stats])


def _decode(source: str, path: Path) -> Data:
    import datasets
    from huggingface_hub.constants import HF_HUB_CACHE

    datasets.disable_progress_bars()
    try:
        # in full: a relative "imagefolder" would be taken for a reader of that name, of all here
        local = (str(path.resolve()), None)
        name, commit = local if path.exists() else pinned(source) or (source, None)
        splits = datasets.load_dataset(name, revision=commit)
    except datasets.exceptions.DatasetNotFoundError as error:
        raise FileNotFoundError(
            f"no folder and no hub data set is named {source!r}: {_SOURCES}"
        ) from error
    except ConnectionError as error:
        raise FileNotFoundError(
            f"there is no folder {source!r}, and the hub cannot be reached to look there: "
            f"{_SOURCES}"
        ) from error
    except Exception as error:  # load_dataset raises dozens of kinds for a folder it cannot read
        raise ValueError(
            f"{source} cannot be read as a data set: {line(error.__cause__ or error)}; {_SOURCES}"
        ) from error
    features = next(iter(splits.values())).features
    image = [k for k, f in features.items() if isinstance(f, datasets.Image)]
    label = [k for k, f in features.items() if isinstance(f, datasets.ClassLabel)]
    if not image or not label:
        raise ValueError(
            f"{source} needs an image and a class-label column (of 2 classes or more), it has: "
            f"{', '.join(features)}; {_SOURCES}"
        )
    classes = tuple(features[label[0]].names)
    if len(splits) > 1 and "train" not in splits:
        raise ValueError(
            f"{source} has no split named 'train', only: {', '.join(map(str, splits))}"
        )
    fetched = datasets.config.DOWNLOADED_DATASETS_PATH, HF_HUB_CACHE
    folders = [path] if path.exists() else [expanded(place) for place in fetched]
    parts = {
        name: from_arrays(
            decoded(image_files(split, image[0], *folders)), np.array(split[label[0]]), classes
        )
        for name, split in splits.items()
        if name in ("train", "test", "validation") or len(splits) == 1
    }
    test = parts.get("test", parts.get("validation"))
    if len(parts) == 1 or test is None:
        return _hold_out(next(iter(parts.values())), classes)
    return Data(parts["train"], test, classes)


def _write(file: Path, data: Data) -> None:
    with whole(file) as part:
        save_sealed(part, {"classes": data.classes}, data.tensors())


def _read(file: Path) -> Data | None:
    """What the cache holds; None where it holds nothing whole."""
    if not file.exists():
        return None
    try:
        header, tensors = load_sealed(file)
    except ValueError:
        return None
    train, test = (Images(tensors[f"{s}.x"], tensors[f"{s}.y"]) for s in ("train", "test"))
    return Data(train, test, tuple(header["classes"]))
