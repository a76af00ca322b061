"""Layers of Glow: each takes z to another z, with log |det| of its Jacobian, and back."""

import math
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from jeat.nets._layers import Activation, activation_layer

__all__ = ["Actnorm", "Level", "log_normal"]

_LEAST = 1e-3  # deviation of a channel that hardly varies, so that it is not blown up


class Actnorm(nn.Module):
    """(z + shift) exp(log_scale), with a shift and a scale for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(channels, 1, 1))
        self.log_scale = nn.Parameter(torch.zeros(channels, 1, 1))

    @torch.no_grad()
    def fit(self, z: Tensor) -> None:
        """Have these z come out with mean 0 and deviation 1 in each channel."""
        values = z.to(self.shift).transpose(0, 1).flatten(1)
        self.shift.copy_(-values.mean(1).view_as(self.shift))
        deviation = values.std(1, correction=0).clamp(min=_LEAST)
        self.log_scale.copy_(-deviation.log().view_as(self.log_scale))

    def forward(self, z: Tensor) -> Tensor:
        return (z + self.shift) * self.log_scale.exp()

    def inverse(self, z: Tensor) -> Tensor:
        """What is taken to z."""
        return z * (-self.log_scale).exp() - self.shift


class Mix(nn.Module):
    """A linear map of the channels, P L (U + diag(signs exp(log_scale))); at first a rotation.

    L and U are triangular, with 1 and 0 on their diagonals, so that log |det| is the sum of
    log_scale. It is never in bf16, in which the map would be none of a density.
    """

    order: Tensor
    signs: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        rotation = nn.init.orthogonal_(torch.empty(channels, channels))
        order, lower, upper = torch.linalg.lu(rotation)
        self.lower, self.upper = nn.Parameter(lower), nn.Parameter(upper)
        self.log_scale = nn.Parameter(upper.diagonal().abs().log())
        self.register_buffer("order", order)
        self.register_buffer("signs", upper.diagonal().sign())

    def forward(self, z: Tensor) -> Tensor:
        with _full(z.device.type):
            return F.conv2d(z, self._matrix()[:, :, None, None])

    def inverse(self, z: Tensor) -> Tensor:
        """What is taken to z."""
        with _full(z.device.type):
            return F.conv2d(z, torch.linalg.inv(self._matrix())[:, :, None, None])

    def _matrix(self) -> Tensor:
        scale = (self.signs * self.log_scale.exp()).diag()
        lower = self.lower.tril(-1) + torch.eye(len(scale), device=scale.device, dtype=scale.dtype)
        return self.order @ lower @ (self.upper.triu(1) + scale)


class ZeroConv(nn.Conv2d):
    """A 3x3 convolution that gives 0 at first, with a gain exp(3 log_gain) for each channel."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__(c_in, c_out, 3, padding=1)
        for p in self.parameters():
            nn.init.zeros_(p)
        self.log_gain = nn.Parameter(torch.zeros(c_out, 1, 1))

    def forward(self, z: Tensor) -> Tensor:
        return super().forward(z) * (3 * self.log_gain).exp()


