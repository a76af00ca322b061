"""What a layout finds in a state dict."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

__all__ = ["Found", "blocks_of", "normalisation", "renamed"]


@dataclass(frozen=True)
class Found:
    """A net of this package, and its weights.

    Attributes:
        name: of the architecture, such as ``"wrn-28-10"``.
        weights: by our names.
        classes: how many logits.
        settings: of the architecture.
        channels, size: of the images.
        names: of the classes; () where they are numbers.
        doubt: what the file does not say, and is taken to be usual.
    """

    name: str
    weights: dict[str, Tensor]
    classes: int
    settings: dict[str, Any] = field(default_factory=dict)
    channels: int = 3
    size: int = 32
    names: tuple[str, ...] = ()
    doubt: str = ""


def blocks_of(tensors: Mapping[str, Tensor], stage: str) -> int:
    """How many blocks a stage has, of keys such as ``layer1.0.conv1.weight``."""
    found = [re.match(rf"{re.escape(stage)}\.(\d+)\.", k) for k in tensors]
    return 1 + max((int(m[1]) for m in found if m), default=-1)


def normalisation(tensors: Mapping[str, Tensor], mean: str, std: str) -> dict[str, Any]:
    """The settings of the first layer, where a state dict holds its mean and std."""
    if mean not in tensors:
        return {"mean": 0.0, "std": 1.0}
    return {"mean": tensors[mean].flatten().tolist(), "std": tensors[std].flatten().tolist()}


def renamed(tensors: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, Tensor]:
    """The tensors of the layers that ``names`` has, by our names of these layers."""
    split = {k: k.rpartition(".") for k in tensors}
    return {
        f"{names[layer]}.{kind}": tensors[k]
        for k, (layer, _, kind) in split.items()
        if layer in names
    }
