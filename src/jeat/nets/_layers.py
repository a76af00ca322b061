"""Layers that the architectures share."""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from jeat._support.checks import SettingError, quoted

__all__ = [
    "Activation", "Named", "Normalisation", "Normalize", "PerChannel", "Size", "activation_layer",
    "by_name", "check_sides", "norm_layer", "sides",
]  # fmt: skip

Activation = Literal["relu", "leaky_relu", "silu", "softplus"]
Normalisation = Literal["none", "batch", "group"]
PerChannel = float | list[float]
Size = int | tuple[int, int]
"""Of images: a side, or (height, width)."""

_MOST = 10  # pixels in [0, 1] deviate by half at most; code of others may shift and scale them


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
            if isinstance(value, list) and len(value) != channels:
                numbers = "1 number" if channels == 1 else f"1 number or {channels}"
                raise SettingError(
                    f"{name} takes {numbers} for images of C={channels}, got {len(value)}"
                )
            least = 1e-3 if name == "std" else -_MOST
            values = value if isinstance(value, list) else [value]
            if not all(least <= v <= _MOST for v in values):
                raise SettingError(
                    f"{name} must lie in [{least:g}, {_MOST}], as images are in [0, 1], got "
                    f"{value}: divide one of pixels in 0..255 by 255"
                )
        self.mean, self.std = (_shaped(v) for v in (mean, std))

    def forward(self, x: Tensor) -> Tensor:
        mean, std = (_beside(v, x) for v in (self.mean, self.std))
        return (x - mean) / std


class Named(nn.Sequential):
    """Layers in their order, each with a name that its weights have in files.

    Weights that are named by the positions of their layers, as version 0.1.0 did, are taken, too.
    """

    only_sums = True

    def __init__(self, layers: Mapping[str, nn.Module]) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *others: Any) -> None:
        now = _named(self, prefix, state_dict)
        state_dict.clear()
        state_dict.update(now)
        super()._load_from_state_dict(state_dict, prefix, *others)


def by_name(module: nn.Module, weights: Mapping[str, Any]) -> dict[str, Any]:
    """Weights, or else of layers, by the names in ``module``, where 0.1.0 named positions."""
    found = dict(weights)
    for name, m in module.named_modules():
        if isinstance(m, Named):
            found = _named(m, f"{name}." if name else "", found)
    return found


def _named(m: Named, prefix: str, weights: Mapping[str, Any]) -> dict[str, Any]:
    """``weights``, with the names of the layers of ``m`` for their positions."""
    names = dict(zip(map(str, range(len(m))), m._modules, strict=True))
    n, found = len(prefix), {}
    for key, value in weights.items():
        layer, dot, rest = key[n:].partition(".")
        own = key.startswith(prefix) and layer in names
        found[f"{prefix}{names[layer]}{dot}{rest}" if own else key] = value
    return found


def _beside(value: float | Tensor, x: Tensor) -> float | Tensor:
    """``value`` on the device and in the dtype of ``x``; as it is, where an export may hold it."""
    if not isinstance(value, Tensor) or (value.device, value.dtype) == (x.device, x.dtype):
        return value
    return value.to(x)


def _shaped(value: PerChannel) -> float | Tensor:
    """A number, or numbers (C, 1, 1)."""
    return torch.tensor(value, device="cpu").view(-1, 1, 1) if isinstance(value, list) else value


def activation_layer(name: Activation) -> nn.Module:
    """The activation; LeakyReLU has slope 0.2, as in JEM, and softplus beta 10: a rounded ReLU."""
    match name:
        case "relu":
            return nn.ReLU()
        case "leaky_relu":
            return nn.LeakyReLU(0.2)
        case "silu":
            return nn.SiLU()
        case "softplus":
            return nn.Softplus(beta=10)
    raise SettingError(f"unknown activation {quoted(name)}: use relu, leaky_relu, silu or softplus")


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
