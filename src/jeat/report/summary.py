"""Figures of many runs, as means and spreads over seeds."""

import math
import re
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

__all__ = ["Cell", "Summary", "ordering", "summarise"]


@dataclass(frozen=True)
class Cell:
    """A figure of a method over seeds.

    Attributes:
        mean: over seeds.
        std: sample standard deviation over seeds; nan for one.
        values: by seed.
        commands: by seed, what recomputes the value, images and all.
        counts: by seed, on how many images it was found; none where that is not known.
    """

    mean: float
    std: float
    values: dict[int, float]
    commands: dict[int, str]
    counts: dict[int, int] = field(default_factory=dict)

    @property
    def images(self) -> tuple[int, ...]:
        """The numbers of images, each different one once."""
        return tuple(sorted({*self.counts.values()}))

    def __str__(self) -> str:
        places = _places(self.mean)
        return " ± ".join(f"{v:.{places}f}" for v in (self.mean, self.std) if not math.isnan(v))


Summary = dict[str, dict[str, Cell]]
"""{method: {column: cell}}"""


def summarise(records: Iterable[Mapping[str, object]]) -> Summary:
    """Records with ``method``, ``seed``, ``column``, ``value`` and ``command`` -> cells.

    Where a record has a ``drawing``, the command that drew its images, that comes first. Its
    ``images`` are how many it was found on.

    Raises:
        ValueError: a value that is NaN or infinite.
    """
    values: dict[tuple[str, str], dict[int, float]] = {}
    commands: dict[tuple[str, str], dict[int, str]] = {}
    counts: dict[tuple[str, str], dict[int, int]] = {}
    for r in records:
        key, seed = (str(r["method"]), str(r["column"])), int(str(r["seed"]))
        value = float(str(r["value"]))
        if not math.isfinite(value):
            raise ValueError(f"{key[1]} of {key[0]}, seed {seed}, is {value}: measure it anew")
        values.setdefault(key, {})[seed] = value
        if "images" in r:
            counts.setdefault(key, {})[seed] = int(str(r["images"]))
        steps = (r.get("drawing"), r["command"])
        commands.setdefault(key, {})[seed] = " && ".join(str(s) for s in steps if s)
    found: Summary = {}
    for (method, column), by_seed in values.items():
        several = list(by_seed.values())
        std = statistics.stdev(several) if len(several) > 1 else math.nan
        key = method, column
        cell = Cell(statistics.fmean(several), std, by_seed, commands[key], counts.get(key, {}))
        found.setdefault(method, {})[column] = cell
    return found


def ordering(summary: Summary, column: str, claim: str) -> tuple[int, int] | None:
    """In how many seeds ``column`` was ordered as claimed, and how many have all of it.

    Figures that were found on different numbers of images are not compared.

    Args:
        summary: of :func:`summarise`.
        column: what is compared.
        claim: methods in order, such as ``"jeat >= jem > at"``.

    Returns:
        The two numbers, or None where no seed has the column for each method on as many images.
    """
    methods, relations = re.split(" >=? ", claim), re.findall(">=?", claim)
    cells = [summary.get(m, {}).get(column) for m in methods]
    values = [{} if cell is None else cell.values for cell in cells]
    numbers = [{} if cell is None else cell.counts for cell in cells]
    seeds = {
        s for s in set.intersection(*map(set, values)) if len({n.get(s) for n in numbers}) == 1
    }
    if not seeds:
        return None
    held = sum(
        all(
            a[s] > b[s] or (relation == ">=" and a[s] == b[s])
            for (a, b), relation in zip(pairwise(values), relations, strict=True)
        )
        for s in seeds
    )
    return held, len(seeds)


def _places(value: float) -> int:
    """Decimals that show three significant digits, 4 at most."""
    if value == 0 or not math.isfinite(value):
        return 3
    return min(4, max(0, 2 - math.floor(math.log10(abs(value)))))
