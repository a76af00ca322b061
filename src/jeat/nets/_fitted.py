"""A state dict in the net that is said for it."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from jeat._support.checks import SettingError
from jeat._support.libraries import LIBRARIES
from jeat._support.passes import bare
from jeat._support.plugins import name_of
from jeat.nets._layers import by_name
from jeat.nets._libraries import check_library, usual_of
from jeat.nets._modules import called, factory_of
from jeat.nets._noise import check_logits_of
from jeat.nets._said import Said, remedy_of
from jeat.nets._typed import LoadedNet
from jeat.nets.spec import Spec, build, spec_of
from jeat.nets.wrap import NAME, around

__all__ = ["fitted", "put", "put_layers", "unwrapped"]

_SHOWN = 3  # keys of a kind that an error names
_COUNTED = "num_batches_tracked"  # which PyTorch's first checkpoints lack


def fitted(tensors: Mapping[str, Tensor], said: Said, file: Path) -> LoadedNet:
    """The net that is said, with the weights of ``tensors``.

    Classes that are not said are those of the last layer; images have the channels of the first.

    Raises:
        SettingError: no such net.
        ValueError: weights of another one.
    """
    images, classes = _guessed(tensors, said)
    library, _, inside = said.name.partition(":")
    own, of_library = dict(said.settings), library in LIBRARIES
    if of_library:
        check_library(library, inside)
        usual = usual_of(library, inside, own)
        same = len(usual.classes) == len(classes) and said.classes is None
        mean, std = usual.of_channels(images[0])
        settings = {
            "make": {"name": said.name, **own} if own else said.name,
            "mean": mean if said.mean is None else said.mean,
            "std": std if said.std is None else said.std,
            "output": said.output,
        }
        images = said.images or (images[0], *usual.images[1:])
        spec = Spec(NAME, images[0], images[1:], usual.classes if same else classes, settings)
        net: Any = build(spec)
        inner = net.net
    elif _is_architecture(said.name):
        given = {"mean": said.mean, "std": said.std}
        own |= {k: v for k, v in given.items() if v is not None}
        inner = net = build(Spec(said.name, images[0], images[1:], classes, own))
    else:
        net, inner = _of_own_code(said, images, classes)
    said_normal = said.mean is not None and said.std is not None
    inner.load_state_dict(_matching(inner, tensors, file.name, said.name, normalised=said_normal))
    net.start, net.chain, net.about = None, None, {"checkpoint": file.name}
    with torch.inference_mode(False):
        whole: LoadedNet = net.to(memory_format=torch.channels_last).eval()
    check_logits_of(whole, remedy=remedy_of(said))
    return whole


def put(net: nn.Module, tensors: Mapping[str, Tensor], file: str) -> None:
    """Give ``net`` the weights of a state dict of it, or of the module that it holds.

    Raises:
        ValueError: they do not fit.
    """
    spec, whole = spec_of(net), bare(net)
    inner: Any = bare(whole.get_submodule("net")) if spec.name == NAME else whole
    make = name_of(spec.settings["make"]) if spec.name == NAME else ""
    inner.load_state_dict(_matching(inner, tensors, file, make or spec.name, normalised=True))


def put_layers(
    net: nn.Module, weights: Mapping[str, Tensor], layers: Mapping[str, str], file: Path
) -> None:
    """Give ``net`` weights by its own names; ``layers`` are the file's names of its layers.

    Raises:
        ValueError: they do not fit, in the file's own names.
    """
    own, found, theirs = net.state_dict(), by_name(net, weights), by_name(net, layers)

    def said(key: str) -> str:
        layer, dot, kind = key.rpartition(".")
        return f"{theirs.get(layer, layer)}{dot}{kind}"

    if words := _misfits(own, found, [said(k) for k in found if k not in own], said):
        raise ValueError(f"{file} does not fit {spec_of(net).name}, whose keys it has: {words}")
    if odd := [k for k, v in found.items() if v.is_floating_point() and not v.isfinite().all()]:
        raise ValueError(f"{file}: its weights are not finite: {said(odd[0])}")
    net.load_state_dict(found)


def _of_own_code(
    said: Said, images: tuple[int, int, int], classes: tuple[str, ...]
) -> tuple[Any, nn.Module]:
    """The net around a module that code of the user's own makes, and the module."""
    own = dict(said.settings)
    how = {
        "make": {"name": said.name, **own} if own else said.name,
        "mean": 0.0 if said.mean is None else said.mean,
        "std": 1.0 if said.std is None else said.std,
        "output": said.output,
    }
    spec = Spec(NAME, images[0], images[1:], classes, how)
    given = {"channels": spec.channels, "size": spec.size, "classes": len(classes)}
    module = called(factory_of(said.name), said.name, own, given)
    if hasattr(bare(module), "spec"):
        inner: Any = bare(module)
        return inner, inner.net if spec_of(inner).name == NAME else inner
    return around(module, spec), module