class Step(nn.Module):
    """Actnorm, a linear map of the channels, and an affine map of half of them given the others."""

    def __init__(self, channels: int, width: int, activation: Activation) -> None:
        super().__init__()
        given = channels // 2
        self.halves = given, channels - given
        self.norm = Actnorm(channels)
        self.mix = Mix(channels)
        self.coupling = nn.Sequential(
            nn.Conv2d(given, width, 3, padding=1, bias=False), Actnorm(width),
            activation_layer(activation), nn.Conv2d(width, width, 1, bias=False), Actnorm(width),
            activation_layer(activation), ZeroConv(width, 2 * (channels - given)),
        )  # fmt: skip
        for m in self.coupling:
            if type(m) is nn.Conv2d:
                nn.init.normal_(m.weight, std=0.05)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        z = self.mix(self.norm(z))
        given, moved = z.split(self.halves, 1)
        shift, raw = self._affine(given)
        constant = self.norm.log_scale.sum() + self.mix.log_scale.sum()
        log_det = F.logsigmoid(raw).flatten(1).sum(1) + z.shape[2] * z.shape[3] * constant
        return torch.cat([given, (moved + shift) * raw.sigmoid()], 1), log_det

    def inverse(self, z: Tensor) -> Tensor:
        """What is taken to z."""
        given, moved = z.split(self.halves, 1)
        shift, raw = self._affine(given)
        z = torch.cat([given, moved / raw.sigmoid() - shift], 1)
        return self.norm.inverse(self.mix.inverse(z))

    def _affine(self, given: Tensor) -> tuple[Tensor, Tensor]:
        """A shift, and what a sigmoid makes a scale of: 0.88 at first."""
        shift, raw = self.coupling(given).to(given.dtype).chunk(2, 1)
        return shift, raw + 2


class Level(nn.Module):
    """Squares of pixels are folded into channels, steps follow, and half of the channels leave.

    Those that leave come out as a standard normal would: less their mean, over their deviation,
    which follow from the others. Of the last level none leave.

    Args:
        shape: (C, H, W) of what comes in.
        steps, width, activation: of its steps.
        last: whether none leave.

    Attributes:
        shape: (C, H, W) of what stays.
        leaving: channels that leave.

    Raises:
        ValueError: height and width have no common divisor to fold by.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        steps: int,
        width: int,
        activation: Activation,
        *,
        last: bool,
    ) -> None:
        super().__init__()
        (c, h, w), self.fold = shape, _least_divisor(math.gcd(*shape[1:]))
        if self.fold == 1:
            raise ValueError(
                f"a level folds squares of pixels into channels, and {h} x {w} pixels are made of "
                "no squares: take fewer levels, or other sizes"
            )
        channels = c * self.fold**2
        self.leaving = 0 if last else channels // 2
        self.shape = channels - self.leaving, h // self.fold, w // self.fold
        self.steps = nn.ModuleList(Step(channels, width, activation) for _ in range(steps))
        self.prior = None if last else ZeroConv(self.shape[0], 2 * self.leaving)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """z -> what stays, what leaves, log |det|."""
        z = F.pixel_unshuffle(z, self.fold)
        log_det = z.new_zeros(z.shape[0])
        for step in self.steps:
            z, own = step(z)
            log_det = log_det + own
        if self.prior is None:
            return z, z[:, :0], log_det
        z, left = z.split((self.shape[0], self.leaving), 1)
        mean, log_deviation = self._normal(self.prior, z)
        left = (left - mean) * (-log_deviation).exp()
        return z, left, log_det - log_deviation.flatten(1).sum(1)

    def inverse(self, z: Tensor, left: Tensor) -> Tensor:
        """What is taken to what stays and what leaves."""
        if self.prior is not None:
            mean, log_deviation = self._normal(self.prior, z)
            left = left * log_deviation.exp() + mean
        z = torch.cat([z, left], 1)
        for step in [*self.steps][::-1]:
            z = step.inverse(z)
        return F.pixel_shuffle(z, self.fold)

    @staticmethod
    def _normal(prior: nn.Module, z: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log deviation of what leaves, given what stays."""
        mean, log_deviation = prior(z).to(z.dtype).chunk(2, 1)
        return mean, log_deviation


def log_normal(z: Tensor) -> Tensor:
    """log N(z; 0, 1) of each number."""
    return -(z.square() + math.log(2 * math.pi)) / 2


def _full(device: str) -> AbstractContextManager[object]:
    """Out of autocast, where it is on: exports know no such context."""
    on = device != "meta" and torch.is_autocast_enabled(device)
    return torch.autocast(device, enabled=False) if on else nullcontext()


def _least_divisor(n: int) -> int:
    """The least divisor of n above 1; 1 of 1."""
    return next((k for k in range(2, n + 1) if n % k == 0), 1)
