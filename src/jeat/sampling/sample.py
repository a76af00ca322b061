"""Conditional generation (Algorithm 1's second half): a chain down E(x, y), or by inversion."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from jeat._support.checks import SettingError, is_fp32, quoted
from jeat._support.passes import bare, logits_of
from jeat._support.plugins import Part
from jeat._support.tensors import check_finite, check_labels
from jeat.energy import Energy, energy_of, joint_energy, loss_of, marginal_energy
from jeat.nets import Precision, autocast, evaluating, spec_of
from jeat.samplers import Bounds, Chain, Sampler, Start, Uniform, last, sampler_of

__all__ = [
    "Kind",
    "Own",
    "chain_of",
    "check_energy",
    "energy_for",
    "inversion_of",
    "own_start",
    "sample",
    "sampler_for",
]  # fmt: skip

Own = Literal["own"]
Kind = Literal["joint", "cross-entropy"]
LOGITS = "the net's logits are NaN or infinite at {} of the images that were drawn"


def sample(
    net: nn.Module,
    labels: Int[Tensor, " b"],
    *,
    steps: int | Own = "own",
    step_size: float | Own = "own",
    noise: float | Own | None = "own",
    sampler: Sampler | None = None,
    energy: Kind = "joint",
    w_marginal: float = 0.0,
    start: Start | None = None,
    precision: Precision = "fp32",
) -> Float[Tensor, "b c h w"]:
    """Images of the given classes, in [0, 1], where a given sampler keeps its states there.

    A net that can invert, such as a flow, has a method ``draw``: labels to images. It draws by
    that, clamped to [0, 1], where no chain, energy or start is named here. Else it is a chain,
    ``x <- x - step_size * grad E + noise * N(0, I)``, clamped to [0, 1], with E = E(x, y)
    (Eq. 17) or E(x, y) - E(x) (Eq. 16, which is Eq. 4 in energies); ``step_size`` is eta / 2.
    Between and beyond these is E(x, y) + w_marginal * E(x).

    Args:
        net: of :func:`jeat.load` or :func:`jeat.nets.build`, or any module that maps images to
            logits, where ``start`` is given; run in eval mode.
        labels: one class index an image.
        steps: length of the chain; by default what the net's file asks for, else 150.
        step_size, noise: as :func:`jeat.samplers.langevin`; by default what the net's file asks
            for, else JEM's 0.25 and 0.005.
        sampler: another chain in place of these three, an energy and first states to states, such
            as ``functools.partial(langevin, steps=40, step_size=0.1)``.
        energy: ``"joint"`` is Eq. 17, ``"cross-entropy"`` is Eq. 16.
        w_marginal: weight of E(x) beside E(x, y): 0 is Eq. 17, -1 is Eq. 16, and above 0 chains
            seek what is probable under p(x) more than Eq. 17 does, the reinforced conditional
            sampling of Wang et al. (2022, arXiv:2203.13455; ``docs/readings.md``).
        start: labels -> first states; by default what the net was trained to start from,
            uniform noise where it knows none.
        precision: of the net's passes; chains stay in fp32. "auto" is bf16 where that is
            faster (:func:`jeat.nets.in_bf16`), else fp32.

    Raises:
        ValueError: labels outside the net's classes, an unknown energy, ``w_marginal`` with
            ``"cross-entropy"``, which has its own, bad chain settings,
            settings beside a sampler that has its own; images that are NaN or infinite, as those of
            a net that diverged.
    """
    check_energy(energy, w_marginal)
    if start is not None and not callable(start):
        raise SettingError(
            f"start takes labels to images, as jeat.samplers.Uniform, got {quoted(start)}"
        )
    given: dict[str, Any] = {"steps": steps, "step_size": step_size, "noise": noise}
    named = [k for k, v in given.items() if v != "own"]
    if sampler is not None and named:
        raise SettingError(f"the sampler has settings of its own: bind {named[0]} in it")
    plain = energy == "joint" and not w_marginal
    inverted = not named and sampler is None and start is None and plain
    sampler = sampler or sampler_for(net, **given)
    start = _start(net, labels, start)
    labels = labels.to(next(net.parameters(), labels).device)
    draw = (inversion_of(net) if inverted else None) or partial(
        _chain, sampler, start, lambda y: energy_for(net, y, energy, w_marginal)
    )
    finished = []
    with autocast(precision, labels.device, net), evaluating(net):
        for y in torch.split(labels, 500):
            finished.append(draw(y))
            with torch.no_grad():
                check_finite(logits_of(net, finished[-1]), LOGITS)
    images = torch.cat(finished)
    check_finite(
        images, "chains ended in NaN or infinity at {} images: lower step_size, or try another net"
    )
    return images


def _start(net: nn.Module, labels: Tensor, start: Start | None) -> Start:
    """Where chains start: as given, else as the net was trained to; labels are looked at."""
    check_labels(labels)
    own = bare(net)
    if start is None or hasattr(own, "spec"):
        spec = spec_of(net)
        known = set(range(len(spec.classes)))
        if not len(labels) or not known.issuperset(labels.tolist()):
            raise ValueError(f"labels must be one or more of 0..{len(spec.classes) - 1}")
        start = start or own_start(net)
    if not len(labels):
        raise ValueError("no image was asked for: labels must be one or more")
    return start


def own_start(net: nn.Module) -> Start:
    """What a net was trained to start chains from; uniform noise where it knows none."""
    return getattr(bare(net), "start", None) or Uniform(spec_of(net).shape)


def check_energy(energy: str, w_marginal: float) -> None:
    """Check what chains are to descend.

    Raises:
        SettingError: it is no energy, or two at once.
    """
    if energy not in ("joint", "cross-entropy"):
        raise SettingError(f"unknown energy {quoted(energy)}: use 'joint' or 'cross-entropy'")
    if not is_fp32(w_marginal):
        raise SettingError(f"w_marginal must be a finite number, got {quoted(w_marginal)}")
    if w_marginal and energy != "joint":
        raise SettingError(
            f"energy 'cross-entropy' is w_marginal -1, got {w_marginal:g}: leave one of them out"
        )


def energy_for(net: nn.Module, y: Tensor, energy: Kind, w_marginal: float) -> Energy:
    """E(., y) + w_marginal * E(.), which chains descend; cross-entropy is that of -1."""
    if energy == "cross-entropy":
        return loss_of(net, y)
    if not w_marginal:
        return energy_of(net, y)

    def mixed(x: Tensor) -> Tensor:
        logits = logits_of(net, x)
        return joint_energy(logits, y) + w_marginal * marginal_energy(logits)

    return mixed


def inversion_of(net: nn.Module) -> Callable[[Tensor], Tensor] | None:
    """What draws images of labels from a net that can invert, clamped; None of any other."""
    draw = getattr(bare(net), "draw", None)
    return None if draw is None else lambda y: draw(y).clamp(0, 1)


def _chain(sampler: Sampler, start: Start, energy: Callable[[Tensor], Energy], y: Tensor) -> Tensor:
    """Where the chains of labels end."""
    first = start(y)
    return last(sampler(energy(y), first), first)


def chain_of(net: nn.Module) -> Chain:
    """How a net draws: what its file asks for, else JEM's chain."""
    return getattr(bare(net), "chain", None) or Chain()


def sampler_for(
    net: nn.Module, *, sampler: Part | Own = "own", bounds: Bounds = (0, 1), **given: Any
) -> Sampler:
    """The chain that draws from a net, its states kept in ``bounds``.

    Args:
        net: what its file asks for counts where nothing else is given, else JEM's chain.
        sampler: another than the file's, by name, with settings.
        bounds: [0, 1], or a set in it.
        given: ``steps``, ``step_size`` and ``noise``, or ``"own"``.
    """
    own = chain_of(net)
    usual = {"steps": own.steps, "step_size": own.step_size, "noise": own.noise}
    usual |= {k: v for k, v in given.items() if v != "own"}
    part = {**own.settings, "name": own.sampler} if sampler == "own" else sampler
    return sampler_of(part, **usual, bounds=bounds)
