"""``jeat``, and ``python -m jeat`` as for ``torchrun --nproc-per-node 2 -m jeat``."""

import os
import signal
import sys
from types import FrameType

from jeat import shards

__all__ = ["main"]


def main() -> int:
    """The command line; Ctrl-C while a library is loaded says so in one line, too."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)
    try:
        from jeat.cli import main as run

        return run()
    except KeyboardInterrupt:
        print("jeat: stopped", file=sys.stderr)
        return 130


def _stop(_: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, but leave at once where it would break a library half loaded."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            if not shards.rank():
                print("jeat: stopped", file=sys.stderr, flush=True)
            os._exit(130)
        frame = frame.f_back
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
