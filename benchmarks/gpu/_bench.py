"""What all parts share: the device, sizes, clocks that wait for the device, and the time left."""

import os
import platform
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

import jeat
from benchmarks import hot_paths
from benchmarks._measure import interleaved, versions
from jeat.data import Data, Images
from jeat.nets import Precision, autocast

__all__ = [
    "FEW", "PRECISIONS", "Bench", "OverError", "about", "arithmetic", "few_images", "limited",
]  # fmt: skip

T = TypeVar("T")
PRECISIONS = ("bf16", "tf32", "fp32")
PACKAGES = (
    "torch", "torchvision", "triton", "adv-lib", "torchattacks", "foolbox",
    "adversarial-robustness-toolbox", "pyautoattack", "accelerate", "numpy",
)  # fmt: skip
CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
FEW = "benchmarks.gpu._bench:few_images"


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
    """Raise :class:`OverError` after as many seconds, and every second from then on."""

    def over(*_: object) -> None:
        raise OverError

    before = signal.signal(signal.SIGALRM, over)
    timer = signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.01), 1)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *timer)


def about(device: torch.device, data: Data, *, smoke: bool) -> dict[str, Any]:
    """What all figures belong to."""
    found: dict[str, Any] = {
        "device": "CPU", "smoke": smoke, "at": time.strftime("%Y-%m-%d %H:%M"),
        "jeat": jeat.__version__, "python": platform.python_version(),
        "versions": versions(PACKAGES), "cpus": os.cpu_count(),
        "images": {"train": len(data.train), "test": len(data.test)},
    }  # fmt: skip
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        found |= {
            "device": card.name, "memory_gib": round(card.total_memory / 2**30, 1),
            "capability": f"{card.major}.{card.minor}", "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
        }  # fmt: skip
    return found


def few_images() -> Data:
    """Few images of noise, in CIFAR-10's shape and classes."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randint(256, (40, 3, 32, 32), generator=generator).byte(), torch.arange(40) % 10
    return Data(
        Images(x[20:], y[20:]), Images(x[:20], y[:20]), jeat.load("cifar10-at").spec.classes
    )
