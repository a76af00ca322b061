"""Modules that others make, and the logits in what they return."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from jeat._support.checks import SettingError, quoted
from jeat._support.libraries import LIBRARIES
from jeat._support.passes import unwrapped_once
from jeat._support.plugins import Part, find, find_in_file, name_of, settings_of
from jeat._support.signatures import check_takes
from jeat._support.words import is_digits
from jeat.nets._layers import Size
from jeat.nets._libraries import check_library, module_of

__all__ = ["called", "chosen", "factory_of", "made", "name_alike"]


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
            elif is_digits(output.removeprefix("-")):
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


def name_alike(net: Any) -> None:
    """Have a net name its module's weights alike in files, whatever the module is wrapped in."""
    net.register_state_dict_post_hook(_plain_names)
    net.register_load_state_dict_pre_hook(_own_names)


def _before(net: Any) -> str:
    """What DataParallel, torch.compile and the like put before the names of weights."""
    m, said = net.net, ""
    while (inner := unwrapped_once(m)) is not None:
        said += f"{next(k for k, v in m.named_children() if v is inner)}."
        m = inner
    return said


def _plain_names(net: Any, state: dict[str, Any], prefix: str, _: Any) -> None:
    """Name weights alike, whatever the module is wrapped in."""
    inside = f"{prefix}net."
    if before := _before(net):
        for k in [k for k in state if k.startswith(inside + before)]:
            state[inside + k.removeprefix(inside + before)] = state.pop(k)


def _own_names(net: Any, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Names of :func:`_plain_names` as the module that is there has them."""
    inside = f"{prefix}net."
    if before := _before(net):
        for k in [k for k in state if k.startswith(inside)]:
            state[inside + before + k.removeprefix(inside)] = state.pop(k)
