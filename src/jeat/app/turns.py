"""Several people at one app: each has random numbers of their own, and they take turns."""

import time
from collections.abc import Iterable, Iterator
from threading import RLock
from typing import TypeVar

import torch
from torch import Tensor

__all__ = ["TURN", "in_turns", "lately"]

T = TypeVar("T")
_Random = tuple[Tensor, list[Tensor]]
TURN = RLock()
"""Held by whoever works: neither the global random numbers nor Python's parser bear two at once."""

_PAUSE = 0.1  # seconds between pictures of what goes on


def in_turns(seed: int, steps: Iterable[T]) -> Iterator[T]:
    """The same steps, whatever else goes on in this process: one at a time.

    Their random numbers follow from ``seed`` alone, as after ``torch.manual_seed(seed)``. Whoever
    waits comes in between two steps.
    """
    rest, own = iter(steps), _seeded(seed)
    while True:
        with TURN:
            before = _random()
            try:
                _set(own)
                step = next(rest)
                own = _random()
            except StopIteration:
                return
            finally:
                _set(before)
        yield step


def lately(steps: Iterable[T]) -> Iterator[T]:
    """The first, the last, and between them no more than a page can show."""
    shown, left = 0.0, []
    for step in steps:
        left = [step]
        if time.monotonic() - shown >= _PAUSE:
            yield left.pop()
            shown = time.monotonic()
    yield from left


def _seeded(seed: int) -> _Random:
    with TURN, torch.random.fork_rng():
        torch.manual_seed(seed)
        return _random()


def _random() -> _Random:
    return torch.get_rng_state(), torch.cuda.get_rng_state_all()


def _set(state: _Random) -> None:
    torch.set_rng_state(state[0])
    torch.cuda.set_rng_state_all(state[1])
