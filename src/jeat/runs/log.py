"""The log of a run, as it was written: ``log.jsonl``."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["finished", "last_evaluation", "minutes", "minutes_at", "rows"]


def rows(run: Path) -> list[dict[str, Any]]:
    """The lines of a run's log, each with its iteration and figures; none where there is no log.

    Raises:
        ValueError: it is damaged.
    """
    file = run / "log.jsonl"
    if not file.is_file():
        return []
    try:
        return [dict(json.loads(line)) for line in file.read_text().splitlines()]
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{file} is damaged ({error}): put it back") from error


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


def finished(log: Sequence[Mapping[str, Any]], epochs: float) -> bool:
    """Whether a log reaches the end of a run of so many epochs, whose last iteration is in it."""
    if not log:
        return False
    last = log[-1]
    return bool(last["iteration"] >= max(1, round(epochs * last["iteration"] / last["epoch"])))
