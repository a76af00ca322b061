"""What a net is, in values that a file can hold, and the net of it."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, get_args, get_origin

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from jeat._support.checks import SettingError, check_kind, quoted
from jeat._support.passes import bare
from jeat._support.plugins import find
from jeat._support.signatures import GIVEN, check_takes, complete
from jeat.nets._layers import Size, sides

__all__ = ["Spec", "build", "net_settings", "spec_of"]

_NUMBER = re.compile("0|[1-9][0-9]{0,3}")


@dataclass(frozen=True, init=False)
class Spec:
    """Which net, for which images.

    Attributes:
        name: architecture and its numbers, e.g. ``"wrn-28-10"`` or ``"convnet-64"``; or
            ``"package.module:Class"`` of one's own, with or without numbers.
        channels, size: images are (channels, size, size); of rectangles, size is (height, width).
        classes: class names, in the order of the logits.
        settings: the architecture's own keyword-only arguments, where they are not its defaults.
            ``Spec(..., norm="batch")`` is short for ``Spec(..., settings={"norm": "batch"})``.
    """

    name: str
    channels: int
    size: Size
    classes: tuple[str, ...]
    settings: Mapping[str, Any]

    def __init__(
        self,
        name: str,
        channels: int,
        size: Size | list[int],
        classes: tuple[str, ...],
        settings: Mapping[str, Any] | None = None,
        **own: Any,
    ) -> None:
        size = _one(size)
        values = (name, channels, size, classes, dict(settings or {}) | own)
        for f, value in zip(fields(self), values, strict=True):
            object.__setattr__(self, f.name, value)
        for f in fields(self)[:4]:
            check_kind(f.name, getattr(self, f.name), f.type)
        if not all(isinstance(k, str) for k in classes) or len(set(classes)) < len(classes):
            raise ValueError(f"classes must be names that differ, got {quoted(classes)}")
        if min(self.shape) < 1:
            raise ValueError(f"no image is {' x '.join(map(str, self.shape))}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        return self.channels, *sides(self.size)


def build(spec: Spec, *, by_file: bool = False) -> nn.Module:
    """The net of ``spec``, freshly initialised, with ``net.spec``: ``spec`` with all its settings.

    Args:
        spec: which net.
        by_file: whether a file that was loaded says so; such a spec has no code imported.

    Raises:
        SettingError: unknown architecture, or numbers or settings it does not take.
        ValueError: images it cannot see, or fewer than 2 classes.
    """
    if not isinstance(spec, Spec):
        raise SettingError(f"a net is built by a jeat.nets.Spec, got {quoted(spec)}")
    if len(spec.classes) < 2:
        raise ValueError(f"a classifier needs at least 2 classes, got {len(spec.classes)}")
    make, numbers = _architecture(spec.name, by_file=by_file)
    settings = _complete(make, spec.name, dict(spec.settings))
    if by_file and hasattr(make, "check_named_by_file"):
        make.check_named_by_file(settings)
    if isinstance(spec.size, tuple) and not _takes_rectangles(make):
        height, width = spec.size
        raise SettingError(
            f"net {spec.name!r} takes square images only, these are {height} x {width}: give a "
            "size of one number, such as --size 32, or another net"
        )
    given = {"channels": spec.channels, "size": spec.size, "classes": len(spec.classes)}
    check_takes(make, f"net {spec.name!r}", *map(str, numbers), **given, **settings)
    try:
        with torch.inference_mode(False):  # else autograd could not keep its weights
            net: nn.Module = make(*numbers, **given, **settings)
    except (ValueError, TypeError, RuntimeError) as error:  # the last where memory is short
        raise SettingError(
            f"net {spec.name!r} cannot be built: {str(error).splitlines()[0]}"
        ) from error
    if not isinstance(net, nn.Module):
        raise SettingError(f"net {spec.name!r} must make a torch.nn.Module, not {quoted(net)}")
    if type(net).forward is nn.Module.forward:
        raise SettingError(f"net {spec.name!r} must define forward(x), images to logits")
    if any(map(is_lazy, (*net.parameters(), *net.buffers()))):
        raise SettingError(
            f"net {spec.name!r} has weights that get their size later (nn.Lazy...): give their "
            "sizes, which follow from channels, size and classes"
        )
    whole = Spec(spec.name, spec.channels, spec.size, spec.classes, settings)
    net.spec = whole  # type: ignore[assignment]  # a plain value on a module
    net.register_forward_pre_hook(_check_images)
    return net


def net_settings(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """``settings`` of an architecture with the defaults of those that are not given.

    Raises:
        SettingError: unknown architecture, or a setting that it does not take.
    """
    make, _ = _architecture(name, by_file=False)
    return _complete(make, name, settings)


def _complete(make: Any, name: str, settings: dict[str, Any]) -> dict[str, Any]:
    whose = f"net {name!r}"
    return complete(make, settings, whose=whose, group="architecture", given=GIVEN["nets"])


def _architecture(name: str, *, by_file: bool) -> tuple[type[nn.Module], list[int]]:
    """The class of a net's name, and the numbers in it."""
    stem, *numbers = name.split("-")
    make: Any = find("nets", stem, "net", by_file=by_file)
    takes = inspect.signature(make).parameters.values()
    names = [p.name for p in takes if p.kind is p.POSITIONAL_OR_KEYWORD]
    if numbers and not names:
        raise SettingError(f"net {name!r} takes no numbers in its name: it is {stem}")
    if len(numbers) > len(names) or not all(map(_NUMBER.fullmatch, numbers)):
        raise SettingError(
            f"net {name!r} cannot be built: it is {'-'.join([stem, *names])}, in digits, up to 9999"
        )
    return make, [int(n) for n in numbers]


