"""What jsonargparse says of a wrong value, in our words."""

import re
from collections.abc import Sequence

from jeat._support.near import near

__all__ = ["readable"]

_WRONG = re.compile(
    r'Parser key "(?P<flag>[^"]+)"(?: element \d+)?: .*?(Expected an? |Subtypes: \[)(?P<kinds>.*?)'
    r"(\. Got value: |\] Errors: .*Given value: )(?P<value>.*)"
)
_KINDS = {"int": "a whole number", "float": "a finite number", "bool": "true or false",
          "str": "text", "NoneType": "null", "list": "a list"}  # fmt: skip


def readable(message: str, flags: Sequence[str] = ()) -> str:
    """jsonargparse's words about a wrong value, config or flag, in ours; ``flags`` are known."""
    if unknown := re.match(r"[Uu]nrecognized arguments: (--[\w.-]+)", message):
        return message + near(unknown[1].replace("-", "_").replace("__", "--", 1), flags)
    if key := re.fullmatch(r"Unexpected config: ([\w.-]+):", message):
        return f"--{key[1]} must not be null"
    if message.startswith("Unexpected config"):
        return "--config must be a YAML file of flags and values, such as 'seed: 3'"
    if group := re.match(r'Parser key "(\w+)": Unable to load config', message):
        return f"{group[1]} must hold flags by name"
    if (found := _WRONG.fullmatch(message)) is None:
        return message
    kinds = re.findall(r"<class '(\w+)'>|'(.*?)'", found["kinds"])
    said = " or ".join(_KINDS.get(a, a) or b for a, b in kinds)
    flag, value = found["flag"].removesuffix(".name"), found["value"]
    return f"--{flag} must be {said}, got {value}{near(value, (b for _, b in kinds if b))}"
