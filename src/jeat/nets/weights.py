"""Weights of one net for another: where a training begins."""

from pathlib import Path
from typing import Any

from torch import nn

from jeat._support.passes import bare
from jeat._support.words import parted
from jeat.nets._fitted import put
from jeat.nets.checkpoint import load
from jeat.nets.places import file_of
from jeat.nets.spec import Spec, spec_of
from jeat.nets.state_dicts import tensors_of

__all__ = ["load_first_weights", "load_weights"]


def load_first_weights(net: nn.Module, name: str) -> None:
    """Copy the weights that ``name`` names into ``net``: a net, or a state dict that fits it.

    Raises:
        FileNotFoundError, ValueError: as :func:`load`, or weights of another architecture.
    """
    place, said = parted(name)
    tensors = None
    if not said and Path(place).expanduser().is_file():
        tensors = tensors_of(file_of(place))
    if tensors is None:
        load_weights(net, load(name))
        return
    try:
        put(net, tensors, Path(place).name)
    except ValueError as misfit:
        try:
            source = load(name)
        except ValueError:
            raise misfit from None
        load_weights(net, source)


def load_weights(net: nn.Module, source: nn.Module) -> None:
    """Copy the weights of ``source`` into ``net``.

    Raises:
        ValueError: they are of another architecture; class names may differ.
    """
    own, other = (_plain(spec_of(n)) for n in (net, source))
    if odd := [f"{k} {other.get(k)} and not {own[k]}" for k in own if own[k] != other.get(k)]:
        raise ValueError(f"the weights are of another architecture: {', '.join(odd)}")
    bare(net).load_state_dict(bare(source).state_dict())


def _plain(spec: Spec) -> dict[str, Any]:
    """What must be alike in two nets of one architecture."""
    images = {"channels": spec.channels, "size": spec.size, "classes": len(spec.classes)}
    return {"name": spec.name} | images | dict(spec.settings)
