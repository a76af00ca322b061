"""Checks of settings at the door: what is wrong is said in one line, with what would be right."""

import math
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

__all__ = ["SettingError", "check_kind", "check_not_negative", "is_finite", "is_fp32", "is_whole"]


class SettingError(ValueError):
    """A setting that means nothing, whatever net and data it meets: a command leaves with 2."""


def check_kind(name: str, value: object, kind: Any) -> None:
    """See that a setting is of the kind that is annotated, and that a number is finite.

    Raises:
        ValueError: it is not.
    """
    kinds = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    if value is None and NoneType in kinds:
        return
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            choices = ", ".join(get_args(kind))
            raise SettingError(f"{name} must be one of {choices}, got {value!r}")
        return
    first = get_origin(kinds[0]) or kinds[0]
    if first is bool:
        right, said = isinstance(value, bool), "true or false"
    elif first is int:
        right, said = type(value) is int, "a whole number"
    elif first is float:
        right = is_finite(value) and isinstance(value, int | float)
        said = "a finite number"
    else:
        right, said = isinstance(value, first), f"a {first.__name__}"
    if not right:
        raise SettingError(f"{name} must be {said}, got {value!r}")


def check_not_negative(**settings: float) -> None:
    """See that settings are finite, in fp32, and at least 0.

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
