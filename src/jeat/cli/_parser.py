"""The parser that all commands share."""

import os
import re
import sys
from argparse import RawDescriptionHelpFormatter
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import jsonargparse
import yaml

from jeat import shards
from jeat._files import expanded
from jeat._signature import Flag

__all__ = ["Parser"]

_OF_RUNS = ("run.json", "manifest.json", "net.safetensors", "model.safetensors")
_NULL = ("noise",)  # flags for which null is a value, and not the default
_several: set[str] = set()  # flags of the parser at work that take several words
_FRACTION = re.compile(r"\d+(\.\d*)?/\d+")
_TEXT = {  # 3/4 may be a path there
    "class", "config", "data", "inception", "init", "judge", "metrics", "net", "out", "outside",
    "samples",
}  # fmt: skip


class _Formatter(jsonargparse.DefaultHelpFormatter, RawDescriptionHelpFormatter):
    """Descriptions as they are written."""


class Parser(jsonargparse.ArgumentParser):
    """jsonargparse with ``--config``, dashes for underscores, 8/255, and errors of one line."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(
            prog=prog, description=description, allow_abbrev=False, formatter_class=_Formatter
        )
        self.add_argument("--config", action="config", help="YAML file of these flags")

    def add_flags(self, flags: Iterable[Flag], group: str = "") -> None:
        """Add the keyword-only arguments of a function, as ``--NAME`` or ``--group.NAME``."""
        for flag in flags:
            name = f"--{group}.{flag.name}" if group else f"--{flag.name}"
            self.add_argument(name, type=flag.type, default=flag.default, help=flag.help)

    def parse(self, words: Sequence[str]) -> jsonargparse.Namespace:
        """Parse the words of a command; a number after a flag may be a fraction."""
        _several.clear()
        _several.update(action.dest for action in self._actions if action.nargs == "+")
        before = ["", *words]
        try:
            args = self.parse_args([_plain(*pair) for pair in zip(before, words, strict=False)])
        except UnicodeDecodeError:
            self.error("--config is no text: give a YAML file of these flags")
        for name, default in self.get_defaults().items():  # null and 3 for a switch pass in YAML
            group, _, last = name.rpartition(".")
            if group and not isinstance(args.get(group), jsonargparse.Namespace):
                continue  # refused by :meth:`group`
            value, null = args.get(name), default is None or last in _NULL
            if value is None and not null:
                self.error(f"--{name} must not be null")
            if isinstance(default, bool) and not isinstance(value, bool):
                self.error(f"--{name} must be true or false, got {value}")
        return args

    def group(self, args: jsonargparse.Namespace, name: str) -> dict[str, Any]:
        """The parsed flags of :meth:`add_flags` with a group; none where it had none."""
        if name not in args:
            return {}
        if not isinstance(args[name], jsonargparse.Namespace):
            self.error(f"{name} must hold flags by name, got {args[name]!r}")
        return dict(vars(args[name]))

    def check_out(self, folder: str) -> None:
        """Refuse what is no name of a folder."""
        if not folder or "\0" in folder:
            self.error(f"--out must name a folder, got {folder!r}")

    def check_file(self, file: str | None, suffix: str, *inputs: Any) -> None:
        """Refuse a file to write, where one is given, before any work that could be lost.

        It is a folder, one of the inputs, part of a run, of a data set or of this package, has
        another suffix, or lies where nothing can be written.
        """
        if file is None:
            return
        if not file or "\0" in file:
            self.error(f"{file!r} is not the name of a {suffix} file")
        file = str(expanded(file))
        place = Path(file).resolve()
        read = [expanded(str(name)).resolve() for name in inputs if name]
        sets = [folder for folder in read if folder.is_dir() and not (folder / "run.json").exists()]
        if place in read or any(folder in place.parents for folder in sets):
            self.error(f"{file} is read by this command: name another file to write")
        if place.name in _OF_RUNS or any(
            (p.parent / "run.json").exists() for p in place.parents if p.name == "checkpoints"
        ):
            self.error(f"{place.name} is the name of a file of a run: name another")
        if Path(__file__).resolve().parents[1] in place.parents:
            self.error(f"{file} is part of this package: name another file to write")
        if Path(file).suffix.lower() != suffix or Path(file).is_dir():
            self.error(f"{file!r} is not the name of a {suffix} file")
        folder = next(p for p in Path(file).absolute().parents if p.exists())
        if not (folder.is_dir() and os.access(folder, os.W_OK)):
            self.error(f"{file} cannot be written, {folder} is no folder to write to: name another")

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Say what was wrong in one line, and where help is, and leave with 2."""
        if shards.first_failure():
            said = f"{self.prog}: {_readable(' '.join(message.split()))}; see {self.prog} --help"
            print(said, file=sys.stderr)
        sys.exit(2)


