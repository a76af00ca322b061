"""A net as a graph of torch.export, for batches of any size."""

from io import BytesIO
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from jeat.energy import marginal_energy
from jeat.nets import spec_of

__all__ = ["BATCHES", "Energies", "dtype_of", "images", "program", "save"]


BATCHES = ({0: Dim("batch")},)
"""The dimensions of images that are of any size."""


class Energies(nn.Module):
    """Images -> logits, E(x) and E(x, k) for every class k (Eq. 12)."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits = self.net(images)
        return logits, marginal_energy(logits), -logits


def images(net: nn.Module) -> Tensor:
    """Two grey images of the kind that ``net`` takes; with one, code may take it for no batch."""
    spec = spec_of(net)
    return torch.full((2, *spec.shape), 0.5, dtype=dtype_of(net))


def dtype_of(net: nn.Module) -> torch.dtype:
    """Of the images that ``net`` takes: that of its weights, where it does not cast them itself."""
    like = next(net.parameters(), torch.zeros(()))
    return torch.float32 if getattr(net, "casts_images", False) else like.dtype


def program(module: nn.Module, x: Tensor) -> ExportedProgram:
    """The graph of a module of images, whose first dimension is the batch."""
    return torch.export.export(module, (x,), dynamic_shapes=BATCHES, strict=False)


def save(graph: ExportedProgram, file: Path) -> None:
    """Write a graph; PyTorch, writing to a full disk itself, ends the process.

    Raises:
        OSError: it cannot be written.
    """
    held = BytesIO()
    torch.export.save(graph, held)
    file.write_bytes(held.getbuffer())
