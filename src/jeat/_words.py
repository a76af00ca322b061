"""Settings as words of a command line."""

from typing import Any

__all__ = ["flag"]


def flag(name: str, value: Any) -> list[str]:
    """``--name value``, as the command line reads it."""
    if isinstance(value, tuple):
        return [f"--{name}", *map(str, value)]
    plain = {None: "null", True: "true", False: "false"}
    word = plain[value] if value is None or isinstance(value, bool) else str(value)
    return [f"--{name}", word]
