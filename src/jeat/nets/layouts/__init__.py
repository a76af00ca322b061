"""Checkpoints of other projects: one layout of state dicts a file, told by its keys.

A layout is a function ``read(tensors) -> Found | None``: the net of this package that computes the
same logits, and its weights by our names; None where the keys are not those of the layout.
"""

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module

from torch import Tensor

from jeat._support.plugins import known_parts
from jeat.nets.layouts._found import Found
from jeat.nets.layouts._inner import inner_of

__all__ = ["Found", "recognised"]


def recognised(tensors: Mapping[str, Tensor]) -> Found | None:
    """What the first layout that knows the keys finds; None where none does.

    What stands before all keys, such as ``module.`` or ``1.``, is left out. A mean and std beside
    the net are its normalisation.

    Raises:
        ValueError: a layout that is known, in a form that is not, or with more beside it.
    """
    plain, how = inner_of(tensors)
    for name in known_parts("nets/layouts"):
        try:
            found: Found | None = import_module(f"{__name__}.{name}").read(plain)
        except KeyError as error:
            raise ValueError(f"it has the layout of {name}, but lacks {error.args[0]}") from error
        if found is not None:
            return replace(found, settings=found.settings | how, normalised=bool(how))
    return None
