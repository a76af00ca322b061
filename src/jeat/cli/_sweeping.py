"""What a sweep is asked for by the words of a command, and kept as: ``sweep.json``."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jeat._support.checks import SettingError, plain
from jeat._support.files import expanded, rewritten
from jeat._support.words import is_decimal
from jeat.cli._training import is_run

__all__ = [
    "FREE", "Said", "check_same", "config_of", "flags_in", "is_elsewhere", "keep", "record_of",
    "recorded", "value_of",
]  # fmt: skip

OVER, _RECORD = "over.", "sweep.json"
FREE = ("figure", "minimise", "search")  # what may be another when a sweep goes on
APART = ("seeds", *FREE, "workers", "helper_of", "out", "resume", "config", "verbose", "v")


@dataclass(frozen=True)
class Said:
    """A flag of a command: its name, and its words, of which ``values`` are after the name."""

    name: str
    words: list[str]
    values: list[str]


def value_of(flags: Sequence[Said], name: str) -> str | None:
    """The first word after a flag; None where it is not given."""
    return next((f.values[0] for f in flags if f.name == name and f.values), None)


def is_elsewhere(flag: Said) -> bool:
    """Whether a flag is no flag of the parser: one that is swept, or a run that is named."""
    run = flag.name == "config" and bool(flag.values) and is_run(flag.values[0])
    return run or flag.name.startswith(OVER)


def flags_in(words: Sequence[str]) -> list[Said]:
    """The words of a command by their flags, in order; first those before any."""
    found = [Said("", [], [])]
    for word in words:
        if word.startswith("-") and not is_decimal(word):
            flag, equals, value = word.partition("=")
            name = flag.lstrip("-").replace("-", "_")
            found.append(Said(name, [word], [value] if equals else []))
        else:
            found[-1].words.append(word)
            found[-1].values.append(word)
    return found


def recorded(flags: Sequence[Said]) -> dict[str, Any]:
    """What is kept of the sweep in ``--out``; nothing where there is none."""
    out = value_of(flags, "out")
    if not out or not (file := expanded(out) / _RECORD).is_file():
        return {}
    try:
        return dict(json.loads(file.read_text()))
    except ValueError as error:
        raise ValueError(f"{file} is damaged ({error}): begin anew elsewhere") from error


def record_of(
    method: str, flags: Sequence[Said], before: Mapping[str, Any], args: Any
) -> dict[str, Any]:
    """The sweep that is asked for, as it is kept in its folder."""
    free = {name: args[name] for name in ("seeds", *FREE)}
    if not method:
        given = {flag.name for flag in flags}
        if others := [f.name for f in flags[1:] if f.name not in APART]:
            raise SettingError(f"--{others[0]} needs the whole command: name the METHOD, too")
        return {**before, **{k: v for k, v in free.items() if k in given}}
    swept = [f for f in flags if f.name.startswith(OVER)]
    own = [f for f in flags if f not in swept and f.name not in APART]
    over = {flag.name.removeprefix(OVER): flag.values for flag in swept}
    if twice := [f.name for f in own if f.name in over]:
        raise SettingError(f"--{twice[0]} is given, and swept over: leave one out")
    if odd := [name for name in over if name in APART]:
        raise SettingError(f"--over.{odd[0]} is no setting of a training")
    config = value_of(flags, "config")
    begun = text = None
    if config is not None and is_run(config):
        begun = (expanded(config) / "run.json").read_text()
    elif config is not None:
        text = expanded(config).read_text()
    words = [word for flag in own for word in flag.words]
    return {"method": method, "words": words, "over": over, **free, "config": text, "begun": begun}


def check_same(out: Path, record: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    """Refuse another sweep than that of the folder.

    A search may be made longer, and a grid may have further seeds.
    """
    searched = before["search"] is not None
    if not searched and record["seeds"] < before["seeds"]:
        raise ValueError(
            f"{out} has {before['seeds']} seeds of each setting, which are kept: give --seeds "
            f"{before['seeds']} or more, or name another folder"
        )
    free = ("search",) if searched else ("seeds", *FREE)
    fixed = [k for k in before if k not in free]
    longer = (record["search"] or 0) >= (before["search"] or 0)
    if searched != (record["search"] is not None) or not longer:
        fixed.append("search")
    for name in fixed:
        if record[name] != before[name]:
            raise ValueError(
                f"{out} is a sweep with other settings: {name} {plain(str(before[name]))}, now "
                f"{plain(str(record[name]))}: name another folder"
            )


def keep(record: Mapping[str, Any], out: Path) -> None:
    """Write what the sweep is, with copies of the file or run that it takes settings from."""
    if record["config"] is not None:
        rewritten(out / "config.yaml", record["config"])
    if record["begun"] is not None:
        rewritten(out / "begun/run.json", record["begun"])
    rewritten(out / _RECORD, json.dumps(record, indent=1))


def config_of(record: Mapping[str, Any], out: Path) -> str | None:
    """The copy of :func:`_keep`."""
    if record["config"] is not None:
        return str(out / "config.yaml")
    return str(out / "begun") if record["begun"] is not None else None