def _takes_rectangles(make: type[nn.Module]) -> bool:
    """Whether an architecture's ``size`` may be (height, width), by its annotation."""
    try:
        size = inspect.signature(make, eval_str=True).parameters["size"].annotation
    except (NameError, KeyError):
        return False
    return any(get_origin(kind) is tuple for kind in get_args(size))


def _one(size: Any) -> Any:
    """A size as a file or a tensor's shape gives it: a pair of two alike is one number."""
    pair = tuple(size) if isinstance(size, list | tuple) else (size,)
    if not all(type(n) is int for n in pair) or not 1 <= len(pair) <= 2:
        raise SettingError(f"size must be a whole number, or (height, width), got {quoted(size)}")
    return pair[0] if len({*pair}) == 1 else pair


def _check_images(net: nn.Module, given: tuple[Tensor]) -> tuple[Tensor]:
    """Check that images are what ``net`` was built for, and where it is.

    Returns:
        A copy of them, as a first layer may work in place.
    """
    (x,), spec = given, spec_of(net)
    takes = spec.shape
    got = tuple(x.shape) if isinstance(x, Tensor) else f"a {type(x).__name__}"
    if not isinstance(x, Tensor) or got[1:] != takes:
        raise ValueError(f"the net takes images of (B, {', '.join(map(str, takes))}), got {got}")
    weight = next(net.parameters(), x)
    if x.device != weight.device:
        raise ValueError(
            f"the images are on {x.device}, the net on {weight.device}: move one there with .to()"
        )
    if x.dtype != weight.dtype and not (
        getattr(net, "casts_images", False) or torch.is_autocast_enabled(x.device.type)
    ):
        raise ValueError(
            f"the images are {x.dtype}, the net's weights {weight.dtype}: convert one with .to()"
        )
    return (x.clone(),)


def spec_of(net: nn.Module) -> Spec:
    """The :class:`Spec` that ``net`` was built by.

    Raises:
        ValueError: a net that :func:`build` did not make.
    """
    spec = getattr(bare(net), "spec", None)
    if not isinstance(spec, Spec):
        raise ValueError(
            f"a {type(net).__name__} has no spec: wrap it, as jeat.wrap(net, images=(C, H, W), "
            "classes=[...]), or make nets with jeat.nets.build; jeat.sample takes a start, too"
        )
    return spec
