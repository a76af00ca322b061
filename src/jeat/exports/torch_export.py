"""torch.export: a graph of PyTorch, ``torch.export.load(FILE).module()``, images -> logits."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from jeat.exports._program import images, program, save

__all__ = ["read", "write"]

suffixes = (".pt2",)


def write(net: nn.Module, file: Path) -> None:
    """The graph and its weights."""
    save(program(net, images(net)), file)


def read(file: Path) -> Callable[[Tensor], dict[str, Tensor]]:
    """The logits of what the file holds."""
    net: Any = torch.export.load(file).module()
    return lambda x: {"logits": net(x)}
