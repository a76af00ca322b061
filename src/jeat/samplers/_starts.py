"""Starts of chains by name, stored states, and restarts of classes at random."""

from collections.abc import Callable
from dataclasses import dataclass, is_dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from jeat._support.checks import SettingError
from jeat._support.plugins import find
from jeat.data import Data

__all__ = ["Restart", "Start", "Stored", "start_of"]

Start = Callable[[Tensor], Tensor]
"""Labels (B,) -> first states (B, C, H, W)."""


@dataclass(frozen=True)
class Stored:
    """x0 drawn at random from ``states`` (N, C, H, W), such as a replay buffer's, for any label."""

    states: Float[Tensor, "n c h w"]

    def __post_init__(self) -> None:
        if not len(self.states):
            raise ValueError("chains cannot start from stored states where there are none")

    def __call__(self, y: Int[Tensor, " b"]) -> Float[Tensor, "b c h w"]:
        return self.states[torch.randint(len(self.states), (len(y),))].to(y.device)


@dataclass(frozen=True)
class Restart:
    """The restart law of a replay buffer: ``n`` states of classes at random, or of given labels."""

    start: Start
    classes: int

    def __call__(self, n: int) -> Tensor:
        return self.of(torch.randint(self.classes, (n,)))

    def of(self, labels: Tensor) -> Tensor:
        """First states of chains of those classes."""
        return self.start(labels)


def start_of(kind: str, data: Data) -> Start:
    """The start of chains of the file ``kind``, fitted to the training images where it needs them.

    Raises:
        SettingError: there is no such start.
        ValueError: it cannot be fitted to these images.
    """
    found = find("samplers/starts", kind, "start")
    if not (is_dataclass(found) and hasattr(found, "of")):
        raise SettingError(
            f"start {kind!r} must be a dataclass with of(data), which a file can keep"
        )
    start: Start = found.of(data)
    return start
