"""The parser that all commands share."""

import sys
from argparse import HelpFormatter, RawDescriptionHelpFormatter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn, get_args

import jsonargparse

from jeat._support import processes
from jeat._support.checks import LARGEST, plain, quoted
from jeat._support.plugins import Part
from jeat._support.progress import show_log
from jeat._support.signatures import Flag, signature_of
from jeat.cli._outputs import Outputs
from jeat.cli._words import readable
from jeat.cli._yaml import ERRORS, by_flag, in_file, is_other_number, load, number, number_kind

__all__ = ["Parser"]

_LONGEST = 1000  # characters of an error's line
_NULL = ("noise",)  # flags for which null is a value, and not the default


class _Formatter(jsonargparse.DefaultHelpFormatter, RawDescriptionHelpFormatter):
    """Descriptions as they are written."""


class Parser(Outputs, jsonargparse.ArgumentParser):
    """jsonargparse with ``--config``, dashes for underscores, 8/255, and errors of one line."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(
            prog=prog, description=description, allow_abbrev=False, formatter_class=_Formatter
        )
        self._several: set[str] = set()  # flags that take several words
        self._long: dict[str, str] = {}  # short names of flags -> the names they have here
        self._own: dict[str, Any] = {}  # flags of parts' settings -> the parts' own defaults
        self.add_argument("--config", action="config", help="YAML file of these flags")
        self.add_argument("-v", "--verbose", action="store_true", help="say what auto chooses")
        jsonargparse.set_loader("yaml", self._load, ERRORS)

    def add_flags(self, flags: Iterable[Flag], group: str = "") -> None:
        """Add the keyword-only arguments of a function, as ``--NAME`` or ``--group.NAME``."""
        for flag in flags:
            name = f"--{group}.{flag.name}" if group else f"--{flag.name}"
            self.add_argument(name, type=flag.type, default=flag.default, help=flag.help)

    def add_part(self, name: str, folder: str, chosen: str, help: str) -> None:
        """Add ``--NAME PART``, and the settings of the part that was chosen as ``--NAME.SETTING``.

        Args:
            name: of the flag.
            folder: whose files are the parts.
            chosen: the part whose settings are flags, of :meth:`chosen`; ``"own"`` is none.
            help: of ``--NAME``.
        """
        self.add_argument(f"--{name}.name", type=str, default=chosen, help=help)
        self.add_short(name, f"{name}.name")
        if chosen != "own":
            flags = signature_of(folder, chosen, name.rpartition(".")[2]).flags
            self.add_flags(flags, name)
            self._own |= {f"{name}.{f.name}": f.default for f in flags}

    def add_short(self, short: str, long: str) -> None:
        """Have ``--SHORT`` mean ``--LONG``, on the command line and in YAML."""
        self._long[short] = long

    def short_names(self) -> dict[str, str]:
        """What each short name of a flag means."""
        return dict(self._long)

    def set_known_defaults(self, values: Mapping[str, Any]) -> None:
        """Set the defaults of those flags that there are, but for parts and their settings."""
        known, parts = self.get_defaults(), (jsonargparse.Namespace, dict)
        plain = {k: v for k, v in values.items() if not isinstance(known.get(k) or v, parts)}
        self.set_defaults({k: v for k, v in plain.items() if k in known})

    def chosen(self, words: Sequence[str], name: str, default: str) -> str:
        """What the words of a command, or its YAML file, give for ``--NAME``; else ``default``.

        Settings of a part are flags, so a parser is made when its part is known.
        """
        return " ".join(self.named(words, name) or [default])

    def named(self, words: Sequence[str], name: str) -> list[str]:
        """The words that a command, or its YAML file, gives for ``--NAME``, before parsing."""
        given = by_flag(words)
        files = given.get("config", [])
        return given.get(name) or [word for file in files[:1] for word in in_file(file, name)]

    def of_group(self, words: Sequence[str], group: str) -> list[str]:
        """What a command gives as ``--GROUP.NAME``, each by its NAME, before parsing."""
        names = [name.partition(".") for name in by_flag(words)]
        return [name for above, dot, name in names if above == group and name.isidentifier()]

    def format_help(self, formatter: HelpFormatter | None = None) -> str:
        """The help, with the short names of flags."""
        return self._shortened(str(super().format_help(formatter)))

    def _shortened(self, text: str) -> str:
        for short, long in self._long.items():
            text = text.replace(f"--{long} ", f"--{short} ")
        return text

    def parse(self, words: Sequence[str]) -> jsonargparse.Namespace:
        """Parse the words of a command; a number after a flag may be a fraction."""
        self._several = {action.dest for action in self._actions if action.nargs == "+"}
        plain_words = [_plain(*pair, self._long) for pair in self._after(words)]
        self._check_decimal(plain_words)
        try:
            args = self.parse_args(plain_words)
        except UnicodeDecodeError:
            self.error("--config is no text: give a YAML file of these flags")
        if args.verbose:
            show_log()
        for name, default in self.get_defaults().items():  # null and 3 for a switch pass in YAML
            group, _, last = name.rpartition(".")
            if group and not isinstance(args.get(group), jsonargparse.Namespace):
                continue  # refused by :meth:`group`
            value, null = args.get(name), default is None or last in _NULL
            if value is None and not null:
                self.error(f"--{name} must not be null")
            if isinstance(default, bool) and not isinstance(value, bool):
                self.error(f"--{name} must be true or false, got {value}")
            if isinstance(value, int) and not -LARGEST <= value <= LARGEST:
                self.error(f"--{name} must be below 2^63, got {quoted(value)}")
        return args

    def takes_whole(self, name: str) -> bool:
        """Whether ``--NAME`` takes whole numbers, and no others."""
        kinds = {a.dest: getattr(a, "_typehint", a.type) for a in self._actions}
        kind = kinds.get(self._long.get(name, name))
        return int in (found := {kind, *get_args(kind)}) and float not in found

    def _numbers(self) -> dict[str, tuple[str, str]]:
        """The words that stand for flags that take a number -> their names, and of which kind."""
        typed = [(a, getattr(a, "_typehint", a.type)) for a in self._actions]
        kinds = [(a, {kind, *get_args(kind)}) for a, kind in typed]
        return {
            option: (a.dest, number_kind(kind))
            for a, kind in kinds
            if {int, float} & kind
            for option in a.option_strings
        }

    def _after(self, words: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Each word with the one before it, or with the flag of several words that it is one of."""
        flag = ""
        for before, word in zip(["", *words], words, strict=False):
            if before.startswith("-") or flag[2:].replace("-", "_") not in self._several:
                flag = before
            yield flag, word

    def _check_decimal(self, words: Sequence[str]) -> None:
        """Refuse numbers that Python and YAML know and people may read as others."""
        numbers = self._numbers()
        for before, word in self._after(words):
            flag, _, value = word.partition("=")
            if flag not in numbers and word[:2] in numbers:
                flag, value = word[:2], word[2:]  # -n7
            if flag not in numbers:
                flag, value = before, word
            if flag in numbers and is_other_number(value):
                name, kind = numbers[flag]
                self.error(f"--{name} must be {kind}, got {value}")

    def group(self, args: jsonargparse.Namespace, name: str) -> dict[str, Any]:
        """The parsed flags of :meth:`add_flags` with a group; none where it had none."""
        if name not in args:
            return {}
        if not isinstance(args[name], jsonargparse.Namespace):
            self.error(f"{name} must hold flags by name, got {args[name]!r}")
        return {k: self.part(v, f"{name}.{k}") for k, v in vars(args[name]).items()}

    def part(self, value: Any, name: str) -> Any:
        """A parsed part: its name, with its settings where they are not all its own defaults."""
        if not isinstance(value, jsonargparse.Namespace):
            return value
        usual, own = self.get_defaults(), self._own
        given: dict[str, Any] = {
            k: v
            for k, v in vars(value).items()
            if k == "name" or v != own.get(at := f"{name}.{k}", usual[at])
        }
        part: Part = given if len(given) > 1 or "name" not in given else given["name"]
        return part

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Say what was wrong in one line, and where help is, and leave with 2."""
        if processes.first_failure():
            known = [option for action in self._actions for option in action.option_strings]
            said = readable(" ".join(message.split()), [*known, *(f"--{k}" for k in self._long)])
            said = plain(self._shortened(said))[:_LONGEST]
            print(f"{plain(self.prog)}: {said}; see {plain(self.prog)} --help", file=sys.stderr)
        sys.exit(2)

    def _load(self, text: str) -> Any:
        numbers = dict(self._numbers().values())
        return load(text, long=self._long, several=self._several, numbers=numbers)


def _plain(before: str, word: str, long: Mapping[str, str]) -> str:
    """``--step-size=2/255`` -> ``--step_size=0.00784...``; other words as they are."""
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        flag = name[2:].replace("-", "_")
        return f"--{long.get(flag, flag)}{equals}{_plain(name, value, long)}"
    return str(number(before.lstrip("-"), word)) if before.startswith("--") else word
