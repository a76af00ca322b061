"""Values in a line, as a prompt shows them."""

from dataclasses import MISSING, fields, is_dataclass
from typing import Any

__all__ = ["briefly"]


def briefly(value: Any) -> str:
    """A dataclass with the fields that are not at their defaults; a tensor by its shape.

    ``Plan(method='at', eps=0.1)`` is such a line; numbers have four digits.
    """
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{'x'.join(map(str, value.shape)) or '1'} {str(value.dtype).removeprefix('torch.')}"
    if hasattr(value, "state_dict"):
        return type(value).__name__
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k!r}: {briefly(v)}" for k, v in value.items()) + "}"
    if not is_dataclass(value) or isinstance(value, type):
        return repr(value)
    said = [
        f"{f.name}={briefly(mine)}"
        for f in fields(value)
        if not _is_usual(mine := getattr(value, f.name), f)
    ]
    return f"{type(value).__name__}({', '.join(said)})"


def _is_usual(value: Any, f: Any) -> bool:
    """Whether a field has its default."""
    usual = f.default if f.default_factory is MISSING else f.default_factory()
    return type(value) is type(usual) and bool(value == usual)
