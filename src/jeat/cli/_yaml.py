"""Words and YAML files of flags as plain values: fractions, short names, nothing given twice."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import suppress
from functools import partial
from typing import Any

import jsonargparse
import yaml

from jeat._support.files import expanded

__all__ = ["ERRORS", "by_flag", "in_file", "is_other_number", "load", "number", "number_kind"]

ERRORS = (yaml.YAMLError, ValueError, RecursionError)

_FRACTION = re.compile(r"[0-9]+(\.[0-9]*)?/[0-9]+")
_LEAST = 1e-37  # of what is not 0
_DECIMAL = re.compile(  # 010 would be 8 to some
    r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?"
)
_SIXTIETHS = re.compile(r"[-+]?\d[\d_]*(:[0-5]?\d)+(\.[\d_]*)?")  # 1:30, which YAML reads as 90
_TEXT = {  # 3/4 may be a path there
    "class", "config", "data", "inception", "init", "judge", "metrics", "net", "out", "outside",
    "samples",
}  # fmt: skip
_load_yaml = jsonargparse.get_loader("yaml")


def load(
    text: str, *, long: Mapping[str, str], several: Set[str], numbers: Mapping[str, str]
) -> Any:
    """YAML with fractions; an alias, which flags do not need, could hold itself or grow to no end.

    Args:
        text: of a file, or of a flag's value.
        long: short names of flags, and what they stand for.
        several: flags that take several words.
        numbers: flags that take a number, and what that must be.

    Raises:
        YAMLError: no YAML, an alias, a flag that is given twice, or a number that is not decimal.
    """
    if "*" in text and any(isinstance(t, yaml.AliasToken) for t in yaml.scan(text)):
        raise yaml.YAMLError("aliases (*name) are not accepted, write the value")
    if text == "~":  # as a word it is a folder, in a file it is null
        return text
    if ":" in text:
        last = {name.rpartition(".")[2]: kind for name, kind in numbers.items()}
        _check_once(yaml.compose(text), last)
    return _listed(_lengthened(number("", _load_yaml(text)), long), several)


def number(name: str, value: Any) -> Any:
    """The setting ``name``, a float where it was a fraction."""
    if isinstance(value, dict):
        return {key: number(key, v) for key, v in value.items()}
    if isinstance(value, list):
        return [number(name, v) for v in value]
    if name in _TEXT or not isinstance(value, str) or not _FRACTION.fullmatch(value):
        return value
    above, below = value.split("/")
    return float(above) / float(below) if float(below) else value


def number_kind(types: Set[object]) -> str:
    """What a number must be, by the types that a flag takes."""
    if str in types:
        return "at least 1 pixel in decimal digits, such as 32, or HEIGHTxWIDTH, such as 32x48"
    if float in types:
        return "a number in decimal digits, such as 100, 0.5 or 1e-3, 0 or from 1e-37 on"
    return "a whole number in decimal digits, such as 100"


def is_other_number(text: str) -> bool:
    """Whether a text is a number to Python or YAML, but not in decimal digits: 0x10, 1_0, 1:30; or
    one that is 0 to fp32 only, as 1e-50.
    """
    text = text.strip()
    if _DECIMAL.fullmatch(text) and 0 < abs(float(text)) < _LEAST:
        return True
    if _DECIMAL.fullmatch(text) or not any(c.isdigit() for c in text):
        return len(text) > 100 and text[-1].isdigit()
    if _SIXTIETHS.fullmatch(text):
        return True
    for read in (float, partial(int, base=0)):
        with suppress(ValueError):
            read(text.replace("_", ""))
            return True
    return False


def by_flag(words: Sequence[str]) -> dict[str, list[str]]:
    """The words of a command by their flags."""
    given, flag = dict[str, list[str]](), ""
    for word in words:
        if word.startswith("-"):
            flag, equals, value = word.partition("=")
            flag = flag.lstrip("-").replace("-", "_").removesuffix(".name")
            given[flag] = [value] if equals else []
        elif flag:
            given[flag].append(word)
    return given


def in_file(file: str, name: str) -> list[str]:
    """The words that a YAML file gives for a flag; none where it does not, or cannot be read."""
    try:
        flags = dict(_flat(_load_yaml(expanded(file).read_text())))
        found = flags[name] if name in flags else flags[f"{name}.name"]
        return [str(word) for word in (found if isinstance(found, list) else [found])]
    except Exception:  # whatever is wrong with the file is said when it is parsed
        return []


def _flat(flags: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Flags of a YAML file by their whole names, however they are nested or dotted."""
    for key, value in flags.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _lengthened(flags: Any, long: Mapping[str, str], above: str = "") -> Any:
    """Flags of a YAML file, those with a short name under their long one.

    Raises:
        YAMLError: a flag is given under both.
    """
    if not isinstance(flags, dict):
        return flags
    found: dict[Any, Any] = {}
    for key, value in flags.items():
        name = f"{above}{key}"
        whole = long.get(name, name) if not isinstance(value, dict) else name
        inner = _lengthened(value, long, f"{name}.")
        at, words = found, whole.removeprefix(above).split(".") if whole != name else [key]
        for word in words[:-1]:
            at = at.setdefault(word, {})
        if isinstance(at, dict) and words[-1] in at and isinstance(inner, dict):
            at[words[-1]] |= inner
        elif isinstance(at, dict) and words[-1] not in at:
            at[words[-1]] = inner
        else:
            raise yaml.YAMLError(f"{name} is given twice, write it once")
    return found


def _listed(flags: Any, several: Set[str]) -> Any:
    """Flags of a YAML file, those that take several words as lists of words.

    Raises:
        YAMLError: such a flag is given no word, or something else.
    """
    if isinstance(flags, dict):
        for name in flags.keys() & several:
            words = flags[name] if isinstance(flags[name], list) else [flags[name]]
            if not words or not all(isinstance(word, str | int | float) for word in words):
                raise yaml.YAMLError(f"{name} must be a word or a list of words")
            flags[name] = [w if isinstance(w, float) else str(w) for w in words]
    return flags


def _check_once(node: yaml.Node | None, numbers: Mapping[str, str], above: str = "") -> None:
    """Check that no flag or group of a YAML document is written twice: the last would count.

    Raises:
        YAMLError: one is, a group is both a mapping and the first part of names, or a number is
            not decimal.
    """
    if not isinstance(node, yaml.MappingNode):
        return
    names = Counter(key.value for key, _ in node.value)
    for key, value in node.value:
        name, (group, dot, _) = f"{above}{key.value}", key.value.partition(".")
        if names[key.value] > 1:
            raise yaml.YAMLError(f"{name} is given twice, write it once")
        if dot and group in names:
            raise yaml.YAMLError(f"{group} is given nested and dotted, write it one way")
        if isinstance(value, yaml.ScalarNode):
            last = name.rpartition(".")[2].replace("-", "_")
            if last in numbers and is_other_number(str(value.value)):
                raise yaml.YAMLError(f"{name} must be {numbers[last]}, got {value.value}")
        _check_once(value, numbers, f"{name}.")
