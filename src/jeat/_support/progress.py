"""How far work is: told by what takes minutes, to a command's bar or to no one."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["LOG", "Show", "listening", "show_log", "silent", "tell"]

LOG = logging.getLogger(__name__.partition(".")[0])
"""Told what is chosen, which commands show with ``-v``."""

Show = Callable[..., None]
"""``show(stage, done, total, note)``; the note may be left out."""

_LISTENER: ContextVar[Show | None] = ContextVar("listener", default=None)


@contextmanager
def listening(show: Show) -> Iterator[None]:
    """``with listening(show):`` what takes minutes within tells ``show`` how far it is."""
    token = _LISTENER.set(show)
    try:
        yield
    finally:
        _LISTENER.reset(token)


@contextmanager
def silent() -> Iterator[None]:
    """``with silent():`` nobody is told."""
    with listening(lambda *_: None):
        yield


def show_log() -> None:
    """Have :data:`LOG` speak on standard error."""
    logging.basicConfig(format="%(name)s: %(message)s")
    LOG.setLevel(logging.INFO)


def tell(stage: str, done: int, total: int, note: str = "") -> None:
    """Tell how far a stage is, if anyone listens; ``total`` may fall while it goes on."""
    if (show := _LISTENER.get()) is not None:
        show(stage, done, total, note)
