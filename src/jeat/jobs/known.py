"""An image to begin from, and what is kept of it: known pixels, or the means of its blocks."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from jeat._support.checks import SettingError, plainly, quoted
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
from jeat.samplers import BlockMeans, KnownPixels, Sampler, Start
from jeat.sampling import chain_of, sampler_for

__all__ = ["Known", "chain_from", "image_of", "known_of", "said_of", "subject_of_image"]

MISSING = 0.5  # grey of what is missing, where it is shown
SHORTER = 8  # how many times, the chains that begin at an image


@dataclass(frozen=True)
class Known:
    """What is known of an image.

    Attributes:
        kept: takes states of chains to the nearest images that agree with it.
        shown: it as a picture: grey where pixels are missing, blocks of one colour.
        label: the class of the image, by its data set or else by the net.
        whole: the image itself, where all of it is there.
    """

    kept: KnownPixels | BlockMeans
    shown: Float[Tensor, "c h w"]
    label: int
    whole: Float[Tensor, "c h w"] | None


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


@plainly()
def _of_file(name: str, channels: int, size: tuple[int, int]) -> Tensor:
    """The pixels (C, H, W) of an image file, at a size and of so many channels."""
    file = expanded(name)
    if "\0" in name or not file.is_file():
        raise ValueError(
            f"no image {quoted(name)}: give an image file, or test:17 for a test image of the "
            "net's data"
        )
    files = [{"path": str(file), "bytes": None}]
    x = decoded(files, Reading(size=size, background="white"), 1)[0]
    if channels == 1:
        x = np.array(Image.fromarray(x).convert("L"))
    planes = torch.from_numpy(x).float().view(*size, -1).movedim(-1, 0) / 255
    if len(planes) not in (1, channels):
        raise ValueError(f"{name} is in colour, and the net takes {channels} channels")
    return planes.expand(channels, *size).contiguous()


def known_of(
    name: str, net: nn.Module, *, inpaint: Sequence[str] = (), enlarge: int | None = None
) -> Known:
    """What is kept of an image.

    Args:
        name: as of :func:`image_of`; to be enlarged, a file is brought to the net's size over
            ``enlarge``, and a test image averaged to it.
        net: of :func:`jeat.load`.
        inpaint: what is filled in: a mask's file, white there, or the sides of a rectangle,
            left, top, right and bottom, in pixels of the net's images.
        enlarge: by which factor a low-resolution image is enlarged.

    Raises:
        ValueError: neither or both of the two; a mask, rectangle or factor that does not fit; as
            :func:`image_of`.
    """
    if bool(inpaint) == (enlarge is not None):
        raise SettingError("an image is either filled in, by --inpaint, or enlarged, by --super")
    if enlarge is None:
        image, label = image_of(name, net)
        known = ~_hole(inpaint, net)
        shown = image.where(known, MISSING)
        kept: KnownPixels | BlockMeans = KnownPixels(image, known)
        return Known(kept, shown, _label(net, kept, label), image)
    _, height, width = spec_of(net).shape
    if enlarge < 2 or height % enlarge or width % enlarge:
        raise SettingError(
            f"--super must be 2 or more and divide {width} x {height}, the net's images, got "
            f"{enlarge}"
        )
    image, label = image_of(name, net, (height // enlarge, width // enlarge))
    whole = image if image.shape[1:] == (height, width) else None
    kept = BlockMeans(image, enlarge) if whole is None else BlockMeans.of(whole, enlarge)
    shown = kept.low.repeat_interleave(enlarge, 1).repeat_interleave(enlarge, 2)
    return Known(kept, shown, _label(net, kept, label), whole)


def _hole(inpaint: Sequence[str], net: nn.Module) -> Tensor:
    """Where (H, W) an image is to be filled in.

    Raises:
        SettingError: no rectangle within the image; a mask that is all white or all black.
    """
    _, height, width = spec_of(net).shape
    if len(inpaint) == 1:
        hole = image_of(inpaint[0], net)[0].mean(0) > 0.5
    else:
        sides = [int(w) for w in inpaint if re.fullmatch("[0-9]{1,6}", w)]
        if len(sides) != 4 or len(inpaint) != 4:
            raise SettingError(
                "--inpaint takes a mask image, white where it is filled in, or LEFT TOP RIGHT "
                f"BOTTOM in pixels, got {' '.join(map(quoted, inpaint))}"
            )
        left, top, right, bottom = sides
        if not (left < right <= width and top < bottom <= height):
            raise SettingError(
                f"--inpaint {left} {top} {right} {bottom} is no rectangle, LEFT TOP RIGHT BOTTOM, "
                f"in an image of {width} x {height}"
            )
        hole = torch.zeros(height, width, dtype=torch.bool)
        hole[top:bottom, left:right] = True
    if hole.all() or not hole.any():
        raise SettingError(
            f"--inpaint leaves {'nothing' if hole.all() else 'all'} of the image as it is: "
            "choose a part of it"
        )
    return hole


def chain_from(
    net: nn.Module, known: Known | None, chain: Mapping[str, Any], start: Start | None
) -> tuple[Sampler, Start | None]:
    """A chain and its start; where an image is known, they keep what is known of it.

    A chain that is not told otherwise then starts from the image, filled in or enlarged smoothly,
    and takes an eighth of the net's own steps: such a start is nearer to an image than noise is.

    Args:
        net: whose chain it is.
        known: of :func:`known_of`.
        chain: what is said of it, as :func:`jeat.sampling.sampler_for` takes it.
        start: another than the usual one.
    """
    if known is None:
        return sampler_for(net, **chain), start
    steps, keep = chain["steps"], known.kept
    if steps == "own":
        steps = -(-chain_of(net).steps // SHORTER)
    sampler = sampler_for(net, bounds=keep, **{**chain, "steps": steps})
    if start is None:
        return sampler, lambda y: keep.smooth().to(y.device).expand(len(y), -1, -1, -1)
    return sampler, lambda y: keep(start(y))


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


def _label(net: nn.Module, kept: KnownPixels | BlockMeans, label: int | None) -> int:
    """The class of the image, by its data set or else by the net."""
    return int(said_of(net, kept.smooth()[None]).argmax()) if label is None else label
