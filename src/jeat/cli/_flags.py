"""Flags that several commands share."""

import jsonargparse

from jeat._support.reading import reading_of
from jeat.cli._parser import Parser

__all__ = ["NET", "READING", "add_reading", "add_subject", "data_named"]

READING = {
    "size": "bring images to this size: 32, or HEIGHTxWIDTH, such as 32x48; they are scaled until "
    "they cover it, then cut at the centre",
    "label": "column of labels, where a table has several",
    "background": "colour behind transparent pixels: white, black (the default) or #rrggbb",
}
"""Flags that say how a data set is read, and their help."""

NET = (
    "run directory, checkpoint (of another project, too), shipped name, hub id, timm:NAME, "
    "torchvision:NAME, or code of your own, which is run: FILE.py:FUNCTION, package.module:function"
)


def add_subject(parser: Parser) -> None:
    """Flags that say which net and which images."""
    parser.add_argument("net", type=str, help=NET)
    parser.add_argument(
        "--data", type=str | None, default=None, help="data set; by default the net's own"
    )
    add_reading(parser)
    parser.add_argument(
        "-n", "--number", type=int, default=1000, help="number of test images, spread evenly"
    )
    parser.add_argument("--seed", type=int, default=0, help="of attacks and probes")


def add_reading(parser: Parser) -> None:
    """Flags that say how the data set is read."""
    for name, help in READING.items():
        kind = int | str | None if name == "size" else str | None
        parser.add_argument(f"--{name}", type=kind, default=None, help=help)


def data_named(parser: Parser, args: jsonargparse.Namespace) -> str | None:
    """The whole name of the data set of ``--data`` and the flags that say how it is read.

    None is the net's own data set, whose name says how it was read when the net was trained.
    """
    given = {name: args[name] for name in READING if args[name] is not None}
    if args.data is None:
        if given:
            parser.error(
                f"--{min(given)} goes with --data: the net's own data are read as in training"
            )
        return None
    source, how = reading_of(args.data, **given)
    return how.of(source)
