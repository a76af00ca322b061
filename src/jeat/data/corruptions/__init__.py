"""The fifteen common corruptions of Hendrycks and Dietterich (2019), at five severities.

Written anew after the paper and its public code, whose constants they have (``_published.py``);
kept libraries have those of ImageNet-C alone, which are far too strong for 32 x 32 pixels. A
corruption is a function of images, the constants of a severity, and a random generator.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from jeat._support.checks import SettingError, is_whole, quoted
from jeat._support.tensors import check_pixels
from jeat.data.corruptions._filters import eight_bits
from jeat.data.corruptions._published import PUBLISHED, SIZES
from jeat.data.corruptions.blur import defocus_blur, glass_blur, motion_blur, zoom_blur
from jeat.data.corruptions.digital import (
    contrast,
    elastic_transform,
    jpeg_compression,
    pixelate,
)
from jeat.data.corruptions.noise import gaussian_noise, impulse_noise, shot_noise
from jeat.data.corruptions.weather import brightness, fog, frost, photographs, snow

__all__ = [
    "KINDS",
    "SEVERITIES",
    "check_kinds",
    "check_seed",
    "corrupted",
    "possible_kinds",
    "published_size",
]

_FUNCTIONS: dict[str, Callable[[Tensor, Any, torch.Generator], Tensor]] = {
    f.__name__: f
    for f in (
        gaussian_noise, shot_noise, impulse_noise, defocus_blur, glass_blur, motion_blur,
        zoom_blur, snow, frost, fog, brightness, contrast, elastic_transform, pixelate,
        jpeg_compression,
    )
}  # fmt: skip

KINDS = tuple(_FUNCTIONS)
"""Their names, in the paper's order."""

SEVERITIES = (1, 2, 3, 4, 5)

_LEAST, _PIXELS = 8, 2**23  # a side, and values that are corrupted at a time


def corrupted(
    x: Float[Tensor, "b c h w"], kind: str, severity: int, *, seed: int = 0
) -> Float[Tensor, "b c h w"]:
    """Images in [0, 1] as a corruption leaves them, of 8 bits, in [0, 1].

    The constants are those of the published set whose side is nearest, by ratio: CIFAR-10-C (32
    pixels), Tiny ImageNet-C (64) or ImageNet-C (224). Reaches of blurs are in pixels, so that
    they hit images far below 32 pixels harder; zoom blur goes by factors. Images are
    rounded to 8 bits first. On the CPU in fp32, whatever the images are on and in;
    they come back so.

    Args:
        x: images.
        kind: one of :data:`KINDS`.
        severity: 1 to 5.
        seed: of what is drawn. The same seed and images give the same result.

    Raises:
        ValueError: an unknown kind or severity, a seed below 0, frost without its photographs,
            images outside of [0, 1], below 8 pixels a side or of other than 1 or 3 channels.
    """
    check_kinds([kind])
    check_seed(seed)
    if severity not in SEVERITIES:
        raise SettingError(f"severities are 1 to 5, got {quoted(severity)}")
    pixels = check_pixels(x)
    if pixels.shape[1] not in (1, 3) or min(pixels.shape[2:]) < _LEAST:
        raise ValueError(
            f"corruptions take images of 1 or 3 channels and at least {_LEAST} pixels a side, got "
            f"{' x '.join(map(str, pixels.shape[1:]))}"
        )
    constants = PUBLISHED[kind][published_size(*pixels.shape[2:])][severity - 1]
    state = np.random.SeedSequence([seed, KINDS.index(kind), severity]).generate_state(1)
    rng = torch.Generator().manual_seed(int(state[0]))
    parts = pixels.split(max(1, _PIXELS // max(1, pixels[0].numel())))
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        found = [
            eight_bits(_FUNCTIONS[kind]((part.cpu().float() * 255).round() / 255, constants, rng))
            for part in parts
        ]
    return torch.cat(found).to(x)


def published_size(height: int, width: int) -> int:
    """Which published set has the constants for such images: 32, 64 or 224, by the shorter side."""
    side = min(height, width)
    return min(SIZES, key=lambda size: abs(math.log(side / size)))


def check_kinds(kinds: Sequence[str]) -> None:
    """Check that there are such corruptions, and what they need.

    Raises:
        SettingError: there are none, or the photographs of frost are not installed.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise SettingError(f"unknown corruption {quoted(kind)}: they are {', '.join(KINDS)}")
        if kind == frost.__name__:
            photographs()


def check_seed(seed: int) -> None:
    """Check what :func:`corrupted` draws by.

    Raises:
        SettingError: no whole number of at least 0.
    """
    if not is_whole(seed, 0):
        raise SettingError(f"seed must be a whole number of at least 0, got {quoted(seed)}")


def possible_kinds() -> tuple[str, ...]:
    """The kinds that can be made here: all, or all but frost where its photographs are missing."""
    try:
        photographs()
    except SettingError:
        return tuple(kind for kind in KINDS if kind != frost.__name__)
    return KINDS
