"""Settings as words of a command line."""

import json
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, quote

from jeat._support.checks import SettingError, quoted
from jeat._support.files import expanded
from jeat._support.near import near

__all__ = [
    "flags", "is_decimal", "is_digits", "joined", "no_class", "numbers_of", "parted",
    "unknown",
]  # fmt: skip

_ARCH = "arch"
_DECIMAL = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_SAFE = "/:,[]\"' .~@"  # of what a query may hold as it is


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


def is_digits(text: str) -> bool:
    """Whether a text is a whole number in the digits 0 to 9, without zeros before it."""
    return text.isascii() and text.isdecimal() and str(int(text)) == text


def is_decimal(text: str) -> bool:
    """Whether a text is a number in the digits 0 to 9, such as ``-0.5`` or ``1e-3``."""
    return _DECIMAL.fullmatch(text) is not None


def unknown(what: str, name: str, among: Iterable[str], *, also: str = "") -> str:
    """``unknown method 'jaet': did you mean jeat? methods are at, jeat, ...``"""
    known = list(among)
    listed = ", ".join([*known, also] if also else known)
    return f"unknown {what} {quoted(name)}{near(name, known) or ':'} {what}s are {listed}"


def no_class(name: str, classes: Iterable[str]) -> str:
    """``no class 'shp': did you mean ship? classes are airplane, ship, ...``"""
    known = list(classes)
    return f"no class {name!r}{near(name, known) or ':'} classes are {', '.join(known)}"


def numbers_of(names: Iterable[str], classes: Sequence[str]) -> list[int]:
    """The numbers of classes by their names.

    Raises:
        ValueError: a name that is none of them.
    """
    names = list(names)
    if unknown := [name for name in names if name not in classes]:
        raise ValueError(no_class(unknown[0], classes))
    return [classes.index(name) for name in names]


def joined(name: str, said: dict[str, Any]) -> str:
    """The name of a net with what is said of it: ``FILE?arch=NAME&SETTING=VALUE``.

    Values other than words are JSON. ``name`` is the key of the architecture in ``said``.

    Raises:
        SettingError: something is said of it already.
    """
    if not said:
        return name
    if parted(name)[1]:
        raise SettingError(f"{name} says it already, after its '?': leave --arch and the like out")
    words = {_ARCH if k == "name" else k: v for k, v in said.items() if v not in (None, "")}
    texts = {
        k: v if isinstance(v, str) else json.dumps(v, separators=(",", ":"))
        for k, v in words.items()
    }
    pairs = [f"{k}={quote(text, safe=_SAFE)}" for k, text in texts.items()]
    return f"{name}?{'&'.join(pairs)}" if pairs else name


def parted(name: str) -> tuple[str, dict[str, Any]]:
    """A name of :func:`joined` as its two parts; a file of that whole name is only itself.

    Raises:
        SettingError: what follows the ``?`` is no ``KEY=VALUE&KEY=VALUE``.
    """
    place, mark, query = name.partition("?")
    if not mark or not place or _is_there(name):
        return name, {}
    said: dict[str, Any] = {}
    try:
        for key, text in parse_qsl(query, strict_parsing=True, max_num_fields=100):
            if key in said:
                raise ValueError(f"{key} is given twice")
            said[key] = text
            with suppress(ValueError, RecursionError):
                said[key] = json.loads(text)
    except ValueError as error:
        raise SettingError(
            f"{quoted(name)} is no name of a net: what follows '?' is arch=NAME&SETTING=VALUE"
        ) from error
    arch = said.pop(_ARCH, "")
    return place, {"name": str(arch)} | said


def _is_there(name: str) -> bool:
    try:
        return expanded(name).exists()
    except (OSError, ValueError):  # too long for a file, for one
        return False
