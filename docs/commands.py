"""The pages of commands, from the parsers: ``python -m docs.commands`` writes them.

They are commands.md, and cli/ with a page a command, one of the methods and one of the metrics.
"""

import io
import re
from argparse import Action
from collections import Counter
from collections.abc import Iterable
from contextlib import redirect_stderr, redirect_stdout, suppress
from fractions import Fraction
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from jeat._support.plugins import known_parts
from jeat.cli import main
from jeat.cli._asked import helped
from jeat.cli._parser import Parser

DOCS = Path(__file__).parent
OF_ALL = ("-h", "--config", "--print_config", "-v")
MANY = 4  # commands that a flag is described for once
FURTHER = {
    "train": "The flags of each method are in [](train-methods.md).",
    "measure": "The flags of each metric are in [](measure-metrics.md).",
}
IN_SHORT = {
    "-h": "print the flags, and leave",
    "--print_config": "print all flags as YAML, as --config reads it, and leave",
}
FIRST = ((), ("normal",), ("digits",))  # what a parser needs: nothing, a method, a suite


def parser_of(*words: str) -> Parser | None:
    """The parser that a command makes for these words, if it makes one."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), suppress(LookupError):
        return helped(main, [*words, "--help"])
    return None


@cache
def parsers() -> dict[str, Parser]:
    """The parser of each command; of those that need a first word, with the usual flags."""
    found = {
        name: next(filter(None, (parser_of(name, *first) for first in FIRST)), None)
        for name in known_parts("cli")
    }
    return {name: parser for name, parser in found.items() if parser}


def flags(parser: Parser) -> list[Action]:
    """The flags of a parser, without those that all commands take."""
    named = [a for a in parser._actions if a.option_strings]
    hidden = ("==SUPPRESS==", "Path to a configuration file.")
    return [a for a in named if a.option_strings[0] not in OF_ALL and a.help not in hidden]


def name_of(action: Action, parser: Parser) -> str:
    """What a user writes: ``-n``, ``--number``; ``--arch`` for what is ``--arch.name`` inside."""
    short = {long: short for short, long in parser.short_names().items()}
    words = [w for w in action.option_strings if not w.endswith("+")]
    return ", ".join(f"`{'--' + short[w[2:]] if w[2:] in short else w}`" for w in words)


def plain(text: str) -> str:
    """A text as a cell of a table."""
    return re.sub(r"([|*<$\[])", r"\\\1", " ".join(text.split())).removesuffix(".")


def said_of(action: Action) -> str:
    """The help of a flag; what jsonargparse says of its own is said shorter."""
    return plain(IN_SHORT.get(action.option_strings[0], action.help or ""))


def values(action: Action) -> str:
    """The words that a flag takes, where they are few."""
    kind = getattr(action, "_typehint", None)
    kinds = [k for k in (kind, *get_args(kind)) if get_origin(k) is Literal]
    words = [str(word) for k in kinds for word in get_args(k)]
    named = all(re.search(rf"\b{word}\b", action.help or "") for word in words)
    return "" if named else f": {', '.join(f'`{word}`' for word in words)}"


def shown(default: Any) -> str:
    """A default as a user would write it; nothing where there is none."""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, list):
        return " ".join(f"`{one}`" for one in default)
    if isinstance(default, float) and len(str(default)) > 8:  # 0.03137254901960784
        return f"`{(Fraction(default) * 255).limit_denominator(1000)}/255`"
    none = default in (None, "", "==SUPPRESS==") or not isinstance(default, (str, int, float))
    return "" if none else f"`{default}`"


def table(actions: Iterable[Action], parser: Parser) -> str:
    """A row a flag."""
    rows = [
        f"| {name_of(a, parser)} | {said_of(a)}{values(a)} | {shown(a.default)} |" for a in actions
    ]
    return "\n".join(["| flag | what it is | default |", "|---|---|---|", *rows]) + "\n"


def key(action: Action) -> tuple[str, ...]:
    """What two flags have in common where they are the same flag of two commands."""
    return (*action.option_strings, action.help or "")


@cache
def of_many() -> dict[tuple[str, ...], Action]:
    """Flags that many commands take, with the same help."""
    every = [a for parser in parsers().values() for a in flags(parser)]
    count = Counter(map(key, every))
    return {key(a): a for a in every if count[key(a)] >= MANY}


def about(text: str) -> str:
    """A docstring as Markdown: indented lines are what one types."""
    blocks = re.split(r"\n\n+", text.strip("\n"))
    return "\n\n".join(
        "```text\n" + re.sub(r"^ {4}", "", b, flags=re.M) + "\n```" if b.startswith("    ") else b
        for b in blocks
    )


def documented(name: str) -> tuple[str, str]:
    """What a command's module says: its first line, and the rest."""
    sentence, _, text = (import_module(f"jeat.cli.{name}").__doc__ or "").partition("\n")
    return sentence, text


