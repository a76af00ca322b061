"""An image to begin from, and what is kept of it: known pixels, or the means of its blocks."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jeat._support.checks import SettingError, quoted
from jeat.jobs.one_image import image_of, said_of
from jeat.nets import spec_of
from jeat.samplers import BlockMeans, KnownPixels, Sampler, Start
from jeat.sampling import chain_of, sampler_for

__all__ = ["Known", "chain_from", "known_of"]

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


def _label(net: nn.Module, kept: KnownPixels | BlockMeans, label: int | None) -> int:
    """The class of the image, by its data set or else by the net."""
    return int(said_of(net, kept.smooth()[None]).argmax()) if label is None else label
