"""The log of a run, as it was written: ``log.jsonl``."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["finished", "last_evaluation", "minutes", "minutes_at", "rows", "total"]


def rows(run: Path) -> list[dict[str, Any]]:
    """The lines of a run's log, each with its iteration and figures; none where there is no log.

    A last line that is cut short is left out: the run was killed, the disk was full, or the line is
    being written.

    Raises:
        ValueError: another line is damaged.
    """
    file = run / "log.jsonl"
    if not file.is_file():
        return []
    lines, found = file.read_bytes().splitlines(), list[dict[str, Any]]()
    for number, line in enumerate(lines, 1):
        if (row := _row(line)) is not None:
            found.append(row)
        elif number < len(lines):
            raise ValueError(
                f"{file} is damaged in line {number}: take the file from a copy, or remove the "
                "line, and the others are shown"
            )
    return found


def _row(line: bytes) -> dict[str, Any] | None:
    """A line of a log; None where it is damaged."""
    with suppress(ValueError, TypeError, RecursionError):
        return dict(json.loads(line))
    return None


def minutes(run: Path) -> float:
    """How long a run trained, in all its sittings."""
    return [0.0, *minutes_at(rows(run))][-1]


def minutes_at(log: Sequence[Mapping[str, Any]]) -> list[float]:
    """How long a run trained until each line of its log, whose clock begins anew with a sitting."""
    before, last, found = 0.0, 0.0, []
    for row in log:
        if row["seconds"] < last:
            before += last
        last = row["seconds"]
        found.append((before + last) / 60)
    return found


def last_evaluation(log: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The last line of a log with an evaluation on test images; empty where there is none."""
    return next((row for row in reversed(log) if "test_accuracy" in row), {})


def total(log: Sequence[Mapping[str, Any]], epochs: float) -> int:
    """How many iterations a run of so many epochs has, by its log, which is not empty."""
    last = log[-1]
    iterations: int = round(epochs * last["iteration"] / last["epoch"])
    return max(1, iterations)


def finished(log: Sequence[Mapping[str, Any]], epochs: float) -> bool:
    """Whether a log reaches the end of a run of so many epochs, whose last iteration is in it."""
    return bool(log) and bool(log[-1]["iteration"] >= total(log, epochs))
