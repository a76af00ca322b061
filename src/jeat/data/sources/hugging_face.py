"""A data set of Hugging Face's ``datasets``: of the hub, or a local folder of images or parquet."""

import json
from pathlib import Path

import numpy as np

from jeat._support.files import expanded
from jeat._support.hub import pinned
from jeat.data.decode import decoded, image_files, line
from jeat.data.images import SOURCES, Data, from_arrays

__all__ = ["key", "read", "reads"]

takes_the_rest = True


def reads(source: str, path: Path) -> bool:
    """Whatever no other reader knows: it says what is wrong with it."""
    return True


def key(source: str, path: Path) -> str:
    """A key of what ``source`` holds: its files' names, sizes and times, or the hub name."""
    if path.is_file():
        raise ValueError(f"{source} is a file, but no .npz: {SOURCES}")
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
    stats = [(str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files if f.is_file()]
    return json.dumps([str(path.resolve()), stats])


def read(source: str, path: Path) -> Data:
    """Every image of its splits; errors as :func:`jeat.load_data`."""
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
    features = next(iter(splits.values())).features
    image = [k for k, f in features.items() if isinstance(f, datasets.Image)]
    label = [k for k, f in features.items() if isinstance(f, datasets.ClassLabel)]
    if not image or not label:
        raise ValueError(
            f"{source} needs an image and a class-label column (of 2 classes or more), it has: "
            f"{', '.join(features)}; {SOURCES}"
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
        return Data.held_out(next(iter(parts.values())), classes)
    return Data(parts["train"], test, classes)
