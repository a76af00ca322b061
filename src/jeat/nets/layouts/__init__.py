"""Checkpoints of other projects: one layout of state dicts a file, told by its keys.

A layout is a function ``read(tensors) -> Found | None``: the net of this package that computes the
same logits, and its weights by our names; None where the keys are not those of the layout.
"""

from collections.abc import Mapping
from importlib import import_module

from torch import Tensor

from jeat._support.plugins import known_parts
from jeat.nets._fitted import unwrapped
from jeat.nets.layouts._found import Found

__all__ = ["Found", "recognised"]


def recognised(tensors: Mapping[str, Tensor]) -> Found | None:
    """What the first layout that knows the keys finds; None where none does.

    ``module.`` and ``_orig_mod.``, which DataParallel and torch.compile put before each key, are
    left out.

    Raises:
        ValueError: a layout that is known, in a form that is not.
    """
    plain = {unwrapped(k): v for k, v in tensors.items()}
    for name in known_parts("nets/layouts"):
        found: Found | None = import_module(f"{__name__}.{name}").read(plain)
        if found is not None:
            return found
    return None
