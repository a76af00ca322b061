"""What a layout finds in a state dict."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

__all__ = ["UNSAID", "Found", "blocks_of", "renamed"]

UNSAID = (
    "its file does not say how images are normalised: taken as mean 0 and std 1; give --mean and "
    "--std where its training normalised them"
)
_SHOWN = 3  # keys that an error names


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
        layers: what the file calls our layers, where it differs.
        doubt: what a file of no library does not say, and is taken to be usual.
        normalised: whether the file says how images are normalised.
    """

    name: str
    weights: dict[str, Tensor]
    classes: int
    settings: dict[str, Any] = field(default_factory=dict)
    channels: int = 3
    size: int = 32
    names: tuple[str, ...] = ()
    layers: dict[str, str] = field(default_factory=dict)
    doubt: str = ""
    normalised: bool = False


def blocks_of(tensors: Mapping[str, Tensor], stage: str) -> int:
    """How many blocks a stage has, of keys such as ``layer1.0.conv1.weight``."""
    found = [re.match(rf"{re.escape(stage)}\.(\d+)\.", k) for k in tensors]
    return 1 + max((int(m[1]) for m in found if m), default=-1)


def renamed(
    tensors: Mapping[str, Tensor], names: Mapping[str, str], beside: str = "(?!)"
) -> dict[str, Tensor]:
    """The tensors of the layers that ``names`` has, by our names of these layers.

    Args:
        tensors: by the file's names.
        names: of layers: the file's -> ours.
        beside: what keys match from their beginning that the net is known not to use.

    Raises:
        ValueError: there are others, so that it is another net.
    """
    layers = {k: k.rpartition(".")[0] for k in tensors}
    odd = [k for k in tensors if layers[k] not in names and not re.match(beside, k)]
    if odd := [k for k in odd if tensors[k].is_floating_point()]:
        more = f" and {len(odd) - _SHOWN} more" if len(odd) > _SHOWN else ""
        raise ValueError(
            f"it also has {', '.join(odd[:_SHOWN])}{more}, so it is another net than its other "
            "keys are of: give --arch FILE.py:FUNCTION, which returns the module"
        )
    return {
        f"{names[layer]}.{k.rpartition('.')[2]}": tensors[k]
        for k, layer in layers.items()
        if layer in names
    }
