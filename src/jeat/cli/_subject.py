"""The net of a command, and the test images it is shown."""

from typing import TYPE_CHECKING, Any

from jeat import shards
from jeat.cli._parser import Parser

if TYPE_CHECKING:
    from torch import nn

    from jeat.data import Data
    from jeat.metrics import Subject

__all__ = ["add_subject", "check_fit", "data_of", "net_of", "seed_all", "subject_of"]


def add_subject(parser: Parser) -> None:
    """Flags that say which net and which images."""
    parser.add_argument("net", type=str, help="run directory, checkpoint, shipped name or hub id")
    parser.add_argument(
        "--data", type=str | None, default=None, help="data set; by default the net's own"
    )
    parser.add_argument(
        "-n", "--number", type=int, default=1000, help="so many test images, spread evenly"
    )
    parser.add_argument("--seed", type=int, default=0, help="of attacks and probes")


def net_of(name: str) -> "nn.Module":
    """Load a net onto the accelerator, where there is one."""
    from jeat import load

    return load(name).to(shards.device())


def data_of(net: "nn.Module") -> str:
    """The data set that a loaded net was trained on.

    Raises:
        ValueError: its checkpoint does not say.
    """
    about: Any = net.about
    try:
        return str(about["plan"]["data"])
    except (KeyError, TypeError) as error:
        raise ValueError("the net does not say what it was trained on: give --data") from error


def seed_all(seed: int) -> None:
    """Seed torch: a process of several with a stream of its own (:func:`jeat.shards.seed_of`).

    Raises:
        ValueError: a seed that it does not take.
    """
    import torch

    if not 0 <= seed < 2**63:
        raise ValueError(f"--seed must lie in 0..2^63 - 1, got {seed}")
    torch.manual_seed(shards.seed_of(seed))


def check_fit(name: str, net: "nn.Module", data: "Data") -> None:
    """See that the net ``name`` was made for these images and classes.

    Raises:
        ValueError: it was not.
    """
    from jeat.nets import spec_of

    spec = spec_of(net)
    takes = (spec.channels, spec.size, spec.size), len(spec.classes)
    if takes != (data.shape, len(data.classes)):
        raise ValueError(
            f"{name} takes images of {takes[0]} in {takes[1]} classes, the data are "
            f"{data.shape} in {len(data.classes)}"
        )
    named = data.classes != tuple(map(str, range(len(data.classes))))
    if named and data.classes != spec.classes:
        raise ValueError(
            f"{name} knows the classes {', '.join(spec.classes)}; the data have "
            f"{', '.join(data.classes)}"
        )


def subject_of(name: str, data: str | None, number: int, seed: int) -> "Subject":
    """Load them, and see that they fit.

    Raises:
        ValueError: images or classes that the net was not made for.
    """
    from jeat import load_data
    from jeat.metrics import Subject

    if number < 1:
        raise ValueError(f"--number must be at least 1, got {number}")
    seed_all(seed)
    net = net_of(name)
    images = load_data(data or data_of(net))
    check_fit(name, net, images)
    x, y = images.test.to(next(net.parameters()).device).floats(number)
    seed_all(seed)
    return Subject(net, x, y)
