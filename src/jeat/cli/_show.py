"""What commands show while they work, and what they warn of."""

import sys
import threading
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jeat._support import processes
from jeat._support.checks import DoubtWarning, plain
from jeat._support.progress import Show, listening

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["bar", "shown_warnings", "warn"]

SOON, EVERY = 3.0, 60.0  # seconds to the first line of what is no terminal, and between lines


def warn(lines: Iterable[str]) -> None:
    """Say what makes results doubtful, a line each."""
    for line in lines:
        print(f"jeat: warning: {plain(line)}", file=sys.stderr)


@contextmanager
def shown_warnings() -> Iterator[None]:
    """Inside, a warning of this package is a line of :func:`warn`; others are as they were.

    A doubt is this package's wherever it is said of, such as in code of the user's own.
    """
    package, usual = str(Path(__file__).parents[1]), warnings.showwarning

    def show(message: Warning | str, kind: type[Warning], file: str, *rest: Any) -> None:
        ours = file.startswith(package) or issubclass(kind, DoubtWarning)  # wherever it is raised
        if not ours or not issubclass(kind, UserWarning):
            usual(message, kind, file, *rest)
        elif not processes.rank():
            warn([str(message)])

    with warnings.catch_warnings():
        warnings.filterwarnings("default", category=UserWarning, module=__name__.split(".")[0])
        warnings.showwarning = show  # type: ignore[assignment]  # its last arguments are passed on
        yield


@contextmanager
def bar() -> Iterator[Show]:
    """A progress display: ``show(stage, done, total, note)`` draws or moves a stage's bar.

    Where standard error is no terminal, such as a file or a job's log, it is a line a minute. In
    the first process only.
    """
    if processes.rank():
        yield lambda *_: None
        return
    from rich.console import Console

    console = Console(stderr=True)
    with _bars(console) if console.is_terminal else _lines() as show, listening(show):
        yield show


@contextmanager
def _bars(console: "Console") -> Iterator[Show]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(),
        TimeRemainingColumn(), TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    progress, tasks = Progress(*columns, console=console), {}

    def show(stage: str, done: int, total: int, note: str = "") -> None:
        progress.start()
        if stage not in tasks:
            tasks[stage] = progress.add_task(stage, total=total, note=note)
        progress.update(tasks[stage], completed=done, total=total)
        if note:
            progress.update(tasks[stage], note=note)

    try:
        yield show
    except Exception:  # its reason is all that is shown
        progress.live.transient = True
        raise
    finally:
        if tasks:
            progress.stop()


@contextmanager
def _lines() -> Iterator[Show]:
    """Lines by a thread of their own, so that one step of an hour is told of, too."""
    stages: list[_Stage] = []
    end = threading.Event()

    def show(stage: str, done: int, total: int, note: str = "") -> None:
        if not stages or stages[-1].name != stage:
            for last in stages[-1:]:
                last.say()
            stages.append(_Stage(stage, done))
        stages[-1].move(done, total, note)

    def tell() -> None:
        pause = SOON
        while not end.wait(pause):
            for now in stages[-1:]:
                now.say()
                pause = EVERY

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield show
        for last in stages[-1:]:
            last.say()
    finally:
        end.set()
        teller.join()


class _Stage:
    """How far a named stage is, and how fast it went since it was first heard of."""

    def __init__(self, name: str, done: int) -> None:
        self.name, self.first, self.began = name, done, time.monotonic()
        self.done, self.total, self.note = done, 0, ""

    def move(self, done: int, total: int, note: str) -> None:
        if done < self.done:  # as a run that went back
            self.first, self.began = done, time.monotonic()
        self.done, self.total, self.note = done, total, note or self.note

    def say(self) -> None:
        """``at: 1200 of 4400, 12.5 a second, 4 min left: loss 0.31``, on standard error."""
        words, seconds = [f"{self.done} of {self.total}"], time.monotonic() - self.began
        if (made := self.done - self.first) and seconds > 0:
            left = (self.total - self.done) * seconds / made
            words += [_rate(made / seconds)] + ([f"{_duration(left)} left"] if left else [])
        note = f": {self.note}" if self.note else ""
        print(f"{self.name}: {', '.join(words)}{note}", file=sys.stderr, flush=True)


def _rate(a_second: float) -> str:
    """By the second, the minute or the hour, whichever is about one or more."""
    for unit, seconds in (("second", 1), ("minute", 60)):
        if (rate := a_second * seconds) >= 1:
            return f"{rate:,.0f} a {unit}" if rate >= 100 else f"{rate:.3g} a {unit}"
    return f"{a_second * 3600:.3g} an hour"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"
