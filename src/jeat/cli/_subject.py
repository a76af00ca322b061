"""The net and test images of ``measure`` and ``attack``."""

from typing import TYPE_CHECKING

from jeat.cli._parser import Parser

if TYPE_CHECKING:
    from jeat.metrics import Subject

__all__ = ["add_subject", "subject_of"]


def add_subject(parser: Parser) -> None:
    """Flags that say which net and which images."""
    parser.add_argument("net", type=str, help="run directory, checkpoint, shipped name or hub id")
    parser.add_argument(
        "--data", type=str | None, default=None, help="data set; by default the net's own"
    )
    parser.add_argument("-n", "--number", type=int, default=1000, help="first so many test images")
    parser.add_argument("--seed", type=int, default=0, help="of attacks and probes")


def subject_of(name: str, data: str | None, number: int, seed: int) -> "Subject":
    """Load them, and see that they fit.

    Raises:
        ValueError: images or classes that the net was not made for.
    """
    import torch

    from jeat import load, load_data
    from jeat.metrics import Subject

    if number < 1:
        raise ValueError(f"--number must be at least 1, got {number}")
    net = load(name)
    images = load_data(data or net.about["plan"]["data"])
    spec = net.spec
    takes = (spec.channels, spec.size, spec.size), len(spec.classes)
    if takes != (images.shape, len(images.classes)):
        raise ValueError(
            f"{name} takes images of {takes[0]} in {takes[1]} classes, the data are "
            f"{images.shape} in {len(images.classes)}"
        )
    x, y = images.test.floats(number)
    torch.manual_seed(seed)
    return Subject(net, x, y)
