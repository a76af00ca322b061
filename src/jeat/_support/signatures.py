"""Signatures of parts: of this package read from source, so that ``--help`` needs no torch."""

import ast
import builtins
import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from docstring_parser import parse

from jeat._support.checks import SettingError, check_kind, quoted
from jeat._support.plugins import PACKAGE, Place, find, locate

__all__ = ["GIVEN", "Flag", "Signature", "check_takes", "complete", "folder_of", "signature_of"]

GIVEN = {
    "nets": ("channels", "size", "classes"),
    "objectives": ("restart", "net"),
    "samplers": ("steps", "step_size", "noise", "bounds"),
}
"""Keyword-only arguments that are no settings, by folder: whoever uses a part gives it these."""


@dataclass(frozen=True)
class Flag:
    """A keyword-only argument: its type, default and line in the docstring."""

    name: str
    type: Any
    default: Any
    help: str


def folder_of(flag: Flag) -> str | None:
    """Whose files are the values of a setting that is a part; None of another setting."""
    folder: str | None = next(iter(getattr(flag.type, "__metadata__", ())), None)
    return folder


@dataclass(frozen=True)
class Signature:
    """The first line of a docstring, and the keyword-only arguments it documents."""

    summary: str
    flags: tuple[Flag, ...]


def signature_of(folder: str, name: str, what: str = "part") -> Signature:
    """The signature of a part, with its settings: of a function, or of a class's ``__init__``.

    That of a part of this package is read from its source. One from outside is imported.

    Raises:
        SettingError: no such part, or a keyword-only argument without annotation or default.
    """
    place = locate(folder, name, what)
    ours = place.file.is_relative_to(PACKAGE)
    whole = _read(place) if ours else _inspected(find(folder, name, what))
    settings = tuple(f for f in whole.flags if f.name not in GIVEN.get(folder, ()))
    for flag in settings:
        _check_kind_known(flag, f"{what} {name!r}")
        if inspect.Parameter.empty in (flag.type, flag.default):
            raise SettingError(
                f"the setting {flag.name} of {what} {name!r} needs an annotation and a default, "
                f"such as {flag.name}: float = 1.0"
            )
    return Signature(whole.summary, settings)


def complete(
    part: Callable[..., Any],
    settings: dict[str, Any],
    *,
    whose: str,
    group: str,
    given: Iterable[str] = (),
) -> dict[str, Any]:
    """``settings`` of a part, with the defaults of those that are not given.

    Args:
        part: a function or class; its keyword-only arguments are its settings.
        settings: by name.
        whose: what stands before ``has no setting`` in an error.
        group: what stands before a setting's name in an error, such as ``objective``.
        given: keyword-only arguments that are no settings: its caller gives them.

    Raises:
        SettingError: a setting it does not take, or of another kind.
    """
    own = {f.name: f for f in _inspected(part).flags if f.name not in given}
    for flag in own.values():
        _check_kind_known(flag, whose)
    if unknown := set(settings) - set(own):
        names = ", ".join(sorted(k if isinstance(k, str) else quoted(k) for k in unknown))
        known = ", ".join(own) or "none"
        raise SettingError(f"{whose} has no setting {names}; it has {known}")
    for name, value in settings.items():
        check_kind(f"{group}.{name}", value, own[name].type)
    return {k: f.default for k, f in own.items()} | settings


def check_takes(part: Any, whose: str, *given: str, **settings: Any) -> None:
    """Check that a function or class of the user's can be called as it will be.

    Args:
        part: what will be called.
        whose: what stands before the arguments in an error, such as ``step 'mine:own'``.
        given: names of the arguments by position.
        settings: arguments by keyword.

    Raises:
        SettingError: it takes others.
    """
    try:
        inspect.signature(part).bind(*given, **settings)
    except TypeError as error:
        words = ", ".join([*given, *(f"{k}=" for k in settings)])
        raise SettingError(f"{whose} must take the arguments ({words}): {error}") from error


def _check_kind_known(flag: Flag, whose: str) -> None:
    if isinstance(flag.type, str):
        raise SettingError(
            f"the setting {flag.name} of {whose} is annotated by {flag.type!r}, which its file "
            f"does not define: write a kind that it does, such as {flag.name}: float = 1.0"
        )


def _inspected(part: Callable[..., Any]) -> Signature:
    """The signature of something that is imported."""
    made = part.__init__ if isinstance(part, type) else part  # type: ignore[misc]
    names = getattr(inspect.unwrap(made), "__globals__", {})
    arguments = [p for p in inspect.signature(part).parameters.values() if p.kind is p.KEYWORD_ONLY]
    doc = parse(inspect.getdoc(part) or "")
    helps = _helps(doc)
    flags = [
        Flag(p.name, _kind(p.annotation, names), p.default, helps.get(p.name, ""))
        for p in arguments
    ]
    return Signature(doc.short_description or "", tuple(flags))


def _kind(annotation: Any, names: dict[str, Any]) -> Any:
    """What an annotation as text stands for; the text where it names what is not there."""
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, names)
    except Exception:  # as of what is imported for type checkers only
        return annotation


def _read(place: Place) -> Signature:
    """The signature of something in this package's source."""
    body = ast.parse(place.file.read_text()).body
    owner: Any = next(node for node in body if getattr(node, "name", "") == place.name)
    made = [owner]
    if isinstance(owner, ast.ClassDef):
        made = [node for node in owner.body if getattr(node, "name", "") == "__init__"]
    doc = parse(ast.get_docstring(owner) or "")
    helps = _helps(doc)
    flags = [
        Flag(
            arg.arg,
            _evaluated(arg.annotation, place.file),
            inspect.Parameter.empty if default is None else _evaluated(default, place.file),
            helps.get(arg.arg, ""),
        )
        for function in made
        for arg, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
    ]
    return Signature(doc.short_description or "", tuple(flags))


def _helps(doc: Any) -> dict[str, str]:
    """Argument -> its line; ``a, b: text`` documents both."""
    return {
        name.strip(): " ".join((p.description or "").split())
        for p in doc.params
        for name in p.arg_name.split(",")
    }


def _evaluated(node: ast.expr, file: Path) -> Any:
    """An annotation or default in a file of this package: of builtins, typing and such aliases."""
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    known = {name: _meaning(name, file) for name in names if not hasattr(builtins, name)}
    return eval(compile(ast.Expression(node), str(file), "eval"), known)


@cache
def _meaning(name: str, file: Path) -> Any:
    """What a name stands for in a file: an alias assigned there, or imported."""
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Assign) and name in _targets(node):
            return _evaluated(node.value, file)
        if isinstance(node, ast.ImportFrom) and name in {a.asname or a.name for a in node.names}:
            module = str(node.module)
            if not module.startswith("jeat."):
                return getattr(import_module(module), name)
            place = PACKAGE.joinpath(*module.split(".")[1:])
            inner = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
            return _meaning(name, inner)
    raise SettingError(f"{file} annotates a setting by {name}, which cannot be read without torch")


def _targets(node: ast.Assign) -> Iterator[str]:
    return (t.id for t in node.targets if isinstance(t, ast.Name))
