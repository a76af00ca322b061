"""The command line: parses, calls, prints; no mathematics.

One command per file, with ``main(words) -> exit code``; the first line of a file's docstring is
its line in ``jeat --help``. No ``--help`` needs torch: the flags of methods, metrics and recipes
are read from their source, and the library is imported by the command that uses it.
"""

import os
import re
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from importlib import import_module

from jeat._support import processes
from jeat._support.checks import SettingError, plain
from jeat._support.own_code import import_plugins, place_in_own_code
from jeat._support.plugins import known_parts
from jeat._support.words import unknown
from jeat.cli._environment import prepare
from jeat.cli._memory import keep_memory
from jeat.cli._show import shown_warnings

__all__ = ["main"]

_SPLIT = ("measure", "sample")  # their work is shared by the processes of a launcher
_PARALLEL = ("train", *_SPLIT)
_MEMORY = re.compile("allocate memory|out of memory|calculation overflowed|multiplication overflow")


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``jeat`` with these arguments.

    Returns:
        0; 1 after a failure; 2 after a usage error, as of a flag that means nothing; 130 after
        Ctrl-C.
    """
    words = [*(sys.argv[1:] if argv is None else argv)]
    try:
        code = _run(words)
        sys.stdout.flush()
    except BrokenPipeError:  # as in `jeat --help | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    return code


def _run(words: Sequence[str]) -> int:
    commands = {name: import_module(f"{__name__}.{name}") for name in known_parts("cli")}
    if not words or words[0] in ("-h", "--help"):
        print("usage: jeat COMMAND ...\n\nJoint energy models from classifiers.\n\ncommands:")
        for name, module in commands.items():
            print(f"  {name:<10} {(module.__doc__ or '').splitlines()[0]}")
        print("\njeat COMMAND --help shows a command's flags; jeat --version the version.")
        return 0 if words else 2
    if words[0] == "--version":
        print(f"jeat {import_module('jeat').__version__}")
        return 0
    if words[0] not in commands:
        return _fail(unknown("command", words[0], commands), 2)
    keep_memory()
    prepare()
    try:
        processes.rank()  # what a launcher cannot have set is refused here
        import_plugins()
        if processes.world() > 1 and words[0] not in _PARALLEL:
            return _fail(f"jeat {words[0]} runs in one process: start it without a launcher", 2)
        with shown_warnings(), processes.joined() if words[0] in _SPLIT else nullcontext():
            return int(commands[words[0]].main(words[1:]))
    except KeyboardInterrupt:
        return _fail("stopped", 130)
    except BrokenPipeError:
        raise
    except (ValueError, OSError, FloatingPointError) as error:
        return _fail(_said(error), 2 if isinstance(error, SettingError) else 1)
    except Exception as error:
        if os.environ.get("JEAT_DEBUG"):
            raise
        if isinstance(error, MemoryError) or _MEMORY.search(str(error)):
            return _fail("this takes more memory than there is: ask for less or smaller images", 1)
        kind, own = type(error).__name__, place_in_own_code(error)
        if own:
            return _fail(f"{own}: {kind}: {error} (JEAT_DEBUG=1 shows where it was called)", 1)
        return _fail(f"{kind}: {error} (JEAT_DEBUG=1 shows where; please report it)", 1)


def _said(error: Exception) -> str:
    """What an error says; of an operating system's also what to do."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename} cannot be used ({error.strerror}): name another file or folder"
    return str(error) or type(error).__name__


def _fail(message: str, code: int) -> int:
    if processes.first_failure():
        print(f"jeat: {plain(message)[:1000]}", file=sys.stderr)
    return code
