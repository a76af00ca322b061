"""Layers that the architectures share."""

from typing import Literal

from torch import Tensor, nn

from jeat._support.checks import SettingError, quoted

__all__ = ["Activation", "Normalisation", "Normalize", "activation_layer", "norm_layer"]

Activation = Literal["relu", "leaky_relu", "silu"]
Normalisation = Literal["none", "batch", "group"]


class Normalize(nn.Module):
    """(x - mean) / std: the first layer, which lets every net take images in [0, 1]."""

    only_sums = True

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        if not 1e-3 <= std <= 1e3:
            raise SettingError(f"std must lie in [0.001, 1000], got {std}")
        self.mean, self.std = mean, std

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


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
