"""Which flags a command takes, as its ``--help`` would say."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin
from unittest.mock import patch

from jeat.cli._parser import Parser

__all__ = ["Typed", "flags_of", "helped"]


@dataclass(frozen=True)
class Typed:
    """A flag or a position of a command.

    Attributes:
        names: as they are typed; that of a position has no dashes.
        takes_value: whether a word follows; a switch takes none.
        words: those that it takes, where they are few.
    """

    names: tuple[str, ...]
    takes_value: bool
    words: tuple[str, ...]


def helped(main: Callable[[Sequence[str]], int], words: Sequence[str]) -> Parser:
    """The parser that a command makes of ``words``, the last of which asks for help.

    Raises:
        LookupError: it makes none of them.
    """
    found: list[Parser] = []
    keep = patch.object(Parser, "print_help", lambda self, file=None: found.append(self))
    with keep, suppress(SystemExit):
        main(words)
    return found[0]


def flags_of(parser: Parser) -> Iterator[Typed]:
    """What a parser takes, by the short names of flags."""
    short = {long: name for name, long in parser.short_names().items()}
    for action in parser._actions:
        if action.help == "==SUPPRESS==" or action.dest == "help":
            continue
        names = [n for n in action.option_strings or [action.dest] if n[-1] != "+"]
        shown = tuple(f"--{short[n[2:]]}" if n[2:] in short else n for n in names)
        kind: Any = getattr(action, "_typehint", action.type)
        yield Typed(shown, action.nargs != 0, tuple(_words(kind)))


def _words(kind: Any) -> list[str]:
    """The words of a type that allows some only; none where it allows others."""
    if get_origin(kind) is Literal:
        return [str(value) for value in get_args(kind)]
    if kind is bool:
        return ["true", "false"]
    if isinstance(kind, UnionType) or get_origin(kind) is Union:
        parts = [_words(k) for k in get_args(kind) if k is not type(None)]
        return [word for part in parts for word in part] if all(parts) else []
    return []
