"""Modules that others make, and the logits in what they return."""

import importlib
import importlib.util
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from jeat._support.checks import SettingError
from jeat._support.plugins import Part, find, name_of, settings_of

__all__ = ["LIBRARIES", "check_library", "chosen", "made"]

LIBRARIES = ("timm", "torchvision")


def made(make: Part, channels: int, classes: int) -> nn.Module:
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
        own |= {"num_classes": classes}
        module: object = (_timm if library == "timm" else _torchvision)(inside, own, channels)
    else:
        module = find("nets", name, "net")(**own)
    if not isinstance(module, nn.Module):
        raise SettingError(f"{name} must make a torch.nn.Module, got a {type(module).__name__}")
    return module


def check_library(library: str, name: str) -> None:
    """Check that timm or torchvision is there and knows a net of that name.

    What it does not know might name a file or a repository of the hub to it.

    Raises:
        SettingError: it is not, or does not.
    """
    if importlib.util.find_spec(library) is None:
        raise SettingError(f"{library}:{name} needs {library}: pip install {library}")
    place = {"timm": "timm", "torchvision": "torchvision.models"}[library]
    if name not in importlib.import_module(place).list_models():
        raise SettingError(f"{library} has no {name!r}: {place}.list_models() has their names")


def _timm(name: str, own: dict[str, Any], channels: int) -> nn.Module:
    import timm  # type: ignore[import-not-found]

    net: nn.Module = timm.create_model(name, in_chans=channels, **own)
    return net


def _torchvision(name: str, own: dict[str, Any], channels: int) -> nn.Module:
    from torchvision import models  # type: ignore[import-untyped]

    if channels != 3:
        raise SettingError(f"nets of torchvision take 3 channels, not {channels}")
    net: nn.Module = models.get_model(name, weights=None, **own)
    return net


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