def page(name: str) -> str:
    """The page of a command."""
    parser = parsers()[name]
    sentence, text = documented(name)
    said = [f"# jeat {name}", f"{sentence[0].upper()}{sentence[1:]}.", about(text)]
    if listed := printed(name):
        said += [f"`jeat {name} --help` prints:", f"```text\n{listed}\n```"]
    words = [a for a in parser._actions if not a.option_strings]
    if words:
        said += [
            "\n".join(f"- `{(a.metavar or a.dest).upper()}`: {plain(a.help or '')}" for a in words)
        ]
    trains = {key(a) for a in flags(parsers()["train"])} - {*of_many()}
    as_train = name != "train" and len(trains & {*map(key, flags(parser))}) > 20
    elsewhere = {*of_many(), *(trains if as_train else ())}
    for group in parser._action_groups:
        own = [a for a in flags(parser) if a in group._group_actions and key(a) not in elsewhere]
        own = [a for a in own if name != "measure" or "." not in a.dest]
        if own:
            title = group.title or ""
            said += [f"## {'Flags' if title == 'options' else title}", table(own, parser).rstrip()]
    if as_train:
        said += ["It also takes the flags of [](train.md)."]
    if name in FURTHER:
        said += [FURTHER[name]]
    shared = [name_of(a, parser) for a in flags(parser) if key(a) in of_many()]
    if shared:
        said += [
            f"It also takes {', '.join(shared)} ([](../commands.md#flags-of-several-commands))."
        ]
    return "\n\n".join(s for s in said if s) + "\n"


def printed(name: str) -> str:
    """The list of first words that a command prints, without its docstring."""
    with redirect_stdout(io.StringIO()) as out, suppress(SystemExit):
        main([name, "--help"])
    _, *lists = re.split(r"\n(?=(?:methods|suites):\n)", out.getvalue())
    return lists[0].strip() if lists else ""


def methods() -> str:
    """The page of the methods: what each begins from, its known weakness, its flags."""
    usual = {key(a) for a in flags(parsers()["train"])}
    said = [
        "# Flags of the methods of jeat train",
        "Each method takes these beside the flags of [](train.md). [](../methods.md) says what the "
        "methods are.",
    ]
    for name in known_parts("objectives"):
        if not (parser := parser_of("train", name)):
            continue
        own = [a for a in flags(parser) if key(a) not in usual]
        lines = (parser.description or "").strip().split("\n\n")
        said += [f"## {name}", *map(plain_paragraph, lines)]
        said += [table(own, parser).rstrip()] if own else ["It has no flags of its own."]
    return "\n\n".join(said) + "\n"


def plain_paragraph(text: str) -> str:
    """A paragraph whose signs are no Markdown."""
    return re.sub(r"([*<$\[])", r"\\\1", " ".join(text.split()))


def metrics() -> str:
    """The page of the metrics' flags."""
    parser = parsers()["measure"]
    said = [
        "# Flags of the metrics of jeat measure",
        "A flag has an effect where `--metrics` names its metric, or where the metric is one of "
        "the usual ones. [](measure.md) has the other flags.",
    ]
    for name in known_parts("metrics"):
        own = [a for a in flags(parser) if a.dest.startswith(f"{name}.")]
        if own:
            said += [f"## {name}", table(own, parser).rstrip()]
    return "\n\n".join(said) + "\n"


def overview() -> str:
    """commands.md."""
    rows = [
        f"| [`jeat {name}`](cli/{name}.md) | {plain(documented(name)[0])} |" for name in parsers()
    ]
    general = [a for a in parsers()["list"]._actions if a.option_strings[0] in OF_ALL]
    knows = {
        name: len({*map(key, flags(parser))} & {*of_many()}) for name, parser in parsers().items()
    }
    every = table([*general, *of_many().values()], parsers()[max(knows, key=knows.__getitem__)])
    text = (DOCS / "commands.template").read_text()
    others = {"train": "cli/train-methods", "measure": "cli/measure-metrics"}
    names = [n for name in parsers() for n in (f"cli/{name}", others.get(name)) if n]
    return (
        text.replace("%COMMANDS%", "\n".join(rows))
        .replace("%FLAGS%", every.rstrip())
        .replace("%PAGES%", "\n".join(names))
    )


def pages() -> dict[Path, str]:
    """Every generated page, by its file."""
    made = {DOCS / "cli" / f"{name}.md": page(name) for name in parsers()}
    made |= {DOCS / "cli/train-methods.md": methods(), DOCS / "cli/measure-metrics.md": metrics()}
    return {DOCS / "commands.md": overview(), **made}


if __name__ == "__main__":
    for file, text in pages().items():
        file.write_text(text)
