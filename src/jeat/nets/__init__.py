"""Nets: one architecture per file, each taking images in [0, 1] (normalisation is its first layer).

A :class:`Spec` says which net for which images; :func:`build` makes it. The name ``"wrn-10-2"``
means ``Net(10, 2, ...)`` of the file ``wrn.py``, so adding an architecture is one new file with a
class ``Net`` taking the numbers of its name and then the fields of :class:`Spec` it needs.
"""

import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Literal

from torch import nn

__all__ = ["Spec", "build", "evaluating", "is_piecewise_linear", "spec_of"]


@dataclass(frozen=True)
class Spec:
    """What a net is, in values that a file can hold.

    Attributes:
        name: architecture file and its numbers, e.g. ``"wrn-28-10"`` or ``"convnet-64"``.
        channels, size: images are (channels, size, size).
        classes: class names, in the order of the logits.
        norm: normalisation layers: none, batch or group.
        activation: relu, leaky_relu (slope 0.2, as JEM) or silu.
        mean, std: the first layer maps x in [0, 1] to (x - mean) / std.
    """

    name: str
    channels: int
    size: int
    classes: tuple[str, ...]
    norm: Literal["none", "batch", "group"] = "none"
    activation: Literal["relu", "leaky_relu", "silu"] = "leaky_relu"
    mean: float = 0.5
    std: float = 0.5


def build(spec: Spec) -> nn.Module:
    """The net of ``spec``, freshly initialised, with ``net.spec = spec``.

    Raises:
        ValueError: unknown architecture, numbers it does not take, or images it cannot see.
    """
    stem, *numbers = spec.name.split("-")
    known = sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name[0] != "_")
    if stem not in known:
        raise ValueError(f"unknown net {spec.name!r}: architectures are {', '.join(known)}")
    settings = asdict(spec) | {"classes": len(spec.classes)}
    del settings["name"]
    make = import_module(f"{__name__}.{stem}").Net
    try:
        net: nn.Module = make(*(int(n) for n in numbers), **settings)
    except (TypeError, ValueError) as error:
        raise ValueError(f"net {spec.name!r} cannot be built: {error}") from error
    net.spec = spec  # type: ignore[assignment]  # a plain value on a module
    return net


def spec_of(net: nn.Module) -> Spec:
    """The :class:`Spec` that ``net`` was built by.

    Raises:
        ValueError: a net that :func:`build` did not make.
    """
    spec = getattr(net, "spec", None)
    if not isinstance(spec, Spec):
        raise ValueError(f"a {type(net).__name__} has no spec: make nets with jeat.nets.build")
    return spec


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """``with evaluating(net):`` runs in eval mode and restores each module's own mode after."""
    training = [m for m in net.modules() if m.training]
    net.eval()
    try:
        yield
    finally:
        for m in training:
            m.training = True


_PIECEWISE_LINEAR = (
    nn.Identity, nn.Linear, nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.LeakyReLU, nn.Flatten,
    nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.MaxPool2d, nn.Dropout, nn.Sequential,
)  # fmt: skip


def is_piecewise_linear(net: nn.Module) -> bool:
    """Whether the logits are known to be piecewise linear in x, so that tr Hess f_y = 0 a.e.

    True where every module is affine or (leaky) ReLU and nothing depends on the batch: neither
    dropout in train mode nor batch statistics. Subclasses count as not known, unless the class
    itself declares ``only_sums``.
    """
    return all(
        (type(m) in _PIECEWISE_LINEAR or "only_sums" in vars(type(m))) and not _sees_the_batch(m)
        for m in net.modules()
    )


def _sees_the_batch(m: nn.Module) -> bool:
    if isinstance(m, nn.BatchNorm2d):
        return m.training or m.running_mean is None
    return m.training and isinstance(m, nn.Dropout)
