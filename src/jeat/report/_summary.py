"""Figures of many runs, as means and spreads over seeds."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Cell", "Summary", "ordering", "summarise"]


@dataclass(frozen=True)
class Cell:
    """A figure of a method over seeds.

    Attributes:
        mean: over seeds.
        std: sample standard deviation over seeds; nan for one.
        values: by seed.
        commands: by seed, what recomputes the value.
    """

    mean: float
    std: float
    values: dict[int, float]
    commands: dict[int, str]

    def __str__(self) -> str:
        places = _places(self.mean)
        return " ± ".join(
            f"{v:.{places}f}" if places <= 5 else f"{v:.2e}"
            for v in (self.mean, self.std)
            if not math.isnan(v)
        )


Summary = dict[str, dict[str, Cell]]
"""{method: {column: cell}}"""


def summarise(records: Iterable[Mapping[str, object]]) -> Summary:
    """Records with ``method``, ``seed``, ``column``, ``value`` and ``command`` -> cells."""
    values: dict[tuple[str, str], dict[int, float]] = {}
    commands: dict[tuple[str, str], dict[int, str]] = {}
    for r in records:
        key, seed = (str(r["method"]), str(r["column"])), int(str(r["seed"]))
        values.setdefault(key, {})[seed] = float(str(r["value"]))
        commands.setdefault(key, {})[seed] = str(r["command"])
    found: Summary = {}
    for (method, column), by_seed in values.items():
        several = list(by_seed.values())
        std = statistics.stdev(several) if len(several) > 1 else math.nan
        cell = Cell(statistics.fmean(several), std, by_seed, commands[method, column])
        found.setdefault(method, {})[column] = cell
    return found


def ordering(summary: Summary, column: str, methods: Sequence[str]) -> tuple[str, int, int]:
    """Whether ``column`` falls strictly from each method to the next.

    Returns:
        The comparison in words, in how many seeds it held, and in how many it was looked at.
    """
    cells = [summary[m][column] for m in methods]
    seeds = sorted(set.intersection(*(set(c.values) for c in cells)))
    held = sum(all(a.values[s] > b.values[s] for a, b in pairwise(cells)) for s in seeds)
    return f"{column}: {' > '.join(methods)}", held, len(seeds)


def _places(value: float) -> int:
    """Decimals that show three significant digits."""
    if value == 0 or not math.isfinite(value):
        return 3
    return max(0, 2 - math.floor(math.log10(abs(value))))
