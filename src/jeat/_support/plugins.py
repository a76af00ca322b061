"""Parts by name: a file of a folder of this package, a plugin's, or ``package.module:Name``.

A folder such as ``objectives`` is its own registry: each public file in it is a part, named like
the file. Where a folder also holds other files, a part is a file that defines the folder's mark.
"""

import ast
import importlib.util
import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from jeat._support.brought import KINDS, Brought, brought, look_here
from jeat._support.checks import SettingError, check_not_made, quoted
from jeat._support.files import expanded
from jeat._support.source import assigned, defines, literal
from jeat._support.words import unknown

__all__ = [
    "NAMED", "Part", "Place", "brought_parts", "check_named_by_file", "constant_of", "find",
    "find_in_file", "known_parts", "locate", "name_of", "part_name", "settings_of",
    "short_name", "trouble_of",
]  # fmt: skip

Part = str | dict[str, Any]
"""The name of a part, or ``{"name": ..., SETTING: VALUE, ...}``."""

PACKAGE = Path(__file__).parents[1]
_MARKS = {
    "cli": "main", "data/sources": "read", "exports": "write", "metrics": "measure", "nets": "Net",
    "recipes": "suite",
}  # fmt: skip
_WORDS = {
    "data/sources": "reader", "exports": "format", "metrics": "metric", "nets": "net",
    "objectives": "method", "steps": "step",
}  # fmt: skip

NAMED: set[str] = set()
"""Modules that the user named, by JEAT_PLUGINS, a flag or a call, and the files of these."""


@dataclass(frozen=True)
class Place:
    """Where a part is defined: source file, module, and the name in it."""

    file: Path
    module: str
    name: str


def known_parts(folder: str) -> list[str]:
    """The parts of a folder of this package, such as ``objectives`` or ``samplers/starts``."""
    mark = _MARKS.get(folder)
    files = sorted((PACKAGE / folder).glob("[a-z]*.py"))
    return [f.stem for f in files if mark is None or defines(f, mark)]


def brought_parts(folder: str) -> dict[str, Brought]:
    """The parts of a folder that installed packages bring, by names that mean one thing."""
    return {b.name: b for b in brought() if b.folder == folder and not trouble_of(b)}


def trouble_of(part: Brought) -> str:
    """Why what a package brings cannot be named by its name; "" where it can."""
    if part.folder not in KINDS:
        groups = ", ".join(f"jeat.{folder.replace('/', '.')}" for folder in KINDS)
        return f"{part.folder} is no group: groups are {groups}"
    if not part.name.isidentifier():
        return "a name has letters, digits and _"
    if part.name in known_parts(part.folder):
        return f"jeat has this name: say {part.value}"
    alike = [b for b in brought() if (b.folder, b.name) == (part.folder, part.name)]
    others = " and ".join(b.package for b in alike if b != part)
    return f"{others} has this name, too: say {part.value}" if others else ""


def locate(folder: str, name: str, what: str) -> Place:
    """Where the part ``name`` of a folder is.

    Args:
        folder: of this package.
        name: of a file in it, of a part that a package brings, or ``package.module:Name``.
        what: what it is called in an error, such as ``"method"``.

    Raises:
        SettingError: there is no such part.
    """
    if ":" in name:
        return _outside(name, what)
    if name not in (known := known_parts(folder)):
        if name in (theirs := brought_parts(folder)):
            return _outside(theirs[name].value, f"{what} {name!r} of {theirs[name].package},")
        if twins := [b for b in brought() if (b.folder, b.name) == (folder, name)]:
            raise SettingError(f"{what} {name!r} of {twins[0].package}: {trouble_of(twins[0])}")
        raise SettingError(unknown(what, name, [*known, *theirs], also="or package.module:Name"))
    file = PACKAGE / folder / f"{name}.py"
    exports = assigned(file, "__all__")
    own = _MARKS.get(folder) or (ast.literal_eval(exports)[0] if exports else name)
    return Place(file, f"jeat.{folder.replace('/', '.')}.{name}", own)


