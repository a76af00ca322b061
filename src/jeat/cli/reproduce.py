"""run a published experiment from start to end: digits

    jeat reproduce RECIPE --out FOLDER [flags]

A second call goes on where the first stopped.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from jeat._signature import files_of, signature_of
from jeat.cli._parser import Parser, bar

__all__ = ["main"]


def main(words: Sequence[str]) -> int:
    """Run a recipe with bars, then print its table."""
    recipes = files_of("recipes")
    if not words or words[0] in ("-h", "--help"):
        print(f"usage: jeat reproduce RECIPE --out FOLDER [flags]\n\n{__doc__}\nrecipes:")
        for name in recipes:
            print(f"  {name:<10} {signature_of('recipes', name, 'reproduce').summary}")
        return 0 if words else 2
    if words[0] not in recipes:
        print(f"jeat reproduce: unknown recipe {words[0]!r}: {', '.join(recipes)}", file=sys.stderr)
        return 2
    recipe = words[0]
    parser = Parser(f"jeat reproduce {recipe}", __doc__)
    parser.add_argument("--out", type=str, required=True, help="folder to write")
    flags = signature_of("recipes", recipe, "reproduce").flags
    parser.add_flags(flags)
    args = parser.parse(words[1:])
    reproduce = import_module(f"jeat.recipes.{recipe}").reproduce
    with bar() as show:
        for stage, done, total in reproduce(
            Path(args.out), **{f.name: args[f.name] for f in flags}
        ):
            show(stage, done, total)
    print((Path(args.out) / "table.md").read_text())
    print(f"runs, results.json and image grids are in {args.out}")
    return 0
