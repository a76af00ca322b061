"""Turn SIGINT and SIGTERM into a flag that the loop reads between iterations."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["stop_asked"]


@contextmanager
def stop_asked() -> Iterator[list[int]]:
    """Collects SIGINT and SIGTERM, rather than dying of them in the middle of an iteration.

    A second SIGINT is not collected: it raises KeyboardInterrupt. A process that has lost another
    (ConnectionError) is deaf to SIGTERM from then on: the launcher sends it to those that are left,
    and they have to say why before they leave.
    """
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def ask(number: int, _: FrameType | None) -> None:
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.append(number)

    install = signal.signal  # at interpreter exit the module is gone before this generator
    before = {kind: install(kind, ask) for kind in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    except ConnectionError:
        before[signal.SIGTERM] = signal.SIG_IGN
        raise
    finally:
        for kind, handler in before.items():
            install(kind, handler)
