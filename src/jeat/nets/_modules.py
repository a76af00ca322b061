"""Modules that others make, and the logits in what they return."""

import importlib.util
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from jeat._support.checks import SettingError
from jeat._support.plugins import Part, find, name_of, settings_of

__all__ = ["LIBRARIES", "chosen", "made"]

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
        if importlib.util.find_spec(library) is None:
            raise SettingError(f"{name} needs {library}: pip install {library}")
        module: object = (_timm if library == "timm" else _torchvision)(
            inside, own, channels, classes
        )
    else:
        module = find("nets", name, "net")(**own)
    if not isinstance(module, nn.Module):
        raise SettingError(f"{name} must make a torch.nn.Module, got a {type(module).__name__}")
    return module


def _timm(name: str, own: dict[str, Any], channels: int, classes: int) -> nn.Module:
    import timm  # type: ignore[import-not-found]

    if name not in timm.list_models():  # else it may name a file or a repository of the hub
        raise SettingError(f"timm has no {name!r}: timm.list_models() has their names")
    net: nn.Module = timm.create_model(name, num_classes=classes, in_chans=channels, **own)
    return net


def _torchvision(name: str, own: dict[str, Any], channels: int, classes: int) -> nn.Module:
    import torchvision  # type: ignore[import-untyped]

    if name not in torchvision.models.list_models():
        raise SettingError(
            f"torchvision has no {name!r}: torchvision.models.list_models() has their names"
        )
    if channels != 3:
        raise SettingError(f"nets of torchvision take 3 channels, not {channels}")
    net: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=classes, **own)
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
