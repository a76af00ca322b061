"""Image files to pixels."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

__all__ = ["checked", "coloured", "decoded", "image_files", "line"]

_FORMATS = ["PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM"]  # EPS would start Ghostscript


def image_files(
    split: Any, column: str, *folders: Path, seen: dict[tuple[int, int], Path] | None = None
) -> Iterator[Mapping[str, Any]]:
    """The image files of a data set's column, undecoded.

    Args:
        split: of a data set.
        column: of images.
        folders: where its files lie.
        seen: files so far, of all splits, by what the system knows them by; added to.

    Raises:
        ValueError: no image in a row, one that is no file of the data set's ``folders``, or a file
            that was there before, by this or another name.
    """
    seen = {} if seen is None else seen
    for table in split.select_columns(column).with_format("arrow").iter(batch_size=1000):
        yield from checked(table[column].to_pylist(), column, *folders, seen=seen)


def checked(
    files: Iterable[Mapping[str, Any] | None],
    column: str,
    *folders: Path,
    seen: dict[tuple[int, int], Path] | None = None,
) -> Iterator[Mapping[str, Any]]:
    """Files, each of bytes or at a path; arguments and errors as :func:`image_files`."""
    seen = {} if seen is None else seen
    within = {folder.resolve() for folder in folders}
    for file in files:
        if file is None or not (file["bytes"] or file["path"]):
            raise ValueError(f"column {column} has rows without an image: remove them")
        if not file["bytes"]:
            place = Path(os.path.abspath(file["path"]))  # noqa: PTH100  # may itself be a link
            above = {*place.parents, *(place.parent.resolve() / place.name).parents}
            if not (place.is_file() and within & above):
                raise ValueError(f"{place} is no image file of the data set: replace it")
            of = place.stat()
            if (first := seen.setdefault((of.st_dev, of.st_ino), place)) is not place:
                raise ValueError(
                    f"{place} is the file {first} again: no image may be in two splits, or "
                    "twice in one: remove one of them"
                )
        yield file


def decoded(files: Iterable[Mapping[str, Any]]) -> np.ndarray:
    """Image files, each of bytes or at a path -> (N, H, W[, 3]) uint8, grey where all are.

    Raises:
        ValueError: a file that is damaged or of another format than PNG, JPEG, BMP, GIF, TIFF, WebP
            and PPM, pixels of more than 8 bits, images that differ in size.
    """
    formats = _FORMATS
    arrays: list[np.ndarray] = []
    for i, file in enumerate(files):
        name = file["path"] or f"image {i}"
        try:
            image, formats = _open(file, formats)
            pixels = np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGB"))
        except Exception as error:  # a damaged file has Pillow raise many kinds
            raise ValueError(
                f"{name} cannot be decoded: {line(error)}; replace or remove it"
            ) from error
        if image.mode[0] in "IF":
            raise ValueError(f"pixels must be uint8, {name} is {image.mode}: convert it first")
        arrays.append(pixels)
        if pixels.shape[:2] != arrays[0].shape[:2]:
            raise ValueError(
                f"images differ in size ({arrays[0].shape[:2]}, but {name} {pixels.shape[:2]}): "
                "resize them to one square size first"
            )
    return np.stack(coloured(arrays))


def coloured(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Grey arrays (..., H, W) as colour (..., H, W, 3), where one of them is."""
    most = max(a.ndim for a in arrays)
    return [a if a.ndim == most else np.repeat(a[..., None], 3, axis=-1) for a in arrays]


def _open(file: Mapping[str, Any], formats: list[str]) -> tuple[Image.Image, list[str]]:
    """An image, upright, and its format: to be tried first on the next file, which is faster."""
    source = BytesIO(file["bytes"]) if file["bytes"] else file["path"]
    try:
        image: Image.Image = Image.open(source, formats=formats)
    except UnidentifiedImageError:
        if formats is _FORMATS:
            raise
        return _open(file, _FORMATS)
    upright = ImageOps.exif_transpose(image) if image.getexif() else image
    return upright, [image.format or ""]


def line(error: BaseException) -> str:
    """What an error says, in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
