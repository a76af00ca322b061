"""What a sweep is: which settings take which values, how they are searched, what is sought."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from jeat._support.checks import SettingError
from jeat._support.words import is_decimal
from jeat.training.plan import Plan

__all__ = ["Axis", "PlanOf", "Progress", "Range", "Sweep", "axis_of", "place_of"]

_MOST = 10_000  # trials
_RANGE = re.compile(r"(?P<low>.+?)\.\.(?P<high>.+)")


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, of which a search takes some.

    Attributes:
        low, high: its ends, which belong to it.
        log: whether their logarithms are searched evenly, and not they themselves.
        whole: whether they are whole numbers.
    """

    low: float
    high: float
    log: bool
    whole: bool = False

    def word(self, value: float) -> str:
        """A value as a word of a command, with four digits."""
        return str(round(value)) if self.whole else f"{value:.4g}"


Axis = tuple[str, ...] | Range
"""Values of a setting, as words of a command, or a range of them."""


@dataclass(frozen=True)
class Sweep:
    """A method at several settings.

    Attributes:
        over: the values of each setting that is swept, by the name of its flag.
        seeds: of each trial.
        search: how many trials optuna's TPE finds; None is a grid, every combination of values.
        figure: of ``jeat compare``, whose mean over seeds is sought.
        minimise: whether the least is sought, not the most.
    """

    over: Mapping[str, Axis]
    seeds: int = 1
    search: int | None = None
    figure: str = "test_accuracy"
    minimise: bool = False

    def __post_init__(self) -> None:
        ranges = [name for name, axis in self.over.items() if isinstance(axis, Range)]
        if self.search is None and ranges:
            raise SettingError(
                f"--over.{ranges[0]} is a range, of which a grid has no end: give values, or "
                "--search N"
            )
        for name, value in (("seeds", self.seeds), ("search", self.search)):
            if value is not None and not 1 <= value <= _MOST:
                raise SettingError(f"--{name} must lie in 1..{_MOST}, got {value}")
        if len(self.grid if not ranges else ()) > _MOST:
            raise SettingError(f"a grid of {len(self.grid)} trials is too large: --search N")

    @property
    def grid(self) -> list[dict[str, str]]:
        """Every combination of its values; of a range its ends."""
        values = [
            (axis.word(axis.low), axis.word(axis.high)) if isinstance(axis, Range) else axis
            for axis in self.over.values()
        ]
        return [dict(zip(self.over, point, strict=True)) for point in product(*values)]

    @property
    def trials(self) -> int:
        """How many there are."""
        return self.search or len(self.grid)


PlanOf = Callable[[Mapping[str, str], int], Plan]
"""``plan_of(settings, k)``: the plan of a trial with its k-th seed."""


@dataclass(frozen=True)
class Progress:
    """``done`` of ``total`` runs, and what is being done."""

    done: int
    total: int
    note: str = ""


def axis_of(name: str, words: Sequence[str], *, whole: bool) -> Axis:
    """What ``--over.NAME WORDS`` says: values, or a range as ``1e-5..1e-3 log``.

    Args:
        name: of the flag.
        words: after it.
        whole: whether the flag takes whole numbers only.

    Raises:
        SettingError: no value, one twice, or a range that says neither log nor linear, or is none.
    """
    if not words:
        raise SettingError(f"--over.{name} needs values, as in --over.{name} 1 2")
    found = _RANGE.fullmatch(words[0])
    if found is None or not all(map(is_decimal, found.groups())):
        if len({*words}) < len(words):
            raise SettingError(f"--over.{name} has a value twice: leave one out")
        return tuple(words)
    if list(words[1:]) not in (["log"], ["linear"]):
        raise SettingError(
            f"--over.{name} is a range: say log or linear, as in --over.{name} {words[0]} log"
        )
    low, high, log = float(found["low"]), float(found["high"]), words[1] == "log"
    if not low < high:
        raise SettingError(f"--over.{name} {words[0]} must rise")
    if log and low <= 0:
        raise SettingError(f"--over.{name} {words[0]} log must begin above 0")
    if whole and not (low.is_integer() and high.is_integer()):
        raise SettingError(f"--over.{name} {words[0]} must be of whole numbers")
    return Range(low, high, log, whole)


def place_of(out: Path, trial: int, k: int) -> Path:
    """The folder of the run of a trial with its k-th seed."""
    return out / f"trials/{trial:03d}/seed{k}"
