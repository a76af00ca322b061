"""Layers that the architectures share."""

from typing import Literal

import torch
from torch import Tensor, nn

from jeat._support.checks import SettingError, quoted

__all__ = [
    "Activation", "Normalisation", "Normalize", "PerChannel", "Size", "activation_layer",
    "check_sides", "norm_layer", "sides",
]  # fmt: skip

Activation = Literal["relu", "leaky_relu", "silu"]
Normalisation = Literal["none", "batch", "group"]
PerChannel = float | list[float]
Size = int | tuple[int, int]
"""Of images: a side, or (height, width)."""


def sides(size: Size) -> tuple[int, int]:
    """(height, width)."""
    return size if isinstance(size, tuple) else (size, size)


def check_sides(size: Size, least: int = 4) -> tuple[int, int]:
    """:func:`sides`, of which none is too short.

    Raises:
        ValueError: one is.
    """
    if (shorter := min(sides(size))) < least:
        raise ValueError(f"images of {shorter} pixels are too small, {least} is the least")
    return sides(size)


class Normalize(nn.Module):
    """(x - mean) / std: the first layer, which lets every net take images in [0, 1]."""

    only_sums = True

    def __init__(self, mean: PerChannel, std: PerChannel, channels: int) -> None:
        super().__init__()
        for name, value in {"mean": mean, "std": std}.items():
            if isinstance(value, list) and not len(value) == channels:
                raise SettingError(f"{name} takes 1 number or {channels}, got {len(value)}")
        if not all(1e-3 <= s <= 1e3 for s in (std if isinstance(std, list) else [std])):
            raise SettingError(f"std must lie in [0.001, 1000], got {std}")
        self.mean, self.std = (_shaped(v) for v in (mean, std))

    def forward(self, x: Tensor) -> Tensor:
        mean, std = (v.to(x) if isinstance(v, Tensor) else v for v in (self.mean, self.std))
        return (x - mean) / std


def _shaped(value: PerChannel) -> float | Tensor:
    """A number, or numbers (C, 1, 1)."""
    return torch.tensor(value, device="cpu").view(-1, 1, 1) if isinstance(value, list) else value


def activation_layer(name: Activation) -> nn.Module:
    """The activation; LeakyReLU has slope 0.2, as in JEM."""
    match name:
        case "relu":
            return nn.ReLU()
        case "leaky_relu":
            return nn.LeakyReLU(0.2)
        case "silu":
            return nn.SiLU()
    raise SettingError(f"unknown activation {quoted(name)}: use relu, leaky_relu or silu")


def norm_layer(name: Normalisation, channels: int) -> nn.Module:
    """The normalisation layer; groups have 8 channels."""
    match name:
        case "none":
            return nn.Identity()
        case "batch":
            return nn.BatchNorm2d(channels)
        case "group":
            return nn.GroupNorm(max(1, channels // 8), channels)
    raise SettingError(f"unknown norm {quoted(name)}: use none, batch or group")
