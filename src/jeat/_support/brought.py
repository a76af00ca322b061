"""What installed packages bring to jeat: entry points, which are read here and not run."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

__all__ = ["KINDS", "Brought", "brought", "look_here"]

KINDS = {
    "objectives": "method", "nets": "net", "samplers": "sampler", "samplers/starts": "start",
    "steps": "step", "metrics": "metric", "data/sources": "data set", "recipes": "suite",
}  # fmt: skip
"""Folder of this package -> what its parts are called; the group is ``jeat.FOLDER``, by dots."""

_GROUP = "jeat."


@dataclass(frozen=True)
class Brought:
    """An entry point of an installed package.

    Attributes:
        folder: of :data:`KINDS` whose part it is; else its group.
        name: as whoever uses it says it.
        value: ``package.module:Name``.
        package: which brings it, with its version.
    """

    folder: str
    name: str
    value: str
    package: str


def brought() -> tuple[Brought, ...]:
    """The entry points of the groups ``jeat.*``, package by package; nothing is imported.

    Packages in the working folder count for nothing: what was unpacked there was not installed.
    """
    here = Path.cwd()
    return _read(tuple(p for p in sys.path if p and Path(p).resolve() != here))


@cache
def _read(path: tuple[str, ...]) -> tuple[Brought, ...]:
    seen: set[str] = set()
    found = [b for package in metadata.distributions(path=[*path]) for b in _of(package, seen)]
    return tuple(sorted(found, key=lambda b: (b.package, b.folder, b.name)))


def _of(package: metadata.Distribution, seen: set[str]) -> Iterator[Brought]:
    """What a package brings, if it is the first of its name on the path, as imports take it."""
    if f"[{_GROUP}" not in (package.read_text("entry_points.txt") or ""):
        return
    name = package.metadata["Name"]
    if name in seen:
        return
    seen.add(name)
    folders = {f"{_GROUP}{folder.replace('/', '.')}": folder for folder in KINDS}
    said = f"{name} {package.version}"
    for e in package.entry_points:
        if e.group.startswith(_GROUP):
            yield Brought(folders.get(e.group, e.group), e.name, e.value, said)


def look_here() -> None:
    """Find modules in the working folder, too, behind all others: none stands for a library."""
    if "" not in sys.path:
        sys.path.append("")
