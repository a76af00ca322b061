"""Flags that several commands share."""

from jeat.cli._parser import Parser

__all__ = ["NET", "add_subject"]

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
    parser.add_argument(
        "-n", "--number", type=int, default=1000, help="number of test images, spread evenly"
    )
    parser.add_argument("--seed", type=int, default=0, help="of attacks and probes")
