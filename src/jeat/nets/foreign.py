"""Nets that others made: of other projects' checkpoints, of libraries, of code of one's own."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from jeat._support.checks import SettingError, quoted
from jeat._support.files import expanded
from jeat._support.kinds import TORCH, kind_of
from jeat._support.plugins import find, find_in_file
from jeat._support.sealed import is_sealed
from jeat._support.signatures import check_takes
from jeat.nets._modules import check_library
from jeat.nets.layouts import recognised
from jeat.nets.spec import Spec, build
from jeat.nets.wrap import wrap

__all__ = ["made_by_name", "read_foreign", "saved"]

_WITHIN = ("model_state_dict", "state_dict", "model", "net", "ema", "model_ema", "params")


def made_by_name(name: str) -> nn.Module | None:
    """The net of ``timm:NAME``, ``torchvision:NAME``, ``FILE.py:FACTORY`` or
    ``package.module:factory``, with the weights that come with it; None for another name.

    The first two are pretrained nets, with the images and the normalisation that they say. A
    factory is code of the user's own, which is imported; it takes nothing and returns a net of
    :func:`jeat.wrap` or :func:`jeat.nets.build`.

    Raises:
        SettingError: there is no such net, library, file or factory, or it returns something else.
        FileNotFoundError: weights that cannot be fetched.
    """
    place, colon, inside = name.rpartition(":")
    if not colon or not place or not inside or _is_there(name):
        return None
    if place in _LIBRARIES:
        check_library(place, inside)
        try:
            return _LIBRARIES[place](inside)
        except (OSError, RuntimeError) as error:
            raise FileNotFoundError(
                f"the weights of {name} are not here and cannot be fetched: {error}"
            ) from error
    in_file = place.endswith(".py")
    factory = find_in_file(place, inside) if in_file else find("nets", name, "net")
    if not callable(factory):
        raise SettingError(f"{name} must be a function that returns a net, got {quoted(factory)}")
    check_takes(factory, f"{name}, which returns a net,")
    net: object = factory()
    if not isinstance(net, nn.Module) or not hasattr(net, "spec"):
        raise SettingError(
            f"{name} must return a net of jeat.wrap(net, images=(C, H, W), classes=[...]), got a "
            f"{type(net).__name__}"
        )
    made: Any = net.eval()
    made.start, made.chain = getattr(net, "start", None), getattr(net, "chain", None)
    made.about = getattr(net, "about", {})
    return net


def _is_there(name: str) -> bool:
    try:
        return expanded(name).exists()
    except OSError:  # too long for a file, for one
        return False


def _timm(name: str) -> nn.Module:
    import timm  # type: ignore[import-not-found]

    net = timm.create_model(name, pretrained=True)
    how = timm.data.resolve_model_data_config(net)
    mean, std = list(how["mean"]), list(how["std"])
    return wrap(net, how["input_size"], net.num_classes, mean=mean, std=std)


def _torchvision(name: str) -> nn.Module:
    from torchvision import models  # type: ignore[import-untyped]

    weights = models.get_model_weights(name).DEFAULT
    how = weights.transforms()
    names = _apart(weights.meta["categories"])
    images = (3, how.crop_size[0], how.crop_size[0])
    net = models.get_model(name, weights=weights)
    return wrap(net, images, names, mean=list(how.mean), std=list(how.std))


def _apart(names: list[str]) -> list[str]:
    """Names of classes that differ: ImageNet has two cranes."""
    return [n if names.count(n) == 1 else f"{n} {i}" for i, n in enumerate(names)]


_LIBRARIES: Mapping[str, Callable[[str], nn.Module]] = {"timm": _timm, "torchvision": _torchvision}


def read_foreign(file: Path) -> nn.Module | None:
    """The net of another project's checkpoint; None where the file is not one.

    It is told by the keys of its state dict (:mod:`jeat.nets.layouts`). Nothing is unpickled but
    tensors and plain values.

    Raises:
        ValueError: a checkpoint that no layout knows, or that holds more than these.
    """
    tensors = tensors_of(file)
    if tensors is None:
        return None
    found = recognised(tensors)
    if found is None:
        keys = ", ".join([*tensors][:3]) or "nothing"
        raise ValueError(
            f"{file} is a state dict of no layout that is known ({keys}, ...): load it in a "
            "function of your own that returns jeat.wrap(net, ...), and name it FILE.py:FUNCTION"
        )
    names = tuple(map(str, range(found.classes)))
    net: Any = build(Spec(found.name, found.channels, 32, names, found.settings))
    net.load_state_dict(found.weights)
    net.start, net.chain, net.about = None, None, {"checkpoint": file.name}
    whole: nn.Module = net.to(memory_format=torch.channels_last).eval()
    return whole


def tensors_of(file: Path) -> dict[str, Tensor] | None:
    """The state dict in a file of torch.save, or of safetensors not of this package; else None.

    Raises:
        ValueError: as :func:`saved`, or no state dict.
    """
    if kind_of(file) == TORCH:
        return _state_dict(file, saved(file))
    try:
        with safe_open(file, framework="pt") as f:
            if is_sealed(f.metadata()):
                return None
        return load_file(file)
    except (SafetensorError, OSError):
        return None


def saved(file: Path) -> Any:
    """What torch.save wrote into a file, of tensors and plain values.

    Raises:
        ValueError: it holds more than these.
    """
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch has no one error for what is damaged or no tensor
        raise ValueError(
            f"{file} is damaged, or holds more than tensors, which could run code as it is loaded: "
            "save net.state_dict() alone, in the project that it is from"
        ) from error


def _state_dict(file: Path, kept: Any) -> dict[str, Tensor]:
    """The tensors by name in what was saved, themselves or under a usual key."""
    inner = [kept.get(k) for k in _WITHIN] if isinstance(kept, Mapping) else []
    for found in (*inner, kept):
        if isinstance(found, Mapping) and found and any(map(torch.is_tensor, found.values())):
            return {str(k): v for k, v in found.items() if torch.is_tensor(v)}
    raise ValueError(f"{file} holds no state dict: save net.state_dict()")
