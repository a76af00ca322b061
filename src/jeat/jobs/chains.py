"""The chains of a drawing, state by state, for what shows them while they go."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from jeat._support.tensors import check_finite
from jeat.energy import energy_of
from jeat.jobs.drawing import Drawing, labels_of, start_for
from jeat.nets import spec_of
from jeat.sampling import energy_for, own_start, sampler_for

__all__ = ["State", "states"]


@dataclass(frozen=True)
class State:
    """The chains of a drawing after a step.

    Attributes:
        step: how many steps were taken.
        images: (B, C, H, W) in [0, 1].
        labels: (B,).
        energies: E(x, y) of each, (B,), in nats (Eq. 12).
    """

    step: int
    images: Tensor
    labels: Tensor
    energies: Tensor


def states(d: Drawing, net: nn.Module) -> Iterator[State]:
    """The first states of the chains of a drawing, and those after each step.

    With ``torch.manual_seed(d.seed)`` before, the last is what :func:`jeat.jobs.drawing.draw`
    draws where that takes a chain, too: in fp32 and in one process, of at most 500 images.

    Args:
        d: what is drawn.
        net: the net ``d.net``, loaded, in eval mode.

    Raises:
        ValueError: a class that the net does not know, fewer than 1 image, bad chain settings,
            chains that end in NaN.
    """
    labels = labels_of(d, spec_of(net).classes).to(next(net.parameters()).device)
    sampler = sampler_for(net, **d.chain)
    start = start_for(d, net) or own_start(net)
    x = start(labels)
    chain = sampler(energy_for(net, labels, d.energy, d.w_marginal), x)
    yield _state(net, 0, x, labels)
    for step, x in enumerate(chain, 1):
        yield _state(net, step, x, labels)


def _state(net: nn.Module, step: int, x: Tensor, labels: Tensor) -> State:
    with torch.no_grad():
        energies = energy_of(net, labels)(x)
    check_finite(energies, "E(x, y) is NaN or infinite in {} chains: try another net")
    return State(step, x.clamp(0, 1), labels, energies)
