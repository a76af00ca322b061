"""Nets that others made: of other projects' checkpoints, of libraries, of code of one's own."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from jeat._support.checks import DoubtWarning, SettingError
from jeat._support.files import expanded
from jeat._support.libraries import LIBRARIES
from jeat._support.near import near
from jeat._support.plugins import Part
from jeat._support.signatures import check_takes
from jeat.nets._fitted import fitted, put_layers
from jeat.nets._libraries import check_library, module_of, usual_of
from jeat.nets._modules import factory_of
from jeat.nets._noise import check_logits_of
from jeat.nets._said import SAID, Said, remedy_of, said_of, with_config
from jeat.nets._typed import LoadedNet
from jeat.nets.layouts import Found, recognised
from jeat.nets.modes import to_eval
from jeat.nets.places import hub_name
from jeat.nets.spec import Spec, build
from jeat.nets.state_dicts import tensors_of
from jeat.nets.wrap import NAME, around, finished

__all__ = ["made_by_name", "makes_itself", "read_foreign"]


def made_by_name(name: str) -> LoadedNet | None:
    """The net of ``timm:NAME``, ``torchvision:NAME``, ``pytorchcv:NAME``, ``FILE.py:FACTORY`` or
    ``package.module:factory``, with the weights that come with it; None for another name.

    The first three are pretrained nets, with the images and the normalisation that they say. A
    factory is code of the user's own, which is imported; it takes nothing and returns a net of
    :func:`jeat.wrap` or :func:`jeat.nets.build`.

    Raises:
        SettingError: there is no such net, library, file or factory, or it returns something else.
        FileNotFoundError: weights that cannot be fetched.
    """
    if not makes_itself(name):
        return None
    place, _, inside = name.rpartition(":")
    if place in LIBRARIES:
        check_library(place, inside)
        try:
            return _pretrained(place, inside)
        except (OSError, RuntimeError) as error:
            raise FileNotFoundError(
                f"the weights of {name} are not here and cannot be fetched: {error}"
            ) from error
    factory = factory_of(name)
    check_takes(factory, f"{name}, which returns a net,")
    net: object = factory()
    if not isinstance(net, nn.Module) or not hasattr(net, "spec"):
        raise SettingError(
            f"{name} must return a net of jeat.wrap(net, images=(C, H, W), classes=[...]), got a "
            f"{type(net).__name__}"
        )
    to_eval(net)
    made = cast(LoadedNet, net)
    made.start, made.chain = getattr(net, "start", None), getattr(net, "chain", None)
    made.about = getattr(net, "about", {})
    return made


def makes_itself(name: str) -> bool:
    """Whether it is a name of :func:`made_by_name`, and not of a file or of the hub."""
    place, _, inside = name.rpartition(":")
    return bool(place and inside) and hub_name(name) == name and not _is_there(name)


def _is_there(name: str) -> bool:
    try:
        return expanded(name).exists()
    except OSError:  # too long for a file, for one
        return False


def _pretrained(library: str, name: str) -> LoadedNet:
    usual = usual_of(library, name, {})
    module: Any = module_of(library, name, {}, pretrained=True)
    names = usual.classes or tuple(map(str, range(int(module.num_classes))))
    settings = {"make": f"{library}:{name}", "mean": usual.mean, "std": usual.std}
    return finished(around(module, Spec(NAME, usual.images[0], usual.images[1:], names, settings)))


def read_foreign(file: Path, arch: Part | None = None) -> LoadedNet | None:
    """The net of another project's checkpoint; None where the file is not one.

    It is told by what is said of it, by the ``config.json`` of a folder of the hub, or by the keys
    of its state dict (:mod:`jeat.nets.layouts`). Nothing is unpickled but tensors and plain values.

    Args:
        file: of a state dict.
        arch: what is said of the net, as :func:`jeat.load` takes it.

    Raises:
        SettingError: no such architecture.
        ValueError: a checkpoint that no layout knows, or that holds more than these, or weights of
            another architecture.

    Warns:
        DoubtWarning: what the file does not say, and is taken to be usual.
    """
    tensors = tensors_of(file)
    if tensors is None:
        return None
    said = said_of(arch)
    config = file.with_name("config.json")
    if file.name in ("model.safetensors", "pytorch_model.bin") and config.is_file():
        said = with_config(said, _json(config), str(file.parent))
    if said.name:
        return fitted(tensors, said, file)
    _check_said(said)
    try:
        found = recognised(tensors)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    if found is None:
        keys = ", ".join([*tensors][:3]) or "nothing"
        raise ValueError(
            f"{file} is a state dict of no layout that is known ({keys}, ...): say what it is of, "
            "as --arch wrn-16-2, --arch timm:NAME or --arch FILE.py:FUNCTION, which returns the "
            "module; in Python jeat.load(..., arch=...)"
        )
    try:
        net: Any = build(_spec(found, said))
    except SettingError as error:
        raise SettingError(f"{file}: {error}") from error
    put_layers(net, found.weights, found.layers, file)
    if doubt := _unsaid(found, said):
        warnings.warn(f"{file.name}: {doubt}", DoubtWarning, stacklevel=3)
    net.start, net.chain, net.about = None, None, {"checkpoint": file.name}
    whole: LoadedNet = net.to(memory_format=torch.channels_last).eval()
    check_logits_of(whole, remedy=remedy_of(said))
    return whole


def _unsaid(found: Found, said: Said) -> str:
    """What neither the file says nor the user, and is taken to be usual; "" where nothing is."""
    normal = not found.normalised and (said.mean, said.std) == (None, None)
    if "make" not in found.settings:
        return found.doubt if normal else ""
    h = f"of images {found.channels} {found.size} {found.size}"
    mean, std = found.settings["mean"], found.settings["std"]
    taken = {h: "--images"} if said.images is None else {}
    taken |= {f"normalised by mean {mean} and std {std}": "--mean and --std"} if normal else {}
    if not taken:
        return ""
    others = ", ".join(taken.values()) if normal else "--images"
    return (
        f"it is read as {found.settings['make']}, {' '.join(taken)}, which its file does not say: "
        f"say others by {others}"
    )


def _check_said(said: Said) -> None:
    """Refuse settings of no architecture."""
    if said.settings:
        hint = near(min(said.settings), ("arch", *SAID))
        raise SettingError(
            f"the settings {', '.join(said.settings)} need an architecture to be said"
            + (hint or ": give --arch")
        )


def _spec(found: Found, said: Said) -> Spec:
    """The spec of a layout's net, with what is said of it.

    Raises:
        SettingError: another number of classes or channels.
    """
    names = said.classes or found.names or tuple(map(str, range(found.classes)))
    if len(names) != found.classes:
        raise SettingError(f"it has {found.classes} classes, and {len(names)} are said")
    own = {"mean": said.mean, "std": said.std, "output": said.output or None}
    settings = found.settings | {k: v for k, v in own.items() if v is not None}
    images = said.images or (found.channels, found.size, found.size)
    if images[0] != found.channels:
        raise SettingError(
            f"its first layer takes images of C={found.channels}, and C={images[0]} is said, as by "
            "--images: give data of the former, or another net"
        )
    return Spec(found.name, images[0], images[1:], names, settings)


def _json(file: Path) -> Mapping[str, Any]:
    """An object of JSON.

    Raises:
        ValueError: the file holds none.
    """
    try:
        found = json.loads(file.read_text())
        if isinstance(found, dict):
            return found
    except (ValueError, RecursionError):
        pass
    raise ValueError(f"{file} is damaged: it must hold an object of JSON")
