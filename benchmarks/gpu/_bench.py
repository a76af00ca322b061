"""What all parts share: the device, sizes, clocks that wait for the device, and the time left."""

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from benchmarks import hot_paths
from benchmarks._measure import interleaved
from jeat.data import Data
from jeat.nets import Precision, autocast

__all__ = ["PRECISIONS", "Bench", "OverError", "arithmetic", "limited"]

T = TypeVar("T")
PRECISIONS = ("bf16", "tf32", "fp32")


class OverError(BaseException):
    """The time of a part is over. A BaseException, so that ``except Exception`` lets it through."""


@dataclass(frozen=True)
class Bench:
    """Where and how large it is measured.

    Attributes:
        device: of nets and images.
        smoke: tiny sizes, one round.
        data: images to train and test on.
        until: when the part that runs must be over, by :func:`time.monotonic`.
    """

    device: torch.device
    smoke: bool
    data: Data
    until: float = field(default=float("inf"))

    def pick(self, whole: T, smoke: T) -> T:
        """The size of a whole run, or that of a smoke run."""
        return smoke if self.smoke else whole

    @property
    def fast(self) -> Precision:
        """bf16 on a GPU; the CPU of a smoke run may have none."""
        return "bf16" if self.device.type == "cuda" else "fp32"

    def within(self, seconds: float) -> "Bench":
        """The same, with as much time from now on."""
        return replace(self, until=time.monotonic() + seconds)

    def left(self) -> float:
        """Seconds that the part has left."""
        return self.until - time.monotonic()

    def sync(self) -> None:
        """Wait until the device has done all that it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def net(self, name: str) -> nn.Module:
        """A fresh net in eval mode."""
        return hot_paths.net_of(name).to(self.device).eval()

    def batch(self, n: int) -> tuple[Tensor, Tensor]:
        """Random images and labels."""
        x, y = hot_paths.batch_of(n)
        return x.to(self.device), y.to(self.device)

    def timed(
        self, runs: Mapping[str, Callable[[], object]], *, seconds: float = 4.0, most: int = 15
    ) -> dict[str, list[float]]:
        """Seconds of each run in each round; 3 to ``most`` rounds, as many as ``seconds`` hold.

        The device is waited for before and after each run. Two rounds warm up.
        """

        def waited(run: Callable[[], object]) -> Callable[[], object]:
            def whole() -> None:
                run()
                self.sync()

            return whole

        each = {name: waited(run) for name, run in runs.items()}
        took = 0.0
        for _ in range(self.pick(2, 1)):
            self.sync()
            began = time.perf_counter()
            for run in each.values():
                run()
            took = time.perf_counter() - began
        rounds = self.pick(max(3, min(most, int(seconds / max(took, 1e-9)))), 1)
        return interleaved(each, rounds, warm=True)


@contextmanager
def arithmetic(precision: str, device: torch.device) -> Iterator[None]:
    """bf16 or fp32 as :func:`jeat.nets.autocast`, or fp32 by TF32; on a CPU fp32 in any case."""
    if precision != "tf32" or device.type == "cpu":
        with autocast("bf16" if precision == "bf16" and device.type != "cpu" else "fp32", device):
            yield
        return
    kinds: list[Any] = [torch.backends.cudnn, torch.backends.cuda.matmul]
    allowed = [kind.allow_tf32 for kind in kinds]
    try:
        for kind in kinds:
            kind.allow_tf32 = True
        yield
    finally:
        for kind, tf32 in zip(kinds, allowed, strict=True):
            kind.allow_tf32 = tf32


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise :class:`OverError` after as many seconds."""

    def over(*_: object) -> None:
        raise OverError

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.01))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


