"""Samplers: ``(E, x, *, ...) -> iterator of states``; they see an energy, never a classifier.

An iterator replaces options: ``last(langevin(...))`` trains, ``itertools.islice`` thins,
``list`` is a trajectory and a ``for`` loop animates. A sampler's keyword-only arguments are its
settings; ``steps``, ``step_size``, ``noise`` and ``bounds`` are named so wherever they are taken.
Without ``bounds``, states may leave [0, 1]; a state that is NaN or infinite is refused. ``bounds``
may be a set: :class:`KnownPixels` fills in a part of an image, :class:`BlockMeans` enlarges one.
``starts`` says where chains begin, :class:`ReplayBuffer` keeps them between iterations, and
:class:`LabelledBuffer` with their labels.
"""

from jeat.samplers._buffer import LabelledBuffer, ReplayBuffer
from jeat.samplers._chain import Chain, Sampler, last, sampler_of
from jeat.samplers._constraints import BlockMeans, KnownPixels
from jeat.samplers._starts import (
    Restart,
    Start,
    Stored,
    numbers_stored,
    start_of,
    start_without_images,
)
from jeat.samplers._walk import Bounds
from jeat.samplers.clamped import clamped
from jeat.samplers.langevin import langevin
from jeat.samplers.momentum import momentum
from jeat.samplers.normalized import normalized
from jeat.samplers.starts.gaussian import ClassGaussian
from jeat.samplers.starts.pca import ClassComponents
from jeat.samplers.starts.uniform import Uniform

__all__ = [
    "BlockMeans", "Bounds", "Chain", "ClassComponents", "ClassGaussian", "KnownPixels",
    "LabelledBuffer", "ReplayBuffer", "Restart", "Sampler", "Start",
    "Stored", "Uniform", "clamped", "langevin", "last", "momentum", "normalized", "numbers_stored",
    "sampler_of", "start_of", "start_without_images",
]  # fmt: skip
