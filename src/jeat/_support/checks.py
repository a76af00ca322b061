"""Checks of settings at the door: what is wrong is said in one line, with what would be right."""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

__all__ = [
    "DoubtWarning", "NotFiniteError", "SettingError", "check_kind", "check_not_negative", "doubts",
    "is_finite", "is_fp32", "is_whole",
]  # fmt: skip


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


def check_kind(name: str, value: object, kind: Any) -> None:
    """Check that a setting is of the kind that is annotated, and that a number is finite.

    Raises:
        SettingError: it is not.
    """
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    kinds = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    checked = [_matches(value, k) for k in kinds]
    if not any(right for right, _ in checked):
        said = " or ".join(words for _, words in checked if words)
        raise SettingError(f"{name} must be {said}, got {value!r}")


def _matches(value: object, kind: Any) -> tuple[bool, str]:
    """Whether a value is of one kind, and the kind in words; null is said by no word."""
    if kind is NoneType:
        return value is None, ""
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        return value in choices, f"one of {', '.join(map(str, choices))}"
    first = get_origin(kind) or kind
    if first is bool:
        return isinstance(value, bool), "true or false"
    if first is int:
        return type(value) is int, "a whole number"
    if first is float:
        return is_finite(value) and isinstance(value, int | float), "a finite number"
    return isinstance(value, first), "text" if first is str else f"a {first.__name__}"


def check_not_negative(**settings: float) -> None:
    """Check that settings are finite, in fp32, and at least 0.

    Raises:
        ValueError: one is not.
    """
    for name, value in settings.items():
        if not (is_fp32(value) and value >= 0):
            raise SettingError(f"{name} must not be negative or infinite, got {value!r}")


def is_finite(value: object) -> bool:
    """Whether it is a number, neither infinite nor NaN."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def is_fp32(value: float) -> bool:
    """Whether it is a number that fp32 can hold, with room to spare."""
    return is_finite(value) and abs(value) < 2.0**127


def is_whole(value: object, least: int) -> bool:
    """Whether it is a whole number, and at least ``least``."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least
