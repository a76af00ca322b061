"""Processes that share the work of a command, which they end with."""

import os
import subprocess
import sys
from argparse import SUPPRESS
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from jeat._support import processes
from jeat.cli._parser import Parser

__all__ = ["add_workers", "check_workers", "helpers", "is_wanted"]

_PACKAGE = __name__.partition(".")[0]


def add_workers(parser: Parser) -> None:
    """``--workers``, and what tells a helper whose it is."""
    parser.add_argument(
        "--workers", type=int, default=1, help="processes that share the work, and the threads"
    )
    parser.add_argument("--helper_of", type=int | None, default=None, help=SUPPRESS)


def check_workers(parser: Parser, workers: int) -> None:
    """Refuse a number of processes that means nothing."""
    if not 1 <= workers <= 64 or (workers > 1 and processes.world() > 1):
        parser.error(f"--workers must lie in 1..64, and be 1 under a launcher, got {workers}")


@contextmanager
def helpers(words: Sequence[str], workers: int) -> Iterator[Callable[[], None]]:
    """``begin()`` starts ``workers - 1`` further processes of a command, once; they end here.

    What they fail at, this process tries and says.
    """
    import torch

    threads = max(1, torch.get_num_threads() // workers)
    torch.set_num_threads(threads)
    command = [sys.executable, "-P", "-m", _PACKAGE, *words, "--helper_of", str(os.getpid())]
    env = os.environ | {"OMP_NUM_THREADS": str(threads)}
    begun: list[subprocess.Popen[bytes]] = []

    def begin() -> None:
        while len(begun) < workers - 1:
            quiet = subprocess.DEVNULL
            begun.append(subprocess.Popen(command, env=env, stdout=quiet, stderr=quiet))

    try:
        yield begin
    finally:
        for process in begun:
            process.terminate()  # a training saves what it has
        for process in begun:
            process.wait()


def is_wanted(parent: int) -> bool:
    """Whether the process that this one helps is still there."""
    return os.getppid() == parent
