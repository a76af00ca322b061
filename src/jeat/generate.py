"""Conditional generation (Algorithm 1's second half): Langevin down E(x, y) from a start."""

from collections.abc import Mapping
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from jeat._checks import SettingError
from jeat.energy import Energy, check_labels, cross_entropy, energy_of
from jeat.nets import Precision, autocast, evaluating, spec_of
from jeat.samplers import JEM_CHAIN, Chain, Start, Uniform, langevin, last

__all__ = ["Own", "sample"]

Own = Literal["own"]


def sample(
    net: nn.Module,
    labels: Int[Tensor, " b"],
    *,
    steps: int | Own = "own",
    step_size: float | Own = "own",
    noise: float | Own | None = "own",
    energy: Literal["joint", "cross-entropy"] = "joint",
    start: Start | None = None,
    precision: Precision = "fp32",
) -> Float[Tensor, "b c h w"]:
    """Images of the given classes, in [0, 1].

    ``x <- x - step_size * grad E + noise * N(0, I)``, clamped to [0, 1], with E = E(x, y)
    (Eq. 17) or E(x, y) - E(x) (Eq. 16, which is Eq. 4 in energies); ``step_size`` is eta / 2.

    Args:
        net: of :func:`jeat.checkpoint.load` or :func:`jeat.nets.build`; run in eval mode.
        labels: one class index an image.
        steps: length of the chain; by default what the net's file asks for, else 150.
        step_size, noise: as :func:`jeat.samplers.langevin`; by default what the net's file asks
            for, else JEM's 0.25 and 0.005.
        energy: ``"joint"`` is Eq. 17, ``"cross-entropy"`` is Eq. 16.
        start: labels -> first states; by default what the net was trained to start from,
            uniform noise where it knows none.
        precision: of the net's passes; chains stay in fp32. "auto" is bf16 where the device has
            instructions for it, else fp32.

    Raises:
        ValueError: labels outside the net's classes, an unknown energy, bad chain settings.
    """
    if energy not in ("joint", "cross-entropy"):
        raise SettingError(f"unknown energy {energy!r}: use 'joint' or 'cross-entropy'")
    spec = spec_of(net)
    classes = len(spec.classes)
    check_labels(labels)
    if len(labels) == 0 or int(labels.min()) < 0 or int(labels.max()) >= classes:
        raise ValueError(f"labels must be one or more of 0..{classes - 1}")
    if start is not None and not callable(start):
        raise SettingError(f"start takes labels to images, as jeat.samplers.Uniform, got {start!r}")
    labels = labels.to(next(net.parameters()).device)
    start = start or getattr(net, "start", None) or Uniform((spec.channels, spec.size, spec.size))
    given = {"steps": steps, "step_size": step_size, "noise": noise}
    chain = _filled(given, getattr(net, "chain", None) or JEM_CHAIN)
    finished = []
    with autocast(precision, labels.device), evaluating(net):
        for y in torch.split(labels, 500):
            E = energy_of(net, y) if energy == "joint" else _loss_of(net, y)
            finished.append(last(langevin(E, start(y), **chain, bounds=(0, 1))))
    return torch.cat(finished)


def _filled(given: Mapping[str, int | float | Own | None], own: Chain) -> Chain:
    return own | {k: v for k, v in given.items() if v != "own"}  # type: ignore[return-value]


def _loss_of(net: nn.Module, y: Tensor) -> Energy:
    return lambda x: cross_entropy(net(x), y)
