"""What commands show while they work, and what they warn of."""

import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jeat._support import processes
from jeat._support.checks import plain

__all__ = ["bar", "shown_warnings", "warn"]


def warn(lines: Iterable[str]) -> None:
    """Say what makes results doubtful, a line each."""
    for line in lines:
        print(f"jeat: warning: {plain(line)}", file=sys.stderr)


@contextmanager
def shown_warnings() -> Iterator[None]:
    """Inside, a warning of this package is a line of :func:`warn`; others are as they were."""
    package, usual = str(Path(__file__).parents[1]), warnings.showwarning

    def show(message: Warning | str, kind: type[Warning], file: str, *rest: Any) -> None:
        if not file.startswith(package) or not issubclass(kind, UserWarning):
            usual(message, kind, file, *rest)
        elif not processes.rank():
            warn([str(message)])

    with warnings.catch_warnings():
        warnings.filterwarnings("default", category=UserWarning, module=__name__.split(".")[0])
        warnings.showwarning = show  # type: ignore[assignment]  # its last arguments are passed on
        yield


@contextmanager
def bar() -> Iterator[Any]:
    """A progress display: ``show(stage, done, total, note)`` draws or moves a stage's bar.

    In the first process only.
    """
    if processes.rank():
        yield lambda *_: None
        return
    from rich.console import Console
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
    progress, tasks = Progress(*columns, console=Console(stderr=True)), {}

    def show(stage: str, done: int, total: int, note: str = "") -> None:
        progress.start()
        if stage not in tasks:
            tasks[stage] = progress.add_task(stage, total=total, note=note)
        progress.update(tasks[stage], completed=done)
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
