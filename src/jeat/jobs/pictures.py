"""Drawn images out: a grid with the names of classes, single files by class, or arrays."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor

from jeat._support.file_names import as_file_name
from jeat._support.files import expanded, whole_file, whole_place
from jeat._support.tensors import check_pixels
from jeat.data.loose import say_of_folder, sum_of_arrays
from jeat.figures import legible, rows

__all__ = ["named_grid", "write_arrays", "write_grid", "write_picture", "write_singles"]

COLUMNS = 10  # images beside each other in a grid


def named_grid(
    images: Float[Tensor, "b c h w"], labels: Int[Tensor, " b"], classes: Sequence[str]
) -> Image.Image:
    """Images in [0, 1] with the name of their class before them, ten beside each other.

    Classes stand in the order in which their first images come. Small images are enlarged by a
    whole factor, as far as :func:`jeat.figures.fitting` says: the fewer, the larger.

    Raises:
        ValueError: no image, pixels outside of [0, 1], or NaN.
    """
    names = legible(classes)
    found = {names[k]: images[labels == k] for k in dict.fromkeys(labels.tolist())}
    return rows(found, columns=COLUMNS, gap=4)


def write_grid(out: str | Path, images: Tensor, labels: Tensor, classes: Sequence[str]) -> None:
    """:func:`write_picture` of :func:`named_grid`."""
    write_picture(named_grid(images, labels, classes), out)


def write_picture(picture: Image.Image, out: str | Path) -> None:
    """Write a picture as a .png, .webp (without loss) or .pdf."""
    with whole_file(out) as part:
        picture.save(part, lossless=True)  # which means something to .webp only


def write_arrays(
    out: str | Path,
    images: Tensor,
    labels: Tensor,
    classes: Sequence[str],
    about: Mapping[str, str],
) -> None:
    """Write an .npz that ``--data`` reads: ``images``, ``labels`` and ``classes``.

    Images are uint8 (N, H, W, C); grey ones have no last axis. ``about`` says how they came, as of
    :func:`jeat.jobs.image_files.load_images`, and ``sum`` that they are as they were written.
    """
    arrays = _pixels(images), labels.cpu().numpy()
    texts = {**about, "sum": sum_of_arrays(*arrays, classes, about), "classes": classes}
    with whole_file(out) as part:
        kept = dict(zip(("images", "labels"), arrays, strict=True))
        named = {k: np.array(v) for k, v in texts.items()}
        np.savez_compressed(part, allow_pickle=False, **kept, **named)


def write_singles(
    out: str | Path,
    images: Tensor,
    labels: Tensor,
    classes: Sequence[str],
    about: Mapping[str, str],
) -> None:
    """Write a folder of PNGs, ``CLASS/NUMBER.png``, as ``--data`` reads it.

    What no file name may have is written as in addresses, ``%2F``, and read back by ``--data`` and
    ``--samples``. A small file beside the folders says how the images came, as ``about`` does.
    """
    with whole_place(expanded(out)) as place:
        for i, (pixels, k) in enumerate(zip(_pixels(images), labels.tolist(), strict=True)):
            folder = place / as_file_name(classes[k])
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / f"{i:05d}.png")
        say_of_folder(place, about)


def _pixels(images: Tensor) -> np.ndarray:
    """Images in [0, 1] as an image file has them."""
    x = (check_pixels(images).detach().float() * 255).round().byte().cpu().numpy()
    return x[:, 0] if x.shape[1] == 1 else np.moveaxis(x, 1, 3)
