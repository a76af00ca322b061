"""Modules that others make, and the logits in what they return."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from jeat._support.checks import SettingError, quoted
from jeat._support.plugins import Part, find, find_in_file, name_of, settings_of
from jeat._support.signatures import check_takes
from jeat.nets._layers import Size
from jeat.nets._libraries import LIBRARIES, check_library, module_of

__all__ = ["called", "chosen", "factory_of", "made"]


def made(make: Part, channels: int, size: Size, classes: int) -> nn.Module:
    """The module that ``make`` names.

    Raises:
        SettingError: there is none, or it cannot be made so.
    """
    name, own = name_of(make), dict(settings_of(make))
    if not name:
        return nn.Identity()
    library, _, inside = name.partition(":")
    if library in LIBRARIES:
        check_library(library, inside)
        return module_of(library, inside, own, channels=channels, classes=classes)
    given = {"channels": channels, "size": size, "classes": classes}
    return called(factory_of(name), name, own, given)


def factory_of(name: str) -> Callable[..., Any]:
    """The function or class of ``FILE.py:FACTORY`` or ``package.module:factory``, imported.

    Raises:
        SettingError: there is none.
    """
    place, _, inside = name.rpartition(":")
    found = find_in_file(place, inside) if place.endswith(".py") else find("nets", name, "net")
    if not callable(found):
        raise SettingError(f"{name} must be a function that returns a net, got {quoted(found)}")
    factory: Callable[..., Any] = found
    return factory


def called(
    factory: Callable[..., Any], name: str, own: Mapping[str, Any], given: Mapping[str, Any]
) -> nn.Module:
    """The module that a factory returns, given settings, and what it takes of ``given`` by name.

    Raises:
        SettingError: it takes others, or returns something else.
    """
    takes = inspect.signature(factory).parameters
    settings = {k: v for k, v in given.items() if k in takes} | dict(own)
    check_takes(factory, f"{name}, which returns a net,", **settings)
    module: object = factory(**settings)
    if not isinstance(module, nn.Module):
        raise SettingError(f"{name} must make a torch.nn.Module, got a {type(module).__name__}")
    return module


def chosen(found: Any, output: str) -> Tensor:
    """The logits in what a module returns, in fp32 at least.

    Raises:
        ValueError: they are not where ``output`` says, or it must say.
    """
    if not output and not isinstance(found, Tensor):
        output = "logits"
    if output:
        try:
            if isinstance(found, Mapping):
                found = found[output]
            elif output.lstrip("-").isdecimal():
                found = found[int(output)]
            else:
                found = getattr(found, output)
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise ValueError(
                f"the net returns a {type(found).__name__} without {output!r}: say where its "
                "logits are, as jeat.wrap(net, ..., output='logits') or output='0'"
            ) from error
    if not isinstance(found, Tensor):
        raise ValueError(f"logits must be a tensor (B, classes), got a {type(found).__name__}")
    return found.float() if found.dtype in (torch.bfloat16, torch.float16) else found
