"""Settings as words of a command line."""

from typing import Any

__all__ = ["flags"]


def flags(name: str, value: Any) -> list[str]:
    """``--name value``, as the command line reads it; of a part also ``--name.SETTING value``."""
    if isinstance(value, dict):
        own = [flags(f"{name}.{k}", v) for k, v in value.items() if k != "name"]
        return [f"--{name}", str(value["name"]), *(word for words in own for word in words)]
    if isinstance(value, tuple):
        return [f"--{name}", *map(str, value)]
    plain = {None: "null", True: "true", False: "false"}
    word = plain[value] if value is None or isinstance(value, bool) else str(value)
    return [f"--{name}", word]
