"""Nets: one architecture per file, each taking images in [0, 1] (normalisation is its first layer).

A :class:`Spec` says which net for which images; :func:`build` makes it. The name ``"wrn-10-2"``
means ``Net(10, 2, ...)`` of the file ``wrn.py``, so adding an architecture is one new file with a
class ``Net`` taking the numbers of its name and then the fields of :class:`Spec` it needs.
"""

import inspect
import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from importlib import import_module
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from jeat._checks import SettingError, check_kind
from jeat.nets._linear import is_piecewise_linear

__all__ = [
    "Precision", "Spec", "autocast", "build", "evaluating", "in_bf16", "is_piecewise_linear",
    "spec_of",
]  # fmt: skip

Precision = Literal["fp32", "bf16", "auto"]


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

    def __post_init__(self) -> None:
        for f in fields(self):
            check_kind(f.name, getattr(self, f.name), f.type)
        if not all(isinstance(name, str) for name in self.classes):
            raise ValueError(f"classes must be names, got {self.classes}")
        if len(set(self.classes)) < len(self.classes):
            raise ValueError(f"classes must be names that differ, got {self.classes}")
        if min(self.channels, self.size) < 1:
            raise ValueError(f"no image is {self.channels} x {self.size} x {self.size}")


def build(spec: Spec) -> nn.Module:
    """The net of ``spec``, freshly initialised, with ``net.spec = spec``.

    Raises:
        ValueError: unknown architecture, numbers it does not take, or images it cannot see.
    """
    if not isinstance(spec, Spec):
        raise SettingError(f"a net is built by a jeat.nets.Spec, got {spec!r}")
    stem, *numbers = spec.name.split("-")
    known = sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name[0] != "_")
    if stem not in known:
        raise SettingError(f"unknown net {spec.name!r}: architectures are {', '.join(known)}")
    if len(spec.classes) < 2:
        raise ValueError(f"a classifier needs at least 2 classes, got {len(spec.classes)}")
    settings = asdict(spec) | {"classes": len(spec.classes)}
    del settings["name"]
    make = import_module(f"{__name__}.{stem}").Net
    takes = inspect.signature(make).parameters.values()
    names = [p.name for p in takes if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    if len(numbers) > len(names) or not all(n.isdecimal() and len(n) < 5 for n in numbers):
        raise SettingError(
            f"net {spec.name!r} cannot be built: it is {'-'.join([stem, *names])}, up to 9999"
        )
    try:
        net: nn.Module = make(*(int(n) for n in numbers), **settings)
    except (ValueError, RuntimeError) as error:  # the latter where memory does not suffice
        raise SettingError(
            f"net {spec.name!r} cannot be built: {str(error).splitlines()[0]}"
        ) from error
    net.spec = spec  # type: ignore[assignment]  # a plain value on a module
    net.register_forward_pre_hook(_check_fit)
    return net


def _check_fit(net: nn.Module, given: tuple[Tensor]) -> None:
    """See that images are what ``net`` was built for, and where it is."""
    (x,), spec, weight = given, spec_of(net), next(net.parameters())
    takes = (spec.channels, spec.size, spec.size)
    got = tuple(x.shape) if isinstance(x, Tensor) else f"a {type(x).__name__}"
    if not isinstance(x, Tensor) or got[1:] != takes:
        raise ValueError(f"the net takes images of (B, {', '.join(map(str, takes))}), got {got}")
    if x.device != weight.device:
        raise ValueError(
            f"the images are on {x.device}, the net on {weight.device}: move one there with .to()"
        )
    if x.dtype != weight.dtype and not torch.is_autocast_enabled(x.device.type):
        raise ValueError(
            f"the images are {x.dtype}, the net's weights {weight.dtype}: convert one with .to()"
        )


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
    """``with evaluating(net):`` runs in eval mode with frozen weights, and restores both after.

    Input gradients of frozen weights neither keep nor compute what only weights need. Within
    :func:`autocast` to bf16, convolutions and linear layers meanwhile hold copies of their weights
    in bf16: autocast would cast frozen weights anew at every pass, to the same values. What is to
    be in fp32 has its own ``with autocast("fp32", ...), evaluating(net):``, not inside of this one.
    """
    if not isinstance(net, nn.Module):
        raise ValueError(f"a net is a torch.nn.Module, got a {type(net).__name__}")
    training = [m for m in net.modules() if m.training]
    thawed = [p for p in net.parameters() if p.requires_grad]
    full = _cast_by_autocast(net)
    try:
        net.eval().requires_grad_(False)
        for m, name, p in full:  # another parameter: hooks and optimisers keep the one they know
            low = p.detach().to(torch.get_autocast_dtype(p.device.type))
            m.register_parameter(name, nn.Parameter(low, requires_grad=False))
        yield
    finally:
        for m, name, p in full:
            m.register_parameter(name, p)
        for m in training:
            m.training = True
        for p in thawed:
            p.requires_grad = True


def _cast_by_autocast(net: nn.Module) -> list[tuple[nn.Module, str, nn.Parameter]]:
    """The weights that autocast casts, each with its module and name; none outside of autocast."""
    return [
        (m, name, p)
        for m in net.modules()
        if type(m) in (nn.Conv2d, nn.Linear)
        for name, p in m.named_parameters(recurse=False)
        if name in ("weight", "bias") and p.dtype == torch.float32
        if torch.amp.is_autocast_available(p.device.type)
        and torch.is_autocast_enabled(p.device.type)
    ]


@contextmanager
def autocast(precision: Precision, device: torch.device) -> Iterator[None]:
    """A context in which nets multiply in bf16, or in fp32 whatever is around it.

    Logits come out in bf16 and :mod:`jeat.energy` takes them to fp32; images, chains and
    gradients with respect to images stay in fp32. On a GPU, fp32 that is asked for is no TF32.
    """
    kinds: list[Any] = [torch.backends.cudnn, torch.backends.cuda.matmul]
    allowed = [kind.allow_tf32 for kind in kinds]
    exact = device.type == "cuda" and precision == "fp32"
    try:
        for kind, tf32 in zip(kinds, allowed, strict=True):
            kind.allow_tf32 = tf32 and not exact
        with torch.autocast(device.type, torch.bfloat16, enabled=in_bf16(precision, device)):
            yield
    finally:
        for kind, tf32 in zip(kinds, allowed, strict=True):
            kind.allow_tf32 = tf32


def in_bf16(precision: Precision, device: torch.device) -> bool:
    """Whether nets multiply in bf16: ``"auto"`` does where the device has instructions for it.

    A CPU without them emulates it, twenty times slower than fp32.
    """
    if precision not in get_args(Precision):
        raise SettingError(f"unknown precision {precision!r}: use {', '.join(get_args(Precision))}")
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cpu":
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
