"""TorchScript: ``torch.jit.load(FILE)``, images -> logits, also from C++. PyTorch deprecates it."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from jeat.exports._program import images

__all__ = ["read", "write"]

suffixes = (".ts", ".torchscript")


def write(net: nn.Module, file: Path) -> None:
    """What a pass of the net does, traced."""
    traced: Any = torch.jit.trace(net, (images(net),), check_trace=False)
    held = BytesIO()  # PyTorch, writing to a full disk itself, ends the process
    torch.jit.save(traced, held)
    file.write_bytes(held.getbuffer())


def read(file: Path) -> Callable[[Tensor], dict[str, Tensor]]:
    """The logits of what the file holds."""
    net: Any = torch.jit.load(str(file))
    return lambda x: {"logits": net(x)}
