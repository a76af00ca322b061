"""Weights that are moved for a while."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["moved"]


@contextmanager
def moved(net: nn.Module, by: Mapping[nn.Parameter, Tensor]) -> Iterator[None]:
    """Inside, each parameter is moved ``by`` its tensor; after, all are what they were, to the bit.

    So are the net's buffers: statistics of batch normalisation come from passes at the weights.
    """
    weights = {p: p.detach().clone() for p in by}
    buffers = {b: b.clone() for b in net.buffers()}
    try:
        with torch.no_grad():
            for p, d in by.items():
                p.add_(d)
        yield
    finally:
        with torch.no_grad():
            for tensor, kept in [*weights.items(), *buffers.items()]:
                tensor.copy_(kept)
