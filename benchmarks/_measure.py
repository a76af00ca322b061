"""Interleaved timing: the only way two times are compared here."""

import math
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

__all__ = ["Row", "cells", "interleaved", "plain", "ratio", "spread", "versions"]


@dataclass(frozen=True)
class Row:
    """One ratio: its median over rounds, its quartiles (of two rounds the two), and its goal.

    ``at_most`` and ``at_least`` are goals; a row without either is for reference.
    """

    suite: str
    what: str
    value: float
    low: float
    high: float
    rounds: int
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""

    @classmethod
    def missing(cls, suite: str, what: str, note: str, **goal: float | None) -> "Row":
        """A row of what was not measured, and why."""
        nothing = float("nan")
        return cls(suite, what, nothing, nothing, nothing, 0, note=note, **goal)

    @property
    def verdict(self) -> str:
        """Whether the goal was met."""
        if math.isnan(self.value):
            return "not measured"
        if self.at_most is not None:
            return f"<= {self.at_most:g} {'met' if self.value <= self.at_most else 'MISSED'}"
        if self.at_least is not None:
            return f">= {self.at_least:g} {'met' if self.value >= self.at_least else 'MISSED'}"
        return "reference"


def interleaved(
    runs: Mapping[str, Callable[[], object]], rounds: int, *, warm: bool = False
) -> dict[str, list[float]]:
    """Seconds of each run in each round, every other round in the reverse order.

    One round before that does not count, unless the runs are ``warm``.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for i in range(warm, rounds + 1):
        for name, run in list(runs.items())[:: 1 if i % 2 else -1]:
            began = time.perf_counter()
            run()
            if i:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def ratio(above: list[float], below: list[float]) -> tuple[float, float, float]:
    """Median and quartiles of the rounds' own ratios."""
    return spread([a / b for a, b in zip(above, below, strict=True)])


def spread(values: list[float]) -> tuple[float, float, float]:
    """Median and quartiles; of two values the two."""
    values = sorted(values)
    if len(values) < 3:
        return statistics.median(values), values[0], values[-1]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return statistics.median(values), low, high


def plain(row: Row) -> dict[str, Any]:
    """A row and its verdict for JSON, which knows no NaN."""
    values = asdict(row) | {"verdict": row.verdict}
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in values.items()}


def cells(row: dict[str, Any]) -> dict[str, object]:
    """A row as it stands in the record, for the table."""
    spread = "" if row["low"] == row["high"] else f"{row['low']:.3f}-{row['high']:.3f}"
    value = float("nan") if row["value"] is None else row["value"]
    return {
        "suite": row["suite"], "what": row["what"], "ratio": value, "quartiles": spread,
        "goal": row["verdict"], "note": row["note"],
    }  # fmt: skip


def versions(packages: Iterable[str]) -> dict[str, str]:
    """The version of each package, where it is installed."""
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
