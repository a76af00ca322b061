"""Images that somebody made, with or without labels: a folder of image files, or an ``.npz``."""

import json
import warnings
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from jeat._support.file_names import of_file_name
from jeat._support.files import rewritten
from jeat._support.reading import Reading
from jeat._support.sealed import bytes_sum, file_sum, seal_of, summed, unsummed
from jeat.data.decode import decoded, line
from jeat.data.images import channels_first, eight_bits, from_arrays
from jeat.data.sizes import all_fitted
from jeat.data.sources._archive import check_size

__all__ = ["SAID", "loose_images", "say_of_folder", "sum_of_arrays"]

SAID = "samples.json"
"""The file beside the images of a folder that says which net drew them."""

_ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}
_IMAGES, _LABELS = ("images", "arr_0", "samples", "x"), ("labels", "arr_1", "y")
_ABOUT = "command", "what", "net_sha256"


def loose_images(
    place: str | Path, classes: Sequence[str], how: Reading | None = None
) -> tuple[UInt8[Tensor, "n c h w"], Int[Tensor, " n"] | None, dict[str, str]]:
    """Images of a folder or an ``.npz``, their labels where it says them, and how they came.

    A folder is read whole, in the order of names. Where each file lies in a folder that is named as
    one of ``classes``, that is its label. An ``.npz`` holds ``images``, ``arr_0``, ``samples`` or
    ``x``, and perhaps ``labels``, ``arr_1`` or ``y``, with the names of their ``classes``. One of
    ``jeat sample`` says its command, and which net drew them; where images were changed since, a
    warning says so, and that is left out.

    Args:
        place: folder or file.
        classes: the names of the classes that labels count.
        how: size and background of the images; None leaves them as they are.

    Raises:
        FileNotFoundError: nothing is there.
        ValueError: no image, images that differ in size or cannot be read, labels that do not fit.
    """
    place, how = Path(place), how or Reading()
    if place.is_dir():
        return _of_folder(place, classes, how)
    if not place.exists():
        raise FileNotFoundError(f"no images at {place}")
    x, y, about = _of_npz(place, classes)
    return x if how.size is None else all_fitted(x, how.size), y, about


def say_of_folder(place: Path, about: Mapping[str, str]) -> None:
    """Write how the images of a folder came beside them, for :func:`loose_images` to find."""
    record = {**about, "images": _sum_of_files(place)}
    rewritten(place / SAID, json.dumps(summed(record), indent=1) + "\n")


def sum_of_arrays(
    images: np.ndarray, labels: np.ndarray, classes: Sequence[str], about: Mapping[str, str]
) -> str:
    """SHA-256 of all that an ``.npz`` of ``jeat sample`` holds, which is its ``sum``."""
    arrays = [[str(a.dtype), [*a.shape], bytes_sum(a.tobytes())] for a in (images, labels)]
    return seal_of({k: about[k] for k in _ABOUT} | {"classes": [*classes], "arrays": arrays}, {})


def _files_of(place: Path) -> list[Path]:
    return sorted(f for f in place.rglob("*") if f.suffix.lower() in _ENDINGS and f.is_file())


def _sum_of_files(place: Path) -> str:
    """SHA-256 of the images of a folder, and of where they lie in it."""
    files = [(f.relative_to(place).as_posix(), file_sum(f)) for f in _files_of(place)]
    return seal_of(dict(files), {})


def _of_folder(
    place: Path, classes: Sequence[str], how: Reading
) -> tuple[Tensor, Tensor | None, dict[str, str]]:
    files = _files_of(place)
    if not files:
        raise ValueError(
            f"{place} holds no image files: give a folder of some, an .npz or a file of jeat sample"
        )
    number = {name: k for k, name in enumerate(classes)}
    folders = ([*map(of_file_name, f.relative_to(place).parts[:-1])] for f in files)
    named = [[number[name] for name in names if name in number] for names in folders]
    listed = ({"bytes": None, "path": str(f)} for f in files)
    x = torch.from_numpy(channels_first(decoded(listed, how, len(files))).copy())
    y = torch.tensor([ks[-1] for ks in named]) if all(named) else None
    return x, y, _said_beside(place)


def _said_beside(place: Path) -> dict[str, str]:
    """What :func:`say_of_folder` wrote, where the images are those that it was said of."""
    file = place / SAID
    if not file.is_file():
        return {}
    try:
        said = unsummed(json.loads(file.read_text()))
        if said["images"] == _sum_of_files(place):
            return {k: str(said[k]) for k in _ABOUT}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    _warn_changed(place, f" of {SAID}")
    return {}


def _warn_changed(place: Path, of: str = "") -> None:
    warnings.warn(
        f"{place} does not hold the images{of} as jeat sample wrote them: some were added, changed "
        "or taken away, so what it says of who drew them does not count",
        stacklevel=1,
    )


def _of_npz(place: Path, classes: Sequence[str]) -> tuple[Tensor, Tensor | None, dict[str, str]]:
    try:
        with zipfile.ZipFile(place) as archive, np.load(place, allow_pickle=False) as stored:
            check_size(place, sum(i.file_size for i in archive.infolist()), "if you trust it")
            images, labels = (
                next((k for k in names if k in stored), None) for names in (_IMAGES, _LABELS)
            )
            if images is None:
                held = ", ".join(stored.files) or "nothing"
                raise ValueError(f"it holds {held}, and none of {', '.join(_IMAGES)}")
            x = stored[images]
            y = None if labels is None else stored[labels]
            about = {k: str(stored[k]) for k in _ABOUT if {*_ABOUT} <= {*stored.files}}
            names = [str(k) for k in stored["classes"]] if "classes" in stored else [*classes]
            seal = str(stored["sum"]) if "sum" in stored else ""
    except (
        KeyError, ValueError, OSError, RuntimeError, zipfile.BadZipFile, zlib.error, MemoryError,
    ) as error:  # fmt: skip
        raise ValueError(f"{place} is no .npz of images: {line(error)}") from error
    if about and (y is None or seal != sum_of_arrays(x, y, names, about)):
        _warn_changed(place)
        about = {}
    if y is None:
        return torch.from_numpy(np.ascontiguousarray(eight_bits(channels_first(x)))), None, about
    if unknown := sorted({*names} - {*classes}):
        raise ValueError(f"{place} has class {unknown[0]!r}, which the net does not know")
    read = from_arrays(x, y, names)
    return read.x, torch.tensor([classes.index(name) for name in names])[read.y], about
