"""Flags that several commands share."""

from jeat.cli._parser import Parser

__all__ = ["add_subject"]


def add_subject(parser: Parser) -> None:
    """Flags that say which net and which images."""
    parser.add_argument("net", type=str, help="run directory, checkpoint, shipped name or hub id")
    parser.add_argument(
        "--data", type=str | None, default=None, help="data set; by default the net's own"
    )
    parser.add_argument(
        "-n", "--number", type=int, default=1000, help="number of test images, spread evenly"
    )
    parser.add_argument("--seed", type=int, default=0, help="of attacks and probes")
