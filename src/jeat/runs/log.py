"""The log of a run, as it was written: ``log.jsonl``."""

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

__all__ = ["finished", "minutes", "rows"]


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
    """How long a run trained, in all its sittings: the log counts seconds anew in each."""
    seconds: list[float] = [*(row["seconds"] for row in rows(run)), 0.0]
    return sum(a for a, b in pairwise(seconds) if b < a) / 60


def finished(log: Sequence[Mapping[str, Any]], epochs: float) -> bool:
    """Whether a log reaches the end of a run of so many epochs, whose last iteration is in it."""
    if not log:
        return False
    last = log[-1]
    return bool(last["iteration"] >= max(1, round(epochs * last["iteration"] / last["epoch"])))
