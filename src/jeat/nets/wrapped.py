"""Any classifier as a net of this package."""

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jeat._support.checks import SettingError
from jeat._support.plugins import Part, check_named_by_file, find, name_of, settings_of
from jeat.nets._layers import Normalize, PerChannel

__all__ = ["Net"]

_LIBRARIES = ("timm", "torchvision")


class Net(nn.Module):
    """wrapped: a module that maps images to logits, of another library or of one's own.

    Its images are in [0, 1]; they are normalised, and cast to the module's dtype, on their way in.

    Args:
        make: ``timm:NAME``, ``torchvision:NAME``, or ``package.module:function`` of one's own that
            returns the module; with arguments as ``{"name": ..., ARGUMENT: VALUE}``. "" is a module
            that was given to :func:`jeat.wrap`, which no file can make again.
        output: where the logits are in what the module returns: an attribute, a key or a position;
            "" is the whole of it, or its ``logits``.
        channels, size: input images are (channels, size, size).
        classes: number of logits.
        mean, std: what the module was trained on is (x - mean) / std; a number, or one a channel.

    Raises:
        ValueError: there is no such module, or it cannot be made so.
    """

    casts_images = True

    def __init__(
        self,
        *,
        channels: int = 3,
        size: int = 32,
        classes: int = 10,
        make: Part = "",
        output: str = "",
        mean: PerChannel = 0.0,
        std: PerChannel = 1.0,
    ) -> None:
        super().__init__()
        self.first = Normalize(mean, std, channels)
        self.net = made(make, channels, classes)
        self.output = output
        self.prepare: Callable[[Tensor], Tensor] | None = None

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k"]:
        """Images in [0, 1] -> logits."""
        x = self.first(x if self.prepare is None else self.prepare(x))
        weight = next(self.net.parameters(), x)
        if weight.is_floating_point() and not torch.is_autocast_enabled(x.device.type):
            x = x.to(weight.dtype)
        return chosen(self.net(x), self.output)

    @staticmethod
    def check_named_by_file(settings: Mapping[str, Any]) -> None:
        """Refuse a module that a file names, where that would have code of others run.

        Raises:
            SettingError: it would, or the file cannot say what made it.
        """
        name = name_of(settings["make"])
        if not name:
            raise SettingError(
                "its module was given to jeat.wrap, and no file can make it again: load the weights "
                "by jeat.load(file, net=MODULE)"
            )
        if name.partition(":")[0] not in _LIBRARIES:
            check_named_by_file(name, "net", called=True)


def made(make: Part, channels: int, classes: int) -> nn.Module:
    """The module that ``make`` names.

    Raises:
        SettingError: there is none, or it cannot be made so.
    """
    name, own = name_of(make), dict(settings_of(make))
    if not name:
        return nn.Identity()
    library, _, inside = name.partition(":")
    if library in _LIBRARIES:
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
    import timm

    if name not in timm.list_models():  # else it may name a file or a repository of the hub
        raise SettingError(f"timm has no {name!r}: timm.list_models() has their names")
    net: nn.Module = timm.create_model(name, num_classes=classes, in_chans=channels, **own)
    return net


def _torchvision(name: str, own: dict[str, Any], channels: int, classes: int) -> nn.Module:
    import torchvision

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
                f"the net returns a {type(found).__name__} without {output!r}: say where its logits "
                "are, as jeat.wrap(net, ..., output='logits') or output='0'"
            ) from error
    if not isinstance(found, Tensor):
        raise ValueError(f"logits must be a tensor (B, classes), got a {type(found).__name__}")
    return found.float() if found.dtype in (torch.bfloat16, torch.float16) else found


def own_file(name: str) -> Path | None:
    """The file of ``FILE.py:FACTORY``; None where the name is not of that form."""
    file, _, factory = name.rpartition(":")
    return Path(file) if file.endswith(".py") and factory.isidentifier() else None