def _plain(before: str, word: str) -> str:
    """``--step-size=2/255`` -> ``--step_size=0.00784...``; other words as they are."""
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        return name[:2] + name[2:].replace("-", "_") + equals + _plain(name, value)
    return str(_number(before.lstrip("-"), word)) if before.startswith("--") else word


def _number(name: str, value: Any) -> Any:
    """The setting ``name``, a float where it was a fraction."""
    if isinstance(value, dict):
        return {key: _number(key, v) for key, v in value.items()}
    if name in _TEXT or not isinstance(value, str) or not _FRACTION.fullmatch(value):
        return value
    above, below = value.split("/")
    return float(above) / float(below) if float(below) else value


_load_yaml = jsonargparse.get_loader("yaml")


def _load(text: str) -> Any:
    """YAML with fractions; an alias, which flags do not need, could hold itself or grow to no end.

    Raises:
        YAMLError: no YAML, an alias, or a flag that is given twice.
    """
    if "*" in text and any(isinstance(t, yaml.AliasToken) for t in yaml.scan(text)):
        raise yaml.YAMLError("aliases (*name) are not accepted, write the value")
    if ":" in text:
        _check_once(yaml.compose(text))
    return _listed(_number("", _load_yaml(text)))


def _listed(flags: Any) -> Any:
    """Flags of a YAML file, those that take several words as lists of words.

    Raises:
        YAMLError: such a flag is given no word, or something else.
    """
    if isinstance(flags, dict):
        for name in flags.keys() & _several:
            words = flags[name] if isinstance(flags[name], list) else [flags[name]]
            if not words or not all(isinstance(word, str | int) for word in words):
                raise yaml.YAMLError(f"{name} must be a word or a list of words")
            flags[name] = [str(word) for word in words]
    return flags


def _check_once(node: yaml.Node | None, above: str = "") -> None:
    """See that no flag or group of a YAML document is written twice: the last would count.

    Raises:
        YAMLError: one is, or a group is both a mapping and the first part of names.
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
        _check_once(value, f"{name}.")


jsonargparse.set_loader("yaml", _load, (yaml.YAMLError, ValueError, RecursionError))
_WRONG = re.compile(
    r'Parser key "(?P<flag>[^"]+)": .*?(Expected an? |Subtypes: \[)(?P<kinds>.*?)'
    r"(\. Got value: |\] Errors: .*Given value: )(?P<value>.*)"
)
_KINDS = {"int": "a whole number", "float": "a finite number", "bool": "true or false",
          "str": "text", "NoneType": "null", "list": "a list"}  # fmt: skip


def _readable(message: str) -> str:
    """jsonargparse's words about a value of a wrong kind, or a config of none, in ours."""
    if message.startswith("Unexpected config"):
        return "--config must be a YAML file of flags and values, such as 'seed: 3'"
    if group := re.match(r'Parser key "(\w+)": Unable to load config', message):
        return f"{group[1]} must hold flags by name"
    found = _WRONG.fullmatch(message)
    if found is None:
        return message
    kinds = [
        _KINDS.get(a, a) or b for a, b in re.findall(r"<class '(\w+)'>|'(.*?)'", found["kinds"])
    ]
    return f"--{found['flag']} must be {' or '.join(kinds)}, got {found['value']}"