def _is_architecture(name: str) -> bool:
    """Whether it is a net of this package, or code of one's own that takes what these take."""
    if ":" not in name:
        return True
    if ".py:" in name:
        return False
    takes = inspect.signature(factory_of(name)).parameters.values()
    return {"channels", "size", "classes"} <= {p.name for p in takes if p.kind is p.KEYWORD_ONLY}


def _guessed(
    tensors: Mapping[str, Tensor], said: Said
) -> tuple[tuple[int, int, int], tuple[str, ...]]:
    """Images and classes, of the first and last layer where they are not said."""
    shapes = [tuple(t.shape) for t in tensors.values() if t.is_floating_point()]
    channels = next((s[1] for s in shapes if len(s) == 4), 3)
    logits = next((s[0] for s in reversed(shapes) if len(s) == 2), 0)
    classes = said.classes or tuple(map(str, range(logits)))
    if len(classes) < 2:
        raise SettingError("it does not say how many classes it has: give them by --classes")
    return said.images or (channels, 32, 32), classes


def unwrapped(key: str) -> str:
    """A name of a state dict without what DataParallel and torch.compile put before it."""
    return key.removeprefix("module.").removeprefix("_orig_mod.").removeprefix("module.")


def _matching(
    net: nn.Module, tensors: Mapping[str, Tensor], file: str, name: str, *, normalised: bool
) -> dict[str, Tensor]:
    """The tensors by the names that ``net`` has for them, all of them.

    Args:
        net: takes them.
        tensors: by the file's names.
        file, name: of what does not fit, and of the net.
        normalised: whether a normalisation is said, so that one beside the net is left out.

    Raises:
        ValueError: they do not fit.
    """
    own = net.state_dict()
    plain = by_name(net, {unwrapped(k): v for k, v in tensors.items()})
    prefix = _prefix(own, plain)
    found = {k.removeprefix(prefix): v for k, v in plain.items() if k.startswith(prefix)}
    beside = [k for k in plain if not k.startswith(prefix) or k.removeprefix(prefix) not in own]
    kept = {found[k].data_ptr() for k in own if k in found}
    beside = [k for k in beside if plain[k].data_ptr() not in kept]  # else the same once more
    if normalised:
        beside = [k for k in beside if plain[k].numel() > 3]  # a normalisation, which is said
    if words := _misfits(own, found, beside, lambda k: prefix + k):
        raise ValueError(f"{file} does not fit {name}: {words}")
    return {k: found.get(k, v) for k, v in own.items()}


def _misfits(
    own: Mapping[str, Tensor],
    found: Mapping[str, Tensor],
    beside: list[str],
    said: Callable[[str], str],
) -> str:
    """What ``found`` lacks, has ``beside`` and has in other shapes; "" where it fits."""
    missing = [said(k) for k in own if k not in found and not k.endswith(_COUNTED)]
    odd = [
        f"{said(k)} {tuple(found[k].shape)} for {tuple(own[k].shape)}"
        for k in own
        if k in found and own[k].shape != found[k].shape
    ]
    faults = [("it lacks", missing), ("it also has", beside), ("others in shape are", odd)]
    return "; ".join(f"{what} {_listed(keys)}" for what, keys in faults if keys)


def _listed(keys: list[str]) -> str:
    more = len(keys) - _SHOWN
    return ", ".join(keys[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _prefix(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> str:
    """What stands before all names of ``own`` in ``tensors``; "" where nothing does."""
    names = [k for k in own if not k.endswith(_COUNTED)]
    if not names or names[0] in tensors:
        return ""
    found = [k.removesuffix(names[0]) for k in tensors if k.endswith(f".{names[0]}")]
    return next((p for p in found if all(p + k in tensors for k in names)), "")
