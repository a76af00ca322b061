"""run the paper's comparison from start to end: digits, cifar10 and more

    jeat reproduce SUITE [flags]

SUITE may be package.module:function, too: a recipe of your own, which is imported.
Trains what is missing, measures it and writes OUT/report.html: every table and figure of the
paper, its numbers beside ours. A second call goes on where the first stopped.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jeat._support.brought import Brought
from jeat._support.checks import SettingError, plain
from jeat._support.files import expanded
from jeat._support.plugins import brought_parts, find, known_parts, short_name
from jeat._support.signatures import Flag, check_takes, signature_of
from jeat.cli._helpers import add_workers, check_workers, helpers
from jeat.cli._parser import Parser
from jeat.cli._show import bar

if TYPE_CHECKING:
    from jeat.suites import Suite

__all__ = ["main"]


def main(words: Sequence[str]) -> int:
    """Run a suite with bars, or say what it would cost."""
    theirs = brought_parts("recipes")
    suites = {name.replace("_", "-"): name for name in (*known_parts("recipes"), *theirs)}
    if not words or words[0] in ("-h", "--help"):
        print(f"{__doc__}\nsuites:")
        for name, file in suites.items():
            print(f"  {name:<12} {_summary(file, theirs)}")
        return 0 if words else 2
    file = suites.get(words[0], words[0])
    flags = signature_of("recipes", file, "suite").flags
    name = short_name(file).replace("_", "-") if ":" in file else words[0]
    parser = _parser(words[0], name, flags)
    args = parser.parse(words[1:])
    parser.check_out(args.out)
    if not 1 <= args.seeds <= 1000:
        parser.error(f"--seeds must lie in 1..1000, got {args.seeds}")
    check_workers(parser, args.workers)

    from jeat import report
    from jeat.suites import Suite, cost, help_with, smoke

    make = find("recipes", file, "suite")
    check_takes(make, f"recipe {file}", **(settings := {f.name: args[f.name] for f in flags}))
    if not isinstance(suite := make(**settings), Suite):
        raise SettingError(f"{file} must return a jeat.suites.Suite, got a {type(suite).__name__}")
    if args.smoke:
        suite = smoke(suite)
    out = expanded(args.out)
    if args.dry_run:
        print(report.table(cost(suite, out, seeds=args.seeds)))
        return 0
    if args.helper_of is not None:
        help_with(suite, out, seeds=args.seeds, parent=args.helper_of)
        return 0
    _carry_out(suite, out, seeds=args.seeds, workers=args.workers, words=words)
    print((out / "tables.md").read_text().split("\n## ")[0])
    page = out / "report.html"
    print(plain(f"{page}: every table and figure; tables.md, .csv, results.json beside it"))
    return 0


def _parser(suite: str, name: str, flags: Sequence[Flag]) -> Parser:
    parser = Parser(f"jeat reproduce {suite}", __doc__)
    parser.add_argument("--out", type=str, default=f"runs/{name}", help="folder to write")
    parser.add_argument(
        "--seeds", type=int, default=5, help="number of seeds per method (0, 1, ...)"
    )
    parser.add_argument(
        "--dry_run", action="store_true", help="only print what it would train, and its cost"
    )
    parser.add_argument(
        "--smoke", action="store_true", help="a few steps of each stage, to see that it runs"
    )
    add_workers(parser)
    parser.add_flags(flags)
    return parser


def _carry_out(
    suite: "Suite", out: Path, *, seeds: int, workers: int, words: Sequence[str]
) -> None:
    """Show how far it is; helpers begin when all was found well, and end with it."""
    from jeat.suites import LOCKS, reproduce

    try:
        with helpers([Path(__file__).stem, *words], workers) as begin, bar() as show:
            for progress in reproduce(suite, out, seeds=seeds, shared=workers > 1):
                begin()
                show(progress.stage, progress.done, progress.total, progress.note)
    finally:
        shutil.rmtree(out / LOCKS, ignore_errors=True)


def _summary(file: str, theirs: Mapping[str, Brought]) -> str:
    """What a suite is, in a line; of a plugin's, which is not imported for it, whose it is."""
    if file in theirs:
        return f"of {theirs[file].package}"
    return signature_of("recipes", file).summary