def find(folder: str, name: str, what: str, *, by_file: bool = False) -> Any:
    """The part ``name`` of a folder, imported; arguments and errors as :func:`locate`.

    Args:
        folder, name, what: as :func:`locate`.
        by_file: whether a file that was loaded names it. A file may not have code imported: of what
            is outside, only modules that are imported already are taken then, and parts that a
            package was installed to bring, by their names.
    """
    if by_file:
        check_named_by_file(name, what)
    place = locate(folder, name, what)
    if ":" in name and not by_file:
        NAMED.add(place.module)
    try:
        module = import_module(place.module)
    except Exception as error:  # whatever one's own module raises
        whose = f" of {theirs.package}" if (theirs := brought_parts(folder).get(name)) else ""
        said = f"{type(error).__name__}: {error}"
        raise SettingError(f"{what} {name!r}{whose} cannot be imported: {said}") from error
    if not hasattr(module, place.name):
        raise SettingError(f"{place.module} has no {place.name}: no such {what}")
    found = getattr(module, place.name)
    check_not_made(found, f"{what} {name!r}")
    try:
        inspect.signature(found)
    except (TypeError, ValueError) as error:
        raise SettingError(
            f"{what} {name!r} must be a function or class of Python, got {quoted(found)}"
        ) from error
    return found


def find_in_file(file: str, name: str) -> Any:
    """What a Python file of the user's own names so; it is imported.

    Raises:
        SettingError: no such file or name, or it cannot be imported.
    """
    path = expanded(file)
    if not path.is_file():
        raise SettingError(f"there is no file {file}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever one's own file raises
        kind = type(error).__name__
        raise SettingError(f"{file} cannot be imported: {kind}: {error}") from error
    NAMED.update((path.stem, str(path.resolve())))
    if not hasattr(module, name):
        raise SettingError(f"{file} has no {name}")
    found = getattr(module, name)
    check_not_made(found, f"{file}:{name}")
    return found


def constant_of(folder: str, name: str, constant: str) -> Any:
    """The literal that a part's module assigns to ``constant``, None where it does not.

    Raises:
        SettingError: there is no such part, or what is assigned is no literal of its kind.
    """
    place = locate(folder, name, _WORDS[folder])
    return literal(place.file, constant, of=name)


def check_named_by_file(name: str, what: str, *, called: bool = False) -> None:
    """Refuse a part that a file names, where that would have code imported or run.

    Args:
        name, what: as :func:`locate`.
        called: it would be called at once, as a function that gives data is: only modules that the
            user named are good for that.

    Raises:
        SettingError: it is code of a module that the user has neither named nor imported, of
            Python's library, or of this package.
    """
    module, _, own = name.partition(":")
    if ":" not in name or module in NAMED:
        return
    found = vars(sys.modules[module]).get(own) if module in sys.modules else None
    is_its_own = getattr(found, "__module__", None) == module  # not what it imports itself
    if called or not is_its_own or module.partition(".")[0] in {"jeat", *sys.stdlib_module_names}:
        raise SettingError(
            f"{what} {name!r} is code of its own, which no file may have run: import {module} "
            f"first, or set JEAT_PLUGINS={module}"
        )


def part_name(part: Any, folder: str) -> str:
    """The name by which :func:`find` finds the class or function of a folder."""
    module = str(part.__module__)
    inside = f"jeat.{folder.replace('/', '.')}."
    for name, theirs in brought_parts(folder).items() if not module.startswith(inside) else ():
        if theirs.value == f"{module}:{part.__name__}":
            return name
    return module.removeprefix(inside) if module.startswith(inside) else f"{module}:{part.__name__}"


def name_of(part: Part) -> str:
    """The name of a part."""
    return part if isinstance(part, str) else str(part.get("name"))


def short_name(name: str) -> str:
    """What the flags of a part are named by: its file, or the last word of one's own module."""
    return name.partition(":")[0].rpartition(".")[2]


def settings_of(part: Part) -> Mapping[str, Any]:
    """The settings of a part that are given."""
    return {} if isinstance(part, str) else {k: v for k, v in part.items() if k != "name"}


def _outside(name: str, what: str) -> Place:
    module, _, own = name.partition(":")
    look_here()
    try:
        spec = importlib.util.find_spec(module)
    except Exception as error:  # whatever the package that holds it raises
        kind = type(error).__name__
        raise SettingError(f"{what} {name!r} cannot be imported: {kind}: {error}") from error
    if spec is None or not (spec.origin or "").endswith(".py") or not own.isidentifier():
        raise SettingError(
            f"there is no {what} {name!r}: give package.module:Name of a .py file that Python finds"
        )
    assert spec.origin is not None
    return Place(Path(spec.origin), module, own)
