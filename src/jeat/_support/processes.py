"""Work split over the processes of ``torchrun`` or ``accelerate launch``, with one output.

Each process works on its slice of what there is; process 0 alone prints, draws bars and writes.
Only finished results travel, over gloo on any device. Without a launcher there is one process, with
one slice: the whole.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import torch

__all__ = [
    "device", "first_failure", "is_loss", "joined", "mine", "rank", "seed_of", "split", "world",
]  # fmt: skip

T = TypeVar("T")


def world() -> int:
    """How many processes the launcher started; 1 without a launcher.

    Raises:
        ValueError: the environment says nothing that a launcher does.
    """
    if not {"RANK", "WORLD_SIZE"} <= os.environ.keys():
        return 1
    n = _given("WORLD_SIZE", 1)
    if _given("RANK", 0) >= n:
        raise ValueError(f"RANK is {os.environ['RANK']} and WORLD_SIZE {n}: unset both")
    return n


def rank() -> int:
    """The number of this process, in 0..world - 1; errors as :func:`world`."""
    return _given("RANK", 0) if world() > 1 else 0


@contextmanager
def joined() -> Iterator[None]:
    """Inside, the processes can :func:`split` work; each waits for the others as long as it takes.

    A process that fails leaves at once, and its launcher ends the others by SIGTERM.

    Raises:
        ConnectionError: another process is gone.
    """
    if world() == 1:
        yield
        return
    from accelerate import PartialState

    before = signal.signal(signal.SIGTERM, _leave)
    state = PartialState(cpu=True, backend="gloo", timeout=timedelta(days=30))
    try:
        yield
        state.destroy_process_group()
    except (RuntimeError, _ToldToLeaveError) as error:
        if isinstance(error, RuntimeError) and not is_loss(error):
            raise
        raise ConnectionError(
            "another process was lost, or all were told to stop: start them again"
        ) from error
    signal.signal(signal.SIGTERM, before)


class _ToldToLeaveError(BaseException):
    """Raised on SIGTERM. A BaseException, so that ``except Exception`` cannot swallow it."""


def _leave(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # enough to be told once
    raise _ToldToLeaveError


def is_loss(error: RuntimeError) -> bool:
    """Whether gloo or NCCL raised it because a peer died."""
    return world() > 1 and any(name in str(error).lower() for name in ("gloo", "nccl"))


def mine(n: int) -> slice:
    """This process's slice of ``n`` things: contiguous, in order, of sizes 1 apart at most."""
    return slice(n * rank() // world(), n * (rank() + 1) // world())


def split(n: int, work: Callable[[slice], T]) -> list[T]:
    """``work`` on the slices of ``n`` things, each in its process; all results, in order, in each.

    Where there are fewer things than processes, a process without any does not work, and there are
    ``n`` results. Results are pickled: they should be on the CPU.
    """
    here = mine(n)
    done = [work(here)] if here.start < here.stop else []
    if world() == 1:
        return done
    from accelerate.utils import gather_object

    gathered: list[T] = gather_object(done)  # flat: of two processes' [a] and [] it makes [a]
    return gathered


def seed_of(seed: int) -> int:
    """The seed of this process's own random stream; ``seed`` itself where there is one process.

    A 63-bit hash of (seed, rank) by numpy's ``SeedSequence``, so that neither the ranks of one seed
    nor those of neighbouring seeds share a stream.
    """
    if world() == 1:
        return seed
    import numpy as np

    state = np.random.SeedSequence(seed, spawn_key=(rank(),)).generate_state(1, np.uint64)
    return int(state[0]) >> 1


def device() -> "torch.device":
    """This process's accelerator, where there is one: the processes of a machine take turns."""
    import torch

    kind = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if kind is None:
        return torch.device("cpu")
    local = _given("LOCAL_RANK", 0) if world() > 1 else 0
    return torch.device(kind.type, local % torch.accelerator.device_count())


def _given(name: str, default: int) -> int:
    """What the launcher says in its environment.

    Raises:
        ValueError: no whole number.
    """
    value = os.environ.get(name, str(default))
    if not (value.isascii() and value.isdecimal()):
        raise ValueError(f"{name} is set by launchers to a whole number, got {value!r}: unset it")
    return int(value)


def first_failure() -> bool:
    """Whether this process is the first to fail, and so the one that says why.

    Asks the store where the launcher's processes meet; says yes where it cannot be reached. From
    then on SIGTERM is ignored, which the launcher sends to the others once one has left.
    """
    try:
        if world() == 1:
            return True
        with suppress(ValueError):  # not in the main thread
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        from torch.distributed import TCPStore  # type: ignore[attr-defined]  # public, undeclared

        host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        store = TCPStore(
            host, port, is_master=False, wait_for_workers=False, timeout=timedelta(seconds=10)
        )
        return int(store.add("jeat failed", 1)) == 1
    except Exception:  # whatever keeps it from asking must not keep the reason from being said
        return True
