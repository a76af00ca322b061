"""Samplers: ``(E, x0) -> iterator of states``; they see an energy, never a classifier.

An iterator replaces options: ``last(langevin(...))`` trains, ``itertools.islice`` thins,
``list`` is a trajectory and a ``for`` loop animates. A start is a function of labels (B,) to
first states (B, C, H, W). Adding a sampler is one new file here.
"""

from collections.abc import Callable, Iterator

from torch import Tensor

from jeat.energy import Energy
from jeat.samplers.langevin import JEM_CHAIN, Chain, langevin, last
from jeat.samplers.starts import ClassGaussian, Stored, Uniform, start_of

__all__ = [
    "JEM_CHAIN", "Chain", "ClassGaussian", "Sampler", "Start", "Stored", "Uniform", "langevin",
    "last", "start_of",
]  # fmt: skip

Sampler = Callable[[Energy, Tensor], Iterator[Tensor]]
Start = Callable[[Tensor], Tensor]
