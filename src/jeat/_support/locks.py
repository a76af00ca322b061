"""Work that processes share: each is at what no other is."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

__all__ = ["held"]


@contextmanager
def held(file: Path, *, wait: bool = False) -> Iterator[bool]:
    """Whether this process has the lock ``file``, and no other; of a killed one it is free.

    Args:
        file: made, with its folder, where it is not there.
        wait: until it is free.

    Raises:
        OSError: the filesystem knows no locks.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file)
    try:
        lock.acquire(blocking=wait)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
