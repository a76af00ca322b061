"""Weather: snow, frost, fog, and a brighter day."""

import importlib.util
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from jeat._support.checks import SettingError
from jeat.data.corruptions._filters import angles, clipped_zoom, eight_bits, streaked

__all__ = ["brightness", "fog", "frost", "photographs", "snow"]

_PACKAGE = "imagecorruptions"  # the module of imagecorruptions-imaug
_LUMA = (0.299, 0.587, 0.114)
_FIRST = 5  # of the six photographs: the published code draws among these


def snow(x: Tensor, c: tuple[float, ...], rng: torch.Generator) -> Tensor:
    """x, paler, below flakes that streak down at U(-135, -45) degrees, and their half turn.

    c is the mean and deviation of the noise that flakes are made of, its enlargement, the value
    that a flake is above, radius and deviation of the streaks, and the share of x that stays.
    """
    mean, deviation, zoom, least, radius, sigma, stays = c
    n, channels, height, width = x.shape
    flakes = mean + deviation * torch.randn(n, 1, height, width, generator=rng)
    flakes = clipped_zoom(flakes, zoom)
    flakes = eight_bits(flakes.where(flakes >= least, 0))
    flakes = streaked(flakes, angles(n, -135, -45, rng), int(radius), sigma)
    grey = x if channels == 1 else torch.tensordot(x, torch.tensor(_LUMA), ([1], [0]))[:, None]
    pale = stays * x + (1 - stays) * torch.maximum(x, grey * 1.5 + 0.5)
    return pale + flakes + flakes.flip(2, 3)


def frost(x: Tensor, c: tuple[float, float, float], rng: torch.Generator) -> Tensor:
    """a x + b times a piece of a photograph of frost, scaled by s; c is (a, b, s).

    Photographs are drawn, and where the piece lies in them. One that is too small is enlarged.

    Raises:
        SettingError: the package that has the photographs is not installed.
    """
    image, ice, scale = c
    height, width = x.shape[2:]
    files, pieces = photographs(), []
    for _ in range(len(x)):
        which, *at = torch.rand(3, generator=rng).tolist()
        photograph = _scaled(files[int(which * _FIRST)], scale, height, width)
        rooms = (photograph.shape[1] - height, photograph.shape[2] - width)
        top, left = (int(u * room) for u, room in zip(at, rooms, strict=True))
        pieces.append(photograph[:, top : top + height, left : left + width])
    frosted = torch.stack(pieces)
    return image * x + ice * (frosted if x.shape[1] == 3 else frosted.mean(1, keepdim=True))


def photographs() -> list[Path]:
    """Files of the photographs of frost, in the published order.

    Raises:
        SettingError: the package that has them is not installed.
    """
    found = importlib.util.find_spec(_PACKAGE)
    places = [] if found is None else found.submodule_search_locations or []
    files = [f for place in places for f in sorted(Path(place, "frost").glob("frost[1-6].*"))]
    if len(files) < _FIRST:
        raise SettingError(
            "frost needs the photographs of imagecorruptions-imaug: pip install 'jeat[corruptions]'"
        )
    return files


@lru_cache(16)
def _scaled(file: Path, scale: float, height: int, width: int) -> Tensor:
    """A photograph (3, h, w), scaled, or enlarged so that a piece of height x width fits in."""
    with Image.open(file) as opened:
        pixels = np.asarray(opened.convert("RGB"))
    photograph = torch.from_numpy(pixels.copy()).movedim(2, 0)[None] / 255
    h, w = photograph.shape[2:]
    scale = max(scale, (height + 1) / h, (width + 1) / w)
    if scale == 1:
        return photograph[0]
    size = [round(h * scale), round(w * scale)]
    return F.interpolate(photograph, size=size, mode="bilinear", align_corners=False)[0]


def fog(x: Tensor, c: tuple[float, float], rng: torch.Generator) -> Tensor:
    """(x + a h) max x / (max x + a), h in [0, 1] a fractal of its own; c is (a, its decay)."""
    amount, decay = c
    height, width = x.shape[2:]
    clouds = _plasma(len(x), 1 << (max(height, width) - 1).bit_length(), decay, rng)
    brightest = x.amax((1, 2, 3), keepdim=True)
    return (x + amount * clouds[:, None, :height, :width]) * brightest / (brightest + amount)


def _plasma(n: int, side: int, decay: float, rng: torch.Generator) -> Tensor:
    """Heights in [0, 1] (n, side, side) by the diamond-square algorithm, on a torus.

    A new point is the mean of four around it, and U(-w^2, w^2), where w begins at 100 and is
    divided by ``decay`` with each halving of the distance.
    """
    heights, step, w = torch.zeros(n, side, side, dtype=torch.float64), side, 100.0

    def moved(total: Tensor) -> Tensor:
        u = torch.rand(total.shape, generator=rng, dtype=torch.float64)
        return total / 4 + w * w * (2 * u - 1)

    while step >= 2:
        half = step // 2
        corners = heights[:, ::step, ::step].clone()
        across = corners + corners.roll(-1, 2)
        middles = moved(across + across.roll(-1, 1))
        heights[:, half::step, half::step] = middles
        heights[:, ::step, half::step] = moved(across + middles + middles.roll(1, 1))
        down = corners + corners.roll(-1, 1)
        heights[:, half::step, ::step] = moved(down + middles + middles.roll(1, 2))
        step, w = half, w / decay
    heights -= heights.amin((1, 2), keepdim=True)
    return (heights / heights.amax((1, 2), keepdim=True)).float()


def brightness(x: Tensor, shift: float, rng: torch.Generator) -> Tensor:
    """x with the value of HSV, the largest channel, shifted; hue and saturation stay."""
    value = x.amax(1, keepdim=True)
    after = (value + shift).clamp(max=1)
    return torch.where(value > 0, x * after / value.clamp(min=1e-6), after)
