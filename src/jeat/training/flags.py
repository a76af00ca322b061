"""A plan as flags of ``jeat train``: those of its YAML file, and of its command."""

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from jeat._support.libraries import holder_of
from jeat._support.plugins import Part, name_of, settings_of
from jeat._support.signatures import folder_of, signature_of
from jeat._support.words import flags

__all__ = ["command_of", "config_of", "flags_of", "leaves", "longer_command"]

_TRAIN = ("jeat", "train")


def flags_of(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Every setting of a recorded plan, nested as the flags of ``jeat train`` are in YAML."""
    others = {k: v for k, v in plan.items() if k not in ("method", "optimisation")}
    made = plan["architecture"].get("make")
    if made and holder_of(name_of(made)):
        others["net"] = name_of(made)
    found: dict[str, Any] = json.loads(json.dumps(others | plan["optimisation"]))
    if step := found.get("step"):
        found["step"] = _whole("steps", step)
    for setting in signature_of("objectives", plan["method"], "method").flags:
        if (folder := folder_of(setting)) and setting.name in found["objective"]:
            found["objective"][setting.name] = _whole(folder, found["objective"][setting.name])
    return found


def _whole(folder: str, part: Part) -> Part:
    """A part with all its settings: those that are not said may have other defaults in a method."""
    name = name_of(part)
    usual = {flag.name: flag.default for flag in signature_of(folder, name).flags}
    return {"name": name, **usual, **settings_of(part)} if usual else name


def config_of(plan: Mapping[str, Any]) -> str:
    """The YAML file of a recorded plan, for ``jeat train METHOD --config FILE``."""
    said = f"# jeat train {plan['method']} --config THIS_FILE --out FOLDER\n"
    return f"{said}{yaml.safe_dump(flags_of(plan), sort_keys=False, allow_unicode=True)}"


def command_of(plan: Mapping[str, Any], usual: Mapping[str, Any], out: str) -> str:
    """The command that trains by a recorded plan: its settings that are not the ``usual`` ones.

    Args:
        plan: as it is recorded.
        usual: the plan of the same method and net that nothing is said of.
        out: the run's folder.
    """
    before = dict(leaves(flags_of(usual) | {"net": None}))
    said = [
        word
        for name, value in leaves(flags_of(plan))
        if value != before.get(name)
        for word in flags(name, value)
    ]
    return shlex.join([*_TRAIN, plan["method"], "--out", out, *said])


def longer_command(epochs: float, out: str) -> str:
    """The command that has a finished run go on for more epochs."""
    return shlex.join([*_TRAIN, "--resume", "--out", out, *flags("epochs", epochs)])


def leaves(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Nested settings by dotted names; a part with settings is one."""
    for name, value in settings.items():
        if isinstance(value, dict) and "name" not in value:
            yield from leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value
