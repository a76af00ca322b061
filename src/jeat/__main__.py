"""``jeat``, and ``python -m jeat`` as for ``torchrun --nproc-per-node 2 -m jeat``."""

import signal
import sys
import threading
from types import FrameType

__all__ = ["main"]


def main() -> int:
    """The command line; Ctrl-C while a library is loaded says so in one line, too."""
    own = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if own and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, _stop)
    try:
        from jeat.cli import main as run

        return run()
    except KeyboardInterrupt:
        print("jeat: stopped", file=sys.stderr)
        return 130


def _stop(_: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt; a library that is being loaded, which it would break, goes first."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            return
        frame = frame.f_back
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
