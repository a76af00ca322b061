"""Runs beside each other: the settings that differ, and what they reached, over seeds."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from jeat._support.checks import SettingError, quoted
from jeat._support.files import expanded
from jeat.nets import load
from jeat.report import Cell, summarise
from jeat.runs.asked import usual
from jeat.runs.folder import BESIDE, as_now, read_plan
from jeat.runs.log import last_evaluation, minutes, rows
from jeat.runs.rollbacks import rollbacks_of
from jeat.training.flags import flags_of, leaves

__all__ = ["USUAL", "Compared", "Group", "compare", "compared"]

USUAL = ("test_accuracy", "test_robust_accuracy", "minutes", "went_back")
_INIT, _SEED = "init", "optimisation.seed"
_APART = {_SEED} | {  # settings that move no weight
    f"optimisation.{name}"
    for name in ("log_every", "save_every", "evaluate_every", "deltas_every", *BESIDE)
}


@dataclass(frozen=True)
class Compared:
    """A run or a net.

    Attributes:
        name: as it was named.
        settings: of its plan, by dotted names; ``init`` is the settings of the run that it began
            from, where that is one.
        figures: of its last log line, ``test_*`` of its last evaluation, ``minutes``,
            ``went_back``; and of the measurements in its folder, as ``FILE.FIGURE``.
    """

    name: str
    settings: dict[str, Any]
    figures: dict[str, float]


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seed only.

    Attributes:
        names: of the runs.
        seeds: of the runs.
        settings: those that differ between groups which have them, by dotted names.
        cells: the figures over its runs, whose ``values`` are by their places.
    """

    names: tuple[str, ...]
    seeds: tuple[int, ...]
    settings: dict[str, Any]
    cells: dict[str, Cell]


def compared(name: str) -> Compared:
    """What is recorded of a run, or of a net that is no run's folder.

    Raises:
        FileNotFoundError, ValueError: there is none, or it is damaged.
    """
    place = expanded(name)
    if not (place / "run.json").is_file():
        about: Any = load(name).about
        if not isinstance(about.get("plan"), dict):
            raise ValueError(f"{name} does not say how it was trained: name a run, or another net")
        return Compared(name, _settings(about["plan"]), {})
    log = rows(place)
    figures = log[-1] if log else {}
    figures |= {k: v for k, v in last_evaluation(log).items() if k.startswith("test_")}
    figures |= {"minutes": minutes(place), "went_back": float(len(rollbacks_of(place)))}
    return Compared(name, _settings(read_plan(place)), figures | dict(_measured(place)))


def _measured(run: Path) -> Iterator[tuple[str, float]]:
    """The figures of ``jeat measure --out`` in a run's folder, as ``FILE.FIGURE``."""
    for file in sorted([*run.glob("*.json"), *run.glob("figures/*.json")]):
        try:
            found = json.loads(file.read_text())
        except ValueError:
            continue
        if isinstance(found, dict) and isinstance(found.get("figures"), dict):
            yield from ((f"{file.stem}.{k}", float(v)) for k, v in found["figures"].items())


def _settings(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a plan, and in the place of ``init`` those of the run it begins from."""
    plan = as_now(recorded)
    found = dict(leaves(plan))
    with suppress(ValueError):  # what is not recorded, as by an earlier version, is as usual
        found = dict(leaves(asdict(usual(plan["method"], flags_of(plan)["net"])))) | found
    if found.get(_INIT) and (expanded(found[_INIT]) / "run.json").is_file():
        before = _settings(read_plan(expanded(found[_INIT])))
        found[_INIT] = {k: v for k, v in before.items() if k not in _APART}
    return found


def compare(runs: Sequence[Compared], figures: Sequence[str] = USUAL) -> list[Group]:
    """Runs by their settings but for the seed, with the figures that match.

    Args:
        runs: of :func:`compared`.
        figures: their names, in that order; ``*`` and ``?`` stand for others.

    Raises:
        SettingError: none has such a figure; a run twice.
    """
    known = list(dict.fromkeys(k for run in runs for k in run.figures))
    chosen = [k for pattern in figures for k in known if fnmatchcase(k, pattern)]
    for pattern in figures:
        if known and not any(fnmatchcase(k, pattern) for k in known) and pattern not in USUAL:
            raise SettingError(
                f"no run has a figure {quoted(pattern)}: they have {', '.join(known)}"
            )
    if len({run.name for run in runs}) < len(runs):
        raise SettingError("a run is named twice")
    groups: dict[str, list[Compared]] = {}
    for run in runs:
        others = {k: v for k, v in run.settings.items() if k not in _APART}
        groups.setdefault(json.dumps(others, sort_keys=True), []).append(run)
    differ = _different([group[0].settings for group in groups.values()])
    return [
        Group(
            tuple(run.name for run in group),
            tuple(run.settings[_SEED] for run in group),
            {k: group[0].settings[k] for k in differ if k in group[0].settings},
            _cells(group, list(dict.fromkeys(chosen))),
        )
        for group in groups.values()
    ]


def _different(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of settings that have several values among those that have them."""
    names = dict.fromkeys(k for each in settings for k in each if k not in _APART)
    values = {k: {json.dumps(s[k], sort_keys=True) for s in settings if k in s} for k in names}
    return [k for k, found in values.items() if len(found) > 1]


def _cells(group: Sequence[Compared], figures: Sequence[str]) -> dict[str, Cell]:
    """The figures of a group that are finite, over its runs."""
    records = [
        {"method": "", "seed": i, "column": k, "value": run.figures[k], "command": run.name}
        for i, run in enumerate(group)
        for k in figures
        if math.isfinite(run.figures.get(k, math.nan))
    ]
    return summarise(records).get("", {})
