"""Nets of libraries by name: the module, and what images it usually takes."""

import importlib
import importlib.util
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from jeat._support.checks import SettingError, check_kind

__all__ = ["Usual", "check_library", "module_of", "names_of", "usual_of"]

_CIFAR = [0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010]  # as pytorchcv trains on 32 x 32
_IMAGENET = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]

_MODULES = {
    "pytorchcv": "pytorchcv.model_provider",
    "timm": "timm",
    "torchvision": "torchvision.models",
}
_WEIGHTS = {
    "cache_dir", "checkpoint_path", "pretrained", "pretrained_cfg",
    "pretrained_cfg_overlay", "root", "weights", "weights_backbone",
}  # fmt: skip


@dataclass(frozen=True)
class Usual:
    """What a library says of the images that a net of it takes.

    Attributes:
        images: (C, H, W).
        mean, std: of the pixels in [0, 1], one a channel.
        classes: names; () where it has none.
    """

    images: tuple[int, int, int]
    mean: list[float]
    std: list[float]
    classes: tuple[str, ...] = ()

    def of_channels(self, channels: int) -> tuple[float | list[float], float | list[float]]:
        """Mean and std; 0 and 1 where images have another number of channels."""
        return (self.mean, self.std) if len(self.mean) == channels else (0.0, 1.0)


def names_of(library: str) -> list[str]:
    """The classifiers that a library knows by name.

    Raises:
        SettingError: it is not installed.
    """
    if importlib.util.find_spec(library) is None:
        raise SettingError(f"nets of {library} need it: pip install {library}")
    module: Any = importlib.import_module(_MODULES[library])
    if library == "torchvision":
        return list(module.list_models(module=module))
    return list(module.list_models() if library == "timm" else module._models)


def check_library(library: str, name: str) -> None:
    """Check that a library is there and knows a net of that name.

    What it does not know might name a file or a repository of the hub to it.

    Raises:
        SettingError: it is not, or does not.
    """
    if importlib.util.find_spec(library) is None:
        raise SettingError(f"{library}:{name} needs {library}: pip install {library}")
    if name not in names_of(library):
        at = _MODULES[library]
        listed = f"{at}._models has" if library == "pytorchcv" else f"{at}.list_models() has"
        raise SettingError(f"{library} has no {name!r}: {listed} their names")


def module_of(
    library: str,
    name: str,
    settings: Mapping[str, Any],
    *,
    channels: int | None = None,
    classes: int | None = None,
    pretrained: bool = False,
) -> nn.Module:
    """The module of a name that :func:`check_library` knows.

    Args:
        library, name: which.
        settings: further arguments of the library's function.
        channels, classes: of images and logits; None leaves the library's own.
        pretrained: whether with the weights that the library has for it.

    Raises:
        SettingError: settings that name weights, that are of another kind than the module's class
            says, or that contradict the channels and classes, or another number of channels than it
            takes.
    """
    if odd := _WEIGHTS & settings.keys():
        raise SettingError(
            f"{min(odd)} is no setting of {library}:{name} here, as it names weights: give "
            "these by their file"
        )
    given = {"num_classes": classes, "in_chans": channels, "in_channels": channels}
    if odd := {k for k, v in given.items() if v is not None and settings.get(k, v) != v}:
        k = min(odd)
        raise SettingError(
            f"{k} {settings[k]} contradicts the {given[k]} of its file or data: leave {k} out; "
            "classes and images say it"
        )
    own = {k: v for k, v in settings.items() if given.get(k) is None}
    own |= {} if classes is None else {"num_classes": classes}
    made = _made(library, name, own, channels=channels, pretrained=pretrained)
    check_kinds_of(made, settings, f"{library}:{name}")
    return made


def _made(
    library: str, name: str, own: dict[str, Any], *, channels: int | None, pretrained: bool
) -> nn.Module:
    """The module of :func:`module_of`, of arguments that fit each other."""
    module: Any = importlib.import_module(_MODULES[library])
    if library == "torchvision":
        if channels not in (None, 3):
            raise SettingError(f"nets of torchvision take 3 channels, not {channels}")
        weights = module.get_model_weights(name).DEFAULT if pretrained else None
        made: nn.Module = module.get_model(name, weights=weights, **_sized(own, "image_size"))
        return made
    images = "in_chans" if library == "timm" else "in_channels"
    given = {} if channels is None else {images: channels}
    make = module.create_model if library == "timm" else module.get_model
    other: nn.Module = make(name, pretrained=pretrained, **given, **own)
    return other


def check_kinds_of(made: nn.Module, settings: Mapping[str, Any], whose: str) -> None:
    """Check that settings are of the plain kinds that a module's class says they are of.

    Raises:
        SettingError: one is not.
    """
    kinds: dict[Any, type] = {said: k for k in (bool, int, float, str) for said in (k, k.__name__)}
    takes = inspect.signature(type(made)).parameters
    for name, value in settings.items():
        kind = kinds.get(takes[name].annotation) if name in takes else None
        if kind is not None:
            check_kind(f"{name} of {whose}", value, kind)


def _sized(settings: dict[str, Any], name: str) -> dict[str, Any]:
    """``img_size``, as timm calls it, by the name that another library has for it."""
    return {name if k == "img_size" else k: v for k, v in settings.items()}


def usual_of(library: str, name: str, settings: Mapping[str, Any]) -> Usual:
    """What a library says of the images of its net."""
    classes: tuple[str, ...] = ()
    module: Any = importlib.import_module(_MODULES[library])
    if library == "timm":
        kept = module.get_pretrained_cfg(name)
        data: Any = importlib.import_module("timm.data")
        how = data.resolve_data_config({}, pretrained_cfg=kept.to_dict() if kept else {})
        images, mean, std = how["input_size"], how["mean"], how["std"]
    elif library == "torchvision":
        weights = module.get_model_weights(name).DEFAULT
        how = weights.transforms()
        images = (3, how.crop_size[0], how.crop_size[0])
        mean, std, classes = how.mean, how.std, _apart(weights.meta["categories"])
    else:
        with torch.device("meta"):
            own: Any = module.get_model(name)
        images = (3, *own.in_size)
        mean, std = _CIFAR if own.in_size[0] <= 32 else _IMAGENET
    size = settings.get("img_size", settings.get("image_size", images[1]))
    return Usual((images[0], size, size), list(mean), list(std), classes)


def _apart(names: list[str]) -> tuple[str, ...]:
    """Names of classes that differ: ImageNet has two cranes."""
    return tuple(n if names.count(n) == 1 else f"{n} {i}" for i, n in enumerate(names))
