"""Interleaved timing: the only way two times are compared here."""

import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Row", "interleaved", "ratio"]


@dataclass(frozen=True)
class Row:
    """One ratio: its median over rounds, its quartiles, and what it should be.

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
    runs: Mapping[str, Callable[[], object]], rounds: int, clock: Callable[[], float] | None = None
) -> dict[str, list[float]]:
    """Seconds of each run in each round, after one round that does not count."""
    now = clock or time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for i in range(rounds + 1):
        for name, run in runs.items():
            began = now()
            run()
            if i:
                seconds[name].append(now() - began)
    return seconds


def ratio(above: list[float], below: list[float]) -> tuple[float, float, float]:
    """Median and quartiles of the rounds' own ratios."""
    ratios = sorted(a / b for a, b in zip(above, below, strict=True))
    low, _, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return statistics.median(ratios), low, high
