"""Weights of one net for another: where a training begins."""

from pathlib import Path
from typing import Any

from torch import nn

from jeat._support.passes import bare
from jeat._support.plugins import name_of
from jeat._support.words import parted
from jeat.nets._fitted import put
from jeat.nets.checkpoint import load
from jeat.nets.foreign import makes_itself
from jeat.nets.places import file_of
from jeat.nets.spec import Spec, spec_of
from jeat.nets.state_dicts import tensors_of
from jeat.nets.wrap import NAME

__all__ = ["load_first_weights", "load_weights"]

_AS_IT_IS = {"output": "", "mean": 0.0, "std": 1.0}  # what is around such a net


def load_first_weights(net: nn.Module, name: str) -> None:
    """Copy the weights that ``name`` names into ``net``: a net, or a state dict that fits it.

    Raises:
        FileNotFoundError, ValueError: as :func:`load`, or weights of another architecture.
    """
    place, said = parted(name)
    if makes_itself(name):
        load_weights(net, load(name), named=name)
        return
    tensors = None
    if not said and Path(place).expanduser().is_file():
        tensors = tensors_of(file_of(place))
    if tensors is None:
        load_weights(net, load(name))
        return
    try:
        put(_innermost(net), tensors, Path(place).name)
    except ValueError as misfit:
        try:
            source = load(name)
        except ValueError:
            raise misfit from None
        load_weights(net, source)


def load_weights(net: nn.Module, source: nn.Module, *, named: str = "") -> None:
    """Copy the weights of ``source`` into ``net``; ``named`` is what ``--net`` would call it.

    Of a module that was given, nothing says which code made it: its weights must fit.

    Raises:
        ValueError: they are of another architecture; class names may differ.
    """
    to, whole = _innermost(net), _innermost(source)
    own, other = _plain(spec_of(to)), _plain(spec_of(whole))
    if own["name"] != other["name"]:
        raise ValueError(
            f"the weights are of another architecture: name {other['name']} and not {own['name']}; "
            f"begin with its net, as --net {named or _named(other)}"
        )
    if "" in (own.get("make"), other.get("make")):
        own["make"] = other["make"]
    if odd := [f"{k} {other.get(k)} and not {own[k]}" for k in own if own[k] != other.get(k)]:
        raise ValueError(f"the weights are of another architecture: {', '.join(odd)}")
    put(to, whole.state_dict(), named or "the net to begin from")


def _innermost(net: nn.Module) -> nn.Module:
    """The net with a spec that code of one's own returned, where that made the module in it."""
    whole: Any = bare(net)
    how = {k: v for k, v in spec_of(whole).settings.items() if k != "make"}
    inner = bare(whole.net) if how == _AS_IT_IS and whole.prepare is None else whole
    return inner if hasattr(inner, "spec") else whole


def _named(settings: dict[str, Any]) -> str:
    """What ``--net`` would call a net."""
    if settings["name"] != NAME:
        return str(settings["name"])
    return name_of(settings["make"]) or "FILE.py:FACTORY"


def _plain(spec: Spec) -> dict[str, Any]:
    """What must be alike in two nets of one architecture."""
    images = {"channels": spec.channels, "size": spec.size, "classes": len(spec.classes)}
    return {"name": spec.name} | images | dict(spec.settings)
