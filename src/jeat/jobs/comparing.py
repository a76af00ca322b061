"""Runs beside each other: the settings that differ, and what they reached, over seeds."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from jeat._support.checks import SettingError, quoted
from jeat._support.files import expanded
from jeat._support.near import near
from jeat.jobs._kept import kept_in
from jeat.nets import load
from jeat.nets.places import named_twice, place_of, shipped
from jeat.report import Cell, summarise
from jeat.runs.asked import usual
from jeat.runs.folder import BESIDE, as_now, read_plan
from jeat.runs.log import last_evaluation, minutes, rows, total
from jeat.runs.rollbacks import rollbacks_of
from jeat.training.flags import flags_of, leaves

__all__ = ["USUAL", "Compared", "Group", "compare", "compared"]

USUAL = ("test_accuracy", "test_robust_accuracy", "minutes", "went_back")
_INIT, _SEED = "init", "optimisation.seed"
_ON_CARD = {"test_accuracy": "accuracy", "test_robust_accuracy": "pgd_20"}  # both of test images
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
            ``went_back``; and of the measurements in its folder, as ``FILE.FIGURE``. Of a shipped
            net, those of its card, as ``card.FIGURE``; its accuracies are ``test_*``, too.
        how: what the measurements in its folder were found by, by their names.
        iterations: how many it was trained for, and how many it is to be; None for a net.
    """

    name: str
    settings: dict[str, Any]
    figures: dict[str, float]
    how: dict[str, dict[str, Any]] = field(default_factory=dict)
    iterations: tuple[int, int | None] | None = None


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seed only, and do so.

    Attributes:
        names: of the runs.
        seeds: of the runs, each another one.
        iterations: of the runs, as :class:`Compared` has them.
        settings: those that differ between groups which have them, by dotted names.
        figures: the names of those that some group has, in order.
        cells: the figures over its runs, whose ``values`` are by their places.
    """

    names: tuple[str, ...]
    seeds: tuple[int, ...]
    iterations: tuple[tuple[int, int | None] | None, ...]
    settings: dict[str, Any]
    figures: tuple[str, ...]
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
        return Compared(name, _settings(about["plan"]), dict(_on_card(name)))
    log, plan = rows(place), read_plan(place)
    figures = log[-1] if log else {}
    figures |= {k: v for k, v in last_evaluation(log).items() if k.startswith("test_")}
    figures |= {"minutes": minutes(place), "went_back": float(len(rollbacks_of(place)))}
    kept = kept_in(place)
    at = (log[-1]["iteration"], total(log, plan["optimisation"]["epochs"])) if log else (0, None)
    return Compared(
        name,
        _settings(plan),
        figures | {k: found.value for k, found in kept.items()},
        {k: found.how for k, found in kept.items()},
        at,
    )


def _on_card(name: str) -> Iterator[tuple[str, float]]:
    """The figures of a shipped net's card, whose attacks are those of the evaluations of its plan.

    Any other net has none.
    """
    from huggingface_hub import ModelCard

    place = Path(place_of(name))
    if place not in [file.resolve() for file in shipped().values()]:
        return
    results = ModelCard.load(place.with_suffix(".md")).data.eval_results or ()
    found = {result.metric_type: float(result.metric_value) for result in results}
    yield from ((name, found[k]) for name, k in _ON_CARD.items() if k in found)
    yield from ((f"card.{k}", value) for k, value in found.items())


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

    Runs of one seed are groups of their own. A figure that was measured in several ways has several
    names, which say in what the ways differ.

    Args:
        runs: of :func:`compared`.
        figures: their names, in that order; ``*`` and ``?`` stand for others.

    Raises:
        SettingError: none has such a figure; a run twice.
    """
    if twice := named_twice(run.name for run in runs):
        raise SettingError(f"a run is named twice, as {' and '.join(dict.fromkeys(twice))}")
    known = list(dict.fromkeys(k for run in runs for k in run.figures))
    chosen = [k for pattern in figures for k in known if fnmatchcase(k, pattern)]
    for pattern in figures:
        if known and not any(fnmatchcase(k, pattern) for k in known) and pattern not in USUAL:
            hint = near(pattern, known) or ":"
            raise SettingError(
                f"no run has a figure {quoted(pattern)}{hint} they have {', '.join(known)}"
            )
    values = _told_apart(runs, list(dict.fromkeys(chosen)))
    groups, times = dict[tuple[str, bool, int], list[Compared]](), Counter[tuple[str, bool, int]]()
    for run in runs:
        others = {k: v for k, v in run.settings.items() if k not in _APART}
        alike = json.dumps(others, sort_keys=True), run.iterations is None
        seed = *alike, run.settings[_SEED]
        groups.setdefault((*alike, times[seed]), []).append(run)
        times[seed] += 1
    differ = _different([group[0].settings for group in groups.values()])
    return [
        Group(
            tuple(run.name for run in group),
            tuple(run.settings[_SEED] for run in group),
            tuple(run.iterations for run in group),
            {k: group[0].settings[k] for k in differ if k in group[0].settings},
            tuple(values),
            _cells(group, values),
        )
        for group in groups.values()
    ]


def _told_apart(runs: Sequence[Compared], figures: Sequence[str]) -> dict[str, dict[str, float]]:
    """``{figure: {run: value}}`` of finite ones; one for each way in which a figure was measured.

    Where each run was measured with its own seed, that is one way.
    """
    found: dict[str, dict[str, float]] = {}
    for name in figures:
        have = [run for run in runs if name in run.figures]
        hows = [run.how.get(name, {}) for run in have]
        differ = _different(hows)
        if all(how.get("seed") == run.settings[_SEED] for run, how in zip(have, hows, strict=True)):
            differ = [k for k in differ if k != "seed"]
        for run, how in zip(have, hows, strict=True):
            words = [_in_words(k, how[k], hows) for k in differ if k in how]
            whole = f"{name} ({', '.join(words)})" if words else name
            if math.isfinite(run.figures[name]):
                found.setdefault(whole, {})[run.name] = run.figures[name]
    return found


def _in_words(name: str, value: Any, among: Sequence[Mapping[str, Any]]) -> str:
    """By what a figure was measured, in four digits where these tell it from the others."""
    last = name.rpartition(".")[2]
    if not isinstance(value, float):
        return f"{last} {value}"
    alike = {how[name] for how in among if name in how and f"{how[name]:.4g}" == f"{value:.4g}"}
    return f"{last} {value:.4g}" if len(alike) == 1 else f"{last} {value}"


def _different(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of settings that have several values among those that have them."""
    names = dict.fromkeys(k for each in settings for k in each if k not in _APART)
    values = {k: {json.dumps(s[k], sort_keys=True) for s in settings if k in s} for k in names}
    return [k for k, found in values.items() if len(found) > 1]


def _cells(
    group: Sequence[Compared], figures: Mapping[str, Mapping[str, float]]
) -> dict[str, Cell]:
    """The figures of a group over its runs, from those of :func:`_told_apart`."""
    records = [
        {"method": "", "seed": i, "column": k, "value": of[run.name], "command": run.name}
        for i, run in enumerate(group)
        for k, of in figures.items()
        if run.name in of
    ]
    return summarise(records).get("", {})
