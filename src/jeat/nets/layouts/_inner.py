"""A net's own state dict in one that has it under a prefix, with a normalisation beside it."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from jeat.nets._fitted import unwrapped

__all__ = ["inner_of"]

_PAIRS = {"mean": "std", "mu": "sigma", "new_mean": "new_std"}
_AGAIN = "attacker."  # before what robustness keeps once more


def inner_of(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors without what stands before all their names, and the mean and std among them.

    A normalisation is a pair such as ``0.mean`` and ``0.std``, or ``mu`` and ``sigma``, of one
    number or one a channel. The second is empty where there is none.

    Raises:
        ValueError: two that differ, or a second copy of the net that differs.
    """
    found, how = _once({unwrapped(k): v for k, v in tensors.items()}), dict[str, Any]()
    sizes = (1, next((t.shape[1] for t in found.values() if t.dim() == 4), 3))
    for key in [*found]:
        place, dot, last = key.rpartition(".")
        pair = (key, f"{place}{dot}{_PAIRS.get(last)}")
        if not all(k in found and found[k].numel() in sizes for k in pair) or last not in _PAIRS:
            continue
        mean, std = (found.pop(k).flatten().tolist() for k in pair)
        own = {"mean": mean if mean[1:] else mean[0], "std": std if std[1:] else std[0]}
        if how and own != how:
            raise ValueError(f"it holds several normalisations that differ, such as {key}")
        how = own
    while prefix := _prefix(found):
        found = {k.removeprefix(prefix): v for k, v in found.items()}
    return found, how


def _once(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors without those that an AttackerModel has a second time."""
    copies = [k for k in tensors if k.startswith(_AGAIN) and k.removeprefix(_AGAIN) in tensors]
    for k in copies:
        if not torch.equal(tensors[k], tensors[k.removeprefix(_AGAIN)]):
            raise ValueError(f"it holds two nets: {k} differs from {k.removeprefix(_AGAIN)}")
    return {k: v for k, v in tensors.items() if k not in copies}


def _prefix(tensors: Mapping[str, Tensor]) -> str:
    """The first part of all names, with its dot; "" where they have none in common."""
    parts = {"".join(k.partition(".")[:2]) for k, v in tensors.items() if v.is_floating_point()}
    first = next(iter(parts), "")
    return first if len(parts) == 1 and first.endswith(".") else ""
