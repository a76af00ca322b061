"""Images that somebody made, with or without labels: a folder of image files, or an ``.npz``."""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from jeat._support.reading import Reading
from jeat.data.decode import decoded, line
from jeat.data.images import channels_first, eight_bits, from_arrays
from jeat.data.sources._archive import check_size

__all__ = ["loose_images"]

_ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}
_IMAGES, _LABELS = ("images", "arr_0", "samples", "x"), ("labels", "arr_1", "y")
_ABOUT = "command", "what", "net_sha256"


def loose_images(
    place: str | Path, classes: Sequence[str]
) -> tuple[UInt8[Tensor, "n c h w"], Int[Tensor, " n"] | None, dict[str, str]]:
    """Images of a folder or an ``.npz``, their labels where it says them, and how they came.

    A folder is read whole, in the order of names. Where each file lies in a folder that is named as
    one of ``classes``, that is its label. An ``.npz`` holds ``images``, ``arr_0``, ``samples`` or
    ``x``, and perhaps ``labels``, ``arr_1`` or ``y``, with the names of their ``classes``. One of
    ``jeat sample`` says its command, and which net drew them.

    Args:
        place: folder or file.
        classes: the names of the classes that labels count.

    Raises:
        FileNotFoundError: nothing is there.
        ValueError: no image, images that differ in size or cannot be read, labels that do not fit.
    """
    place = Path(place)
    if place.is_dir():
        return *_of_folder(place, classes), {}
    if not place.exists():
        raise FileNotFoundError(f"no images at {place}")
    return _of_npz(place, classes)


def _of_folder(place: Path, classes: Sequence[str]) -> tuple[Tensor, Tensor | None]:
    files = sorted(f for f in place.rglob("*") if f.suffix.lower() in _ENDINGS and f.is_file())
    if not files:
        raise ValueError(
            f"{place} holds no image files: give a folder of some, an .npz or a file of jeat sample"
        )
    number = {name: k for k, name in enumerate(classes)}
    folders = ([*map(unquote, f.relative_to(place).parts[:-1])] for f in files)
    named = [[number[name] for name in names if name in number] for names in folders]
    listed = ({"bytes": None, "path": str(f)} for f in files)
    x = torch.from_numpy(channels_first(decoded(listed, Reading(), len(files))).copy())
    return x, torch.tensor([ks[-1] for ks in named]) if all(named) else None


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
    except (
        KeyError, ValueError, OSError, RuntimeError, zipfile.BadZipFile, zlib.error, MemoryError,
    ) as error:  # fmt: skip
        raise ValueError(f"{place} is no .npz of images: {line(error)}") from error
    if y is None:
        return torch.from_numpy(np.ascontiguousarray(eight_bits(channels_first(x)))), None, about
    if unknown := sorted({*names} - {*classes}):
        raise ValueError(f"{place} has class {unknown[0]!r}, which the net does not know")
    read = from_arrays(x, y, names)
    return read.x, torch.tensor([classes.index(name) for name in names])[read.y], about
