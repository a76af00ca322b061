"""Checks of settings at the door: what is wrong is said in one line, with what would be right."""

import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from numbers import Integral, Real
from pathlib import PurePath
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from jeat._support.near import near

__all__ = [
    "LARGEST", "MOST_STEPS", "DoubtWarning", "NotFiniteError", "SettingError", "check_kind",
    "check_kinds",
    "check_not_made", "check_not_negative", "doubts", "is_finite", "is_fp32", "is_whole", "plain",
    "plainly", "quoted",
]  # fmt: skip

LARGEST = 2**63 - 1  # of whole numbers, whatever they count
MOST_STEPS = 10**9  # of what is done one after the other
_FP32 = 2.0**127  # of other numbers, with room to spare
_LEAST = 1e-37  # of those that are not 0
_SHOWN = 200  # characters of a name or value that an error shows


class SettingError(ValueError):
    """A setting that means nothing, whatever net and data it meets: a command leaves with 2."""


class NotFiniteError(ValueError):
    """What a net gives, or a figure of it, is NaN or infinite, so that it counts for nothing."""


class DoubtWarning(UserWarning):
    """What makes a result doubtful, and does not stop it."""


@contextmanager
def doubts() -> Iterator[list[str]]:
    """What is said by :class:`DoubtWarning` within, once each; other warnings are given after."""
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DoubtWarning)
        yield said
    said += dict.fromkeys(str(w.message) for w in caught if issubclass(w.category, DoubtWarning))
    for w in caught:
        if not issubclass(w.category, DoubtWarning):
            warnings.warn_explicit(w.message, w.category, w.filename, w.lineno, source=w.source)


def plain(text: str) -> str:
    """A text on one line, with what does not print escaped, and words cut at 200 characters."""
    line = " ".join(text.split())
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
    return re.sub(rf"(\S{{{_SHOWN}}})\S+?(?=['\",:;.)\]]*(?:\s|$))", r"\1...", line)


@contextmanager
def plainly() -> Iterator[None]:
    """Inside, what an error says of names that a user gave is :func:`plain`; also a decorator."""
    try:
        yield
    except (ValueError, OSError) as error:
        if len(error.args) == 1:
            error.args = (plain(str(error.args[0])),)
        elif isinstance(error, OSError) and error.filename:
            error.filename = plain(str(error.filename))
        raise


def quoted(value: object) -> str:
    """A value as an error shows it: on one line, escaped, cut; modules and such by their kind."""
    said = plain(repr(value)) if _is_plain(value) else f"a {type(value).__name__}"
    return said if len(said) <= _SHOWN else f"{said[:_SHOWN]}..."


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_plain(v) for pair in value.items() for v in pair)
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(_is_plain, value))
    if isinstance(value, int):
        return bool(abs(value) < 10**_SHOWN)
    return value is None or isinstance(value, str | bytes | float | complex | PurePath)


def check_kind(name: str, value: object, kind: Any) -> None:
    """Check that a setting is of the kind that is annotated; a number is finite and not beyond all.

    Raises:
        SettingError: it is not.
    """
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    kinds = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    checked = [_matches(value, k) for k in kinds]
    if not any(right for right, _ in checked):
        said = " or ".join(words for _, words in checked if words)
        choices = [str(c) for k in kinds if get_origin(k) is Literal for c in get_args(k)]
        hint = near(value, choices) if isinstance(value, str) else ""
        raise SettingError(f"{name} must be {said}, got {quoted(value)}{hint}")
    if isinstance(value, int) and not -LARGEST <= value <= LARGEST:
        raise SettingError(f"{name} must be below 2^63, got {quoted(value)}")
    if isinstance(value, float) and abs(value) >= _FP32:
        raise SettingError(f"{name} must be below 1e38, got {quoted(value)}")
    if isinstance(value, float) and 0 < abs(value) < _LEAST:
        raise SettingError(f"{name} must be 0 or at least 1e-37, as fp32 takes {value} for 0")


def check_kinds(values: Any) -> None:
    """:func:`check_kind` of each field of a dataclass, by its annotation."""
    for f in fields(values):
        check_kind(f.name, getattr(values, f.name), f.type)


def _matches(value: object, kind: Any) -> tuple[bool, str]:
    """Whether a value is of one kind, and the kind in words; null is said by no word."""
    if kind is NoneType:
        return value is None, ""
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        same = any(type(value) is type(c) and value == c for c in choices)
        return same, f"one of {', '.join(map(str, choices))}"
    first = get_origin(kind) or kind
    if first is bool:
        return isinstance(value, bool), "true or false"
    if first is int:
        return type(value) is int, "a whole number"
    if first is float:
        return is_finite(value) and isinstance(value, int | float), "a finite number"
    return isinstance(value, first), "text" if first is str else f"a {first.__name__}"


def check_not_made(found: object, named: str) -> None:
    """Check that what a name names is no module that is made already, where its maker is meant.

    Raises:
        SettingError: it is one.
    """
    if hasattr(found, "forward") and not isinstance(found, type):
        raise SettingError(
            f"{named} is a {type(found).__name__} that is made already: name its class, or a "
            "function that returns one"
        )


def check_not_negative(**settings: float) -> None:
    """Check that settings are finite, in fp32, and at least 0.

    Raises:
        ValueError: one is not.
    """
    for name, value in settings.items():
        if not (is_fp32(value) and value >= 0):
            raise SettingError(f"{name} must not be negative or infinite, got {quoted(value)}")


def is_finite(value: object) -> bool:
    """Whether it is a number, neither infinite nor NaN."""
    try:
        return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number that no float holds
        return False


def is_fp32(value: float) -> bool:
    """Whether it is a number that fp32 can hold, with room to spare."""
    return is_finite(value) and abs(value) < _FP32


def is_whole(value: object, least: int, most: int = LARGEST) -> bool:
    """Whether it is a whole number, and lies in ``least..most``."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    return whole and least <= int(value) <= most  # type: ignore[call-overload]
