"""One image by its name, a file or a test image, as a net takes it, and what the net says of it."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from jeat._support.checks import plainly, quoted
from jeat._support.files import expanded
from jeat._support.passes import logits_of
from jeat._support.reading import Reading
from jeat._support.tensors import check_finite
from jeat._support.words import numbers_of
from jeat.data import load_data
from jeat.data.decode import decoded
from jeat.jobs.inputs import check_fit, data_of, net_of, seed_all
from jeat.metrics import Subject
from jeat.nets import evaluating, spec_of

__all__ = ["image_in", "image_of", "said_of", "subject_of_image"]


def image_of(
    name: str,
    net: nn.Module,
    size: tuple[int, int] | None = None,
    source: str | None = None,
) -> tuple[Float[Tensor, "c h w"], int | None]:
    """An image in [0, 1] as the net takes it, and its label where a data set gives it one.

    Args:
        name: an image file, which is brought to the net's size as by ``--size`` and to its
            channels; or ``test:17``, a test image of the data, counted from 0.
        net: of :func:`jeat.load`.
        size: (H, W), another than the net's, which is for files only.
        source: the data set of ``test:17``; None is the one that the net was trained on.

    Raises:
        ValueError: no such image, one that cannot be decoded.
    """
    spec = spec_of(net)
    if at := re.fullmatch(r"test:([0-9]{1,12})", name):
        data = load_data(data_of(net) if source is None else source)
        check_fit("the net", net, data)
        if (i := int(at[1])) >= len(data.test):
            raise ValueError(f"no image {name}: test images are 0..{len(data.test) - 1}")
        return data.test.x[i].float() / 255, int(data.test.y[i])
    return _of_file(name, spec.channels, size or (spec.shape[1], spec.shape[2])), None


def image_in(
    file: Mapping[str, Any], channels: int, size: tuple[int, int]
) -> Float[Tensor, "c h w"]:
    """The pixels in [0, 1] of an image file, brought to a size and to so many channels.

    Args:
        file: its ``bytes``, or its ``path``, which errors call it by.
        channels: of the image; one in colour has 3.
        size: (H, W).

    Raises:
        ValueError: it cannot be decoded, or is in colour where there are 2 channels or above 3.
    """
    x = decoded([file], Reading(size=size, background="white"), 1)[0]
    if channels == 1:
        x = np.array(Image.fromarray(x).convert("L"))
    planes = torch.from_numpy(x).float().view(*size, -1).movedim(-1, 0) / 255
    if len(planes) not in (1, channels):
        raise ValueError(f"{file['path']} is in colour, and the net takes {channels} channels")
    return planes.expand(channels, *size).contiguous()


def subject_of_image(
    name: str, image: str, *, label: str | None, source: str | None, seed: int
) -> Subject:
    """A net, one image, and the image's class.

    Args:
        name: of the net.
        image, source: as :func:`image_of`.
        label: the class by name; None is that of the data set or, of a file, what the net says.
        seed: of what comes.

    Raises:
        ValueError: as :func:`image_of`; no such class.
    """
    seed_all(seed)
    net = net_of(name)
    x, known = image_of(image, net, source=source)
    if label is not None:
        (known,) = numbers_of([label], spec_of(net).classes)
    x = x[None].to(next(net.parameters(), x).device)
    y = said_of(net, x).argmax(1) if known is None else torch.tensor([known])
    seed_all(seed)
    return Subject(net, x, y.to(x.device), classes=spec_of(net).classes)


@torch.no_grad()
def said_of(net: nn.Module, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k"]:
    """The net's logits of images, in eval mode, on the CPU.

    Raises:
        NotFiniteError: they are NaN or infinite.
    """
    with evaluating(net):
        logits = logits_of(net, x.to(next(net.parameters(), x).device)).float().cpu()
    check_finite(logits, "the net's logits are NaN or infinite at {} images: try another net")
    return logits


@plainly()
def _of_file(name: str, channels: int, size: tuple[int, int]) -> Tensor:
    """The pixels (C, H, W) of an image file, at a size and of so many channels."""
    file = expanded(name)
    if "\0" in name or not file.is_file():
        raise ValueError(
            f"no image {quoted(name)}: give an image file, or test:17 for a test image of the "
            "net's data"
        )
    return image_in({"path": str(file), "bytes": None}, channels, size)
