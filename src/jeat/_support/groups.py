"""Groups of settings of a frozen value, and the short names that some of them are given by."""

from collections.abc import Mapping
from typing import Any

__all__ = ["merge"]


def merge(values: Any, group: str, short: Mapping[str, Any]) -> None:
    """Put settings that were given by a short name into their group."""
    given = {k: v for k, v in short.items() if v is not None}
    object.__setattr__(values, group, getattr(values, group) | given)
