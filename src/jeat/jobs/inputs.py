"""A net by name with test images that it was made for: what most commands begin with."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from jeat._support import processes
from jeat._support.checks import SettingError, is_whole, quoted
from jeat._support.hub import hub_data
from jeat._support.passes import bare
from jeat._support.plugins import check_named_by_file
from jeat._support.reading import reading_of
from jeat.data import Data, load_data
from jeat.metrics import Subject
from jeat.nets import ball_of, load, spec_of

__all__ = ["at_another_eps", "check_fit", "data_of", "misfit", "net_of", "seed_all", "subject_of"]

USUAL = 8 / 255  # eps, where none is given


def net_of(name: str) -> nn.Module:
    """Load a net onto the accelerator, where there is one."""
    return load(name).to(processes.device())


def data_of(net: nn.Module) -> str:
    """The data set that a loaded net was trained on.

    Raises:
        ValueError: its checkpoint does not say, or names a function of a module that is not
            imported.
    """
    about: Any = net.about
    try:
        source = str(about["plan"]["data"])
    except (KeyError, TypeError) as error:
        raise ValueError("the net does not say what it was trained on: give --data") from error
    name, _ = reading_of(source)
    if hub_data(name) is None and not Path(name).exists():
        check_named_by_file(name, "data set", called=True)
    return source


def seed_all(seed: int) -> None:
    """Seed torch; the processes of a launcher have a stream of their own each.

    Raises:
        ValueError: a seed that it does not take.
    """
    if not is_whole(seed, 0):
        raise SettingError(f"--seed must lie in 0..2^63 - 1, got {quoted(seed)}")
    torch.manual_seed(processes.seed_of(seed))


def check_fit(name: str, net: nn.Module, data: Data) -> None:
    """Check that the net ``name`` was made for these images and classes.

    Raises:
        ValueError: it was not.
    """
    if said := misfit(name, net, data):
        channels, *size = spec_of(net).shape
        other = data.shape[0] == channels and list(data.shape[1:]) != size
        raise ValueError(said + f": bring them to it by --size {'x'.join(map(str, size))}" * other)


def misfit(name: str, net: nn.Module, data: Data) -> str:
    """Why the net ``name`` was not made for these images and classes; "" where it was."""
    spec = spec_of(net)
    takes = spec.shape, len(spec.classes)
    if takes != (data.shape, len(data.classes)):
        return (
            f"{name} takes images of {takes[0]} in {takes[1]} classes, the data are "
            f"{data.shape} in {len(data.classes)}"
        )
    numbered = tuple(map(str, range(len(data.classes))))
    named = data.classes != numbered
    if spec.classes == numbered and "plan" not in (getattr(bare(net), "about", None) or {}):
        named = False  # another project's checkpoint does not say how its classes are called
    if named and data.classes != spec.classes:
        return (
            f"{name} knows the classes {', '.join(spec.classes)}; the data have "
            f"{', '.join(data.classes)}"
        )
    return ""


def subject_of(name: str, data: str | None, number: int, seed: int) -> tuple[Subject, Data]:
    """The net, ``number`` test images spread evenly, and the data set they come from.

    Raises:
        ValueError: images or classes that the net was not made for.
    """
    if not is_whole(number, 1):
        raise SettingError(f"--number must be at least 1 and below 2^63, got {quoted(number)}")
    seed_all(seed)
    net = net_of(name)
    found = load_data(data_of(net) if data is None else data)
    check_fit(name, net, found)
    x, y = found.test.to(next(net.parameters()).device).floats(number)
    seed_all(seed)
    return Subject(net, x, y, classes=found.classes), found


def at_another_eps(name: str, net: nn.Module, balls: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A line where the net ``name`` was trained for one ball, and is attacked in the usual other.

    Args:
        name: of the net.
        net: whose ``about`` holds the plan of its training.
        balls: of linf or l2, with their ``eps``, by what attacks.
    """
    eps, norm = ball_of(net)
    usual = [k for k, ball in balls.items() if ball == {"eps": USUAL, "norm": "linf"}]
    if (eps, norm) == (USUAL, "linf") or not usual:
        return []
    other = norm != "linf"
    own, theirs, flags = (f" in {norm}", " in linf", "eps and norm") if other else ("", "", "eps")
    return [
        f"{name} was trained for eps {eps:.4g}{own}, and is attacked at the usual {USUAL:.4g}"
        f"{theirs} by {', '.join(usual)}: give {flags} to measure it where it was trained"
    ]
