"""print what has a shell complete commands, flags, methods and the names of shipped nets

    jeat completion bash > ~/.local/share/bash-completion/completions/jeat
    jeat completion zsh > ~/.zfunc/_jeat
    jeat completion fish > ~/.config/fish/completions/jeat.fish

bash and fish read such a file in the next shell, zsh where ~/.zfunc is in its fpath. It has the
methods and recipes of this package, as they are in this version: print it anew after an update.
"""

from argparse import ArgumentParser
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Literal

from jeat._support.plugins import known_parts
from jeat._support.shipped import shipped
from jeat.cli._asked import flags_of, helped
from jeat.cli._parser import Parser

__all__ = ["main"]

NAMED = {"train": "objectives", "sweep": "objectives", "reproduce": "recipes"}
"""Commands whose flags depend on their first word, and the folder of its parts."""
NETS = ("net", "nets", "runs", "init", "judge")
"""Flags and positions that take the name of a shipped net or a path."""
PARTS = ("metrics",)
"""Flags that take the names of parts of a folder of the same name."""
OWN = ("class", "target", "label", "figure", "figures")
"""Flags that take words of the user's own, such as names of classes."""
OF_NETS = {"bash": "_jeat_net", "zsh": "_jeat_net", "fish": "(_jeat_net)"}
PREAMBLE = {
    "bash": '_jeat_net() {{ compgen -W "{nets}" -- "$1"; _shtab_compgen_files "$1"; }}',
    "zsh": "_jeat_net() {{ _alternative 'nets:net:({nets})' 'files:file:_files'; }}",
    "fish": "function _jeat_net\n  string split ' ' -- {nets}\n"
    "  __fish_complete_path (commandline -ct)\nend",
}


def main(words: Sequence[str]) -> int:
    """Print the file of a shell."""
    parser = Parser("jeat completion", __doc__)
    parser.add_argument("shell", type=Literal["bash", "zsh", "fish"], help="which shell it is for")
    args = parser.parse(words)

    import shtab

    tree = ArgumentParser("jeat")
    commands = tree.add_subparsers()
    for name in known_parts("cli"):
        module: Any = import_module(f"{__package__}.{name}")
        command = commands.add_parser(name, add_help=False, help=_line(module.__doc__))
        if name not in NAMED:
            _fill(command, helped(module.main, ["--help"]))
            continue
        parts = command.add_subparsers()
        for part in known_parts(NAMED[name]):
            asked = helped(module.main, [part, "--help"])
            _fill(parts.add_parser(part, add_help=False, help=_line(asked.description)), asked)
    preamble = PREAMBLE[args.shell].format(nets=" ".join(shipped()))
    print(shtab.complete(tree, args.shell, preamble=preamble))
    return 0


def _line(text: str | None) -> str:
    """The first line of a text, as argparse takes it."""
    return (text or "").partition("\n")[0].replace("%", "%%")


def _fill(to: ArgumentParser, parser: Parser) -> None:
    """Give a plain parser what a command takes, with the words of each flag."""
    import shtab

    to.add_argument("-h", "--help", action="store_true", help="show what the command takes")
    for flag in flags_of(parser):
        if not flag.takes_value:
            to.add_argument(*flag.names, action="store_true")
            continue
        name = flag.names[-1].lstrip("-")
        words = flag.words or (known_parts(name) if name in PARTS else ())
        added: Any = to.add_argument(*flag.names, choices=words or None)
        if not words and name not in OWN:
            added.complete = OF_NETS if name in NETS else shtab.FILE
