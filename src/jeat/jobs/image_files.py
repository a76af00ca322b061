"""Drawn images in a file that knows how they came."""

from dataclasses import replace
from pathlib import Path

from torch import Tensor

from jeat._support.checks import plainly
from jeat._support.files import whole_file
from jeat._support.sealed import load_sealed, save_sealed
from jeat._support.tensors import check_pixels
from jeat.jobs.drawing import Drawing, draw
from jeat.nets import digest

__all__ = ["about", "draw_to", "load_images", "save_images"]


def draw_to(file: Path, d: Drawing) -> None:
    """Draw into a ``.safetensors`` file, unless the same drawing from the same net lies there."""
    try:
        kept, asked = load_images(file)[2], about(file, d)
        if all(kept[k] == asked[k] for k in ("what", "net_sha256")):
            return
    except ValueError:
        pass
    save_images(file, *draw(d), d)


def save_images(file: Path, images: Tensor, labels: Tensor, d: Drawing) -> None:
    """Images in [0, 1], rounded to 8 bits as an image file would, labels, and how they came.

    Raises:
        ValueError: images outside of [0, 1], or NaN.
    """
    tensors = {"images": (check_pixels(images) * 255).round().byte(), "labels": labels}
    with whole_file(file) as part:
        save_sealed(part, about(file, d), tensors)


def about(file: str | Path, d: Drawing) -> dict[str, str]:
    """How images came that are drawn into ``file``, as :func:`load_images` gives it."""
    what = replace(d, net="NET").command("FILE")
    return {"command": d.command(str(file)), "what": what, "net_sha256": digest(d.net)}


@plainly()
def load_images(file: Path) -> tuple[Tensor, Tensor, dict[str, str]]:
    """Images (N, C, H, W) in [0, 1], labels, and how they came.

    That is ``"command"``, the same without paths as ``"what"``, and ``"net_sha256"``.

    Raises:
        ValueError: no such file, or not one of :func:`save_images`, as it was saved.
    """
    try:
        header, tensors = load_sealed(file)
        kept = {k: header[k] for k in ("command", "what", "net_sha256")}
        return tensors["images"].float() / 255, tensors["labels"], kept
    except KeyError as error:
        raise ValueError(f"{file} was not made by jeat sample") from error
    except ValueError as error:
        raise ValueError(f"{file} holds no images of jeat sample: {error}") from error
