"""Starts of chains by name, stored states, and restarts of classes at random."""

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from jeat._support.checks import SettingError, quoted
from jeat._support.plugins import find
from jeat._support.signatures import check_takes
from jeat.data import Data

__all__ = ["Restart", "Start", "Stored", "numbers_stored", "start_of", "start_without_images"]

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
    found = _kind(kind)
    check_takes(found.of, f"of() of start {quoted(kind)}", "data")
    start: Start = found.of(data)
    check_takes(start, f"start {quoted(kind)}, when it is called,", "y")
    with torch.random.fork_rng():
        images: object = start(torch.zeros(2, dtype=torch.int64))
    got = tuple(images.shape) if isinstance(images, Tensor) else quoted(images)
    if got != (right := (2, *data.shape)):
        raise SettingError(
            f"start {quoted(kind)} must give an image a label, {right} for 2 labels, got {got}"
        )
    return start


def start_without_images(kind: str, shape: tuple[int, int, int]) -> Start | None:
    """The start of the file ``kind`` for images (C, H, W); None where it is fitted to images.

    Raises:
        SettingError: there is no such start.
    """
    found = _kind(kind)
    start: Start | None = found(shape) if [f.name for f in fields(found)] == ["shape"] else None
    return start


def numbers_stored(kind: str, shape: tuple[int, int, int], classes: int) -> int:
    """How many numbers a net's file keeps of its start; 0 where the start does not say.

    Raises:
        SettingError: there is no such start.
    """
    found = _kind(kind)
    return int(found.stored(shape, classes)) if hasattr(found, "stored") else 0


def _kind(name: str) -> Any:
    found = find("samplers/starts", name, "start")
    if not (is_dataclass(found) and hasattr(found, "of")):
        raise SettingError(
            f"start {quoted(name)} must be a dataclass with of(data), which a file can keep"
        )
    return found
