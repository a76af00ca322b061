"""show what was understood of a data set: splits, classes, sizes, a picture, and doubts

    jeat data SOURCE [flags]

SOURCE is what --data of the other commands takes. Doubts are warnings: a class without test images,
equal images in both splits, a column of labels that was chosen among several, and more.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jeat._support.checks import plain
from jeat.cli._flags import add_reading, data_named
from jeat.cli._parser import Parser
from jeat.cli._show import warn

if TYPE_CHECKING:
    from torch import Tensor

    from jeat.data import Data

__all__ = ["main"]

_ROWS = 100  # of the table of classes
_SHOWN = 20  # classes in the picture


def main(words: Sequence[str]) -> int:
    """Load, print tables and warnings, and draw where asked."""
    parser = _parser()
    args = parser.parse(words)
    if args.number < 1:
        parser.error(f"--number must be at least 1, got {args.number}")
    name = data_named(parser, args) or ""
    parser.check_file(args.out, ".png", name)

    from jeat import load_data
    from jeat._support.files import whole_file
    from jeat.data import doubts_of, overview, settled
    from jeat.figures import rows
    from jeat.report import table

    data = load_data(name := settled(name))
    found = overview(data)
    classes = [
        {"class": k, "train": n, "test": m, "all": n + m} for k, (n, m) in found.counts.items()
    ]
    both = len(data.train), len(data.test)
    every = {"class": "all", "train": both[0], "test": both[1], "all": sum(both)}
    print(table([*classes[:_ROWS], every]))
    if len(classes) > _ROWS:
        print(f"{len(classes) - _ROWS} classes more are not shown")
    channels, height, width = found.shape
    kind = "grey" if channels == 1 else "colour"
    print(
        plain(
            f"{name}: {len(classes)} classes; {kind} images, {height} x {width} pixels (height x "
            f"width), from {found.range[0]} to {found.range[1]}"
        )
    )
    print(f"sha256 {found.digest}")
    if args.out is not None:
        pictures = _first(data, args.number)
        with whole_file(args.out) as part:
            rows(pictures).save(part)
        print(plain(f"{args.out}: up to {args.number} training images of {len(pictures)} classes"))
    warn(doubts_of(found))
    return 0


def _parser() -> Parser:
    parser = Parser("jeat data", __doc__)
    parser.add_argument("data", metavar="SOURCE", type=str, help="data set")
    add_reading(parser)
    parser.add_argument("--out", type=str | None, default=None, help="PNG to draw images into")
    parser.add_argument("-n", "--number", type=int, default=8, help="images of each class in it")
    return parser


def _first(data: "Data", number: int) -> "dict[str, Tensor]":
    """Training images of each class, spread evenly, of the first classes that have some."""
    from jeat.figures import legible

    train = data.train
    found = {k: (train.y == i).nonzero()[:, 0] for i, k in enumerate(legible(data.classes))}
    found = dict([(k, at) for k, at in found.items() if len(at)][:_SHOWN])
    chosen = {
        k: at[[i * len(at) // min(number, len(at)) for i in range(min(number, len(at)))]]
        for k, at in found.items()
    }
    return {k: train.x[at].float() / 255 for k, at in chosen.items()}
