"""Image files to pixels."""

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from jeat._support.reading import Reading
from jeat.data.images import SIXTEEN, eight_bits
from jeat.data.sizes import check_room, fitted

__all__ = [
    "FORMATS", "checked", "coloured", "decoded", "image_files", "line", "pixels_of", "together",
]  # fmt: skip

_ALPHA = "alpha is dropped: transparent pixels show black; name a colour by --background"
_FRAMES = "of images with several frames or pages, the first is taken"
_CONVERT = "convert it to 8 bits first"
FORMATS = ["PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM"]
"""What is opened, by Pillow's names: EPS would start Ghostscript."""


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


def decoded(files: Iterable[Mapping[str, Any]], how: Reading, total: int) -> np.ndarray:
    """Image files, each of bytes or at a path -> (N, H, W[, 3]) uint8, grey where all are.

    Pixels of 16 bits are scaled to 8. Transparent ones show ``how.background``.

    Args:
        files: those of a split.
        how: they are read.
        total: how many all splits have, which must find room once the first is decoded.

    Raises:
        ValueError: a file that is damaged or of another format than PNG, JPEG, BMP, GIF, TIFF, WebP
            and PPM, pixels of floats or of more than 16 bits, images that differ in size where
            ``how.size`` is None; too many or too large for the machine's memory.
    """
    said: set[str] = set()
    x = together(_pixels(files, how, said), total)
    for text in sorted(said):
        warnings.warn(text, stacklevel=1)
    return x


def _pixels(
    files: Iterable[Mapping[str, Any]], how: Reading, said: set[str]
) -> Iterator[tuple[str, np.ndarray]]:
    """The name and the pixels of each file."""
    formats = FORMATS
    for i, file in enumerate(files):
        name = file["path"] or f"image {i}"
        try:
            image, formats, texts = _open(file, formats)
            image.load()
        except Exception as error:  # a damaged file has Pillow raise many kinds
            raise ValueError(
                f"{name} cannot be decoded: {line(error)}; replace or remove it"
            ) from error
        said |= texts
        yield name, pixels_of(image, name, how, said)


def pixels_of(image: Image.Image, name: str, how: Reading, said: set[str]) -> np.ndarray:
    """An image -> (H, W[, 3]) uint8; what is to be said of it is added to ``said``.

    Raises:
        ValueError: pixels of floats, or of more than 16 bits.
    """
    if image.mode[0] in "IF":
        image = _of_8_bits(image, name)
        said.add(SIXTEEN)
    if image.has_transparency_data:
        image = _composed(image, how, said)
    image = image.convert("L" if image.mode in ("1", "L") else "RGB")
    return np.asarray(image if how.size is None else fitted(image, how.size))


def together(images: Iterable[tuple[str, np.ndarray]], total: int = 1) -> np.ndarray:
    """Images (H, W[, 3]), each with its name, as one array, grey where all are.

    Raises:
        ValueError: they differ in size, or they, or ``total`` of them, find no room.
    """
    arrays: list[np.ndarray] = []
    for name, x in images:
        check_room(max(total, len(arrays) + 1), x.nbytes)
        arrays.append(x)
        if x.shape[:2] != arrays[0].shape[:2]:
            raise ValueError(
                f"images differ in size ({arrays[0].shape[:2]}, but {name} {x.shape[:2]}): bring "
                "them to one by --size 32, or size=32 in Python"
            )
    return np.stack(coloured(arrays))


def _of_8_bits(image: Image.Image, name: str) -> Image.Image:
    """An image of whole numbers from 0 to 65535 as one of 0 to 255."""
    if image.mode == "F":
        raise ValueError(f"{name} has pixels of floats, whose range no file says: {_CONVERT}")
    x = np.asarray(image)
    least, most = int(x.min()), int(x.max())
    if least < 0 or most > 65535:
        raise ValueError(f"{name} has pixels of {least}..{most}, beyond 16 bits: {_CONVERT}")
    return Image.fromarray(eight_bits(x.astype(np.uint16)))


def _composed(image: Image.Image, how: Reading, said: set[str]) -> Image.Image:
    """An image on the colour that is behind its transparent pixels; what is said of it is added."""
    grey = image.mode in ("LA", "La", "L", "1")
    whole = image.convert("RGBA")
    if np.asarray(whole)[..., 3].min() < 255:
        if how.background is None:
            said.add(_ALPHA)
        red, green, blue = how.rgb
        grey = grey and red == green == blue
        whole = Image.alpha_composite(Image.new("RGBA", whole.size, (*how.rgb, 255)), whole)
    return whole.convert("L" if grey else "RGB")


def coloured(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Grey arrays (..., H, W) as colour (..., H, W, 3), where one of them is."""
    most = max(a.ndim for a in arrays)
    return [a if a.ndim == most else np.repeat(a[..., None], 3, axis=-1) for a in arrays]


def _open(file: Mapping[str, Any], formats: list[str]) -> tuple[Image.Image, list[str], set[str]]:
    """An image, upright, with its format and what is to be said of it.

    The format is to be tried first on the next file, which is faster.
    """
    source = BytesIO(file["bytes"]) if file["bytes"] else file["path"]
    try:
        image: Image.Image = Image.open(source, formats=formats)
    except UnidentifiedImageError:
        if formats is FORMATS:
            raise
        return _open(file, FORMATS)
    coded = str(getattr(image, "tile", ""))  # colours of 16 bits are opened at 8
    texts = {SIXTEEN} if ";16" in coded else set[str]()
    if getattr(image, "is_animated", False) and image.format != "MPO":  # a preview is no frame
        texts.add(_FRAMES)
    upright = ImageOps.exif_transpose(image) if image.getexif() else image
    return upright, [image.format or ""], texts


def line(error: BaseException) -> str:
    """What an error says, in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
