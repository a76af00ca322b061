"""A sampler that tells how far its chains are, and keeps some of their states."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from jeat._support.checks import SettingError
from jeat.energy import Energy
from jeat.samplers import Sampler

__all__ = ["evenly_of", "watched"]


def watched(
    sampler: Sampler,
    images: int,
    show: Callable[[str, int, int, str], None],
    wanted: Sequence[int],
    kept: list[Tensor],
) -> Sampler:
    """A sampler as it is, which tells ``show`` how far all its chains are, by their steps.

    Args:
        sampler: whose chains are watched.
        images: how many chains there are, in all batches.
        show: as of :func:`jeat.jobs.drawing.draw`.
        wanted: the numbers of the steps whose states are kept; 0 is the first states.
        kept: the states (F, B, C, H, W) of each batch are added to it.
    """
    steps, made = _steps(sampler) or 1, 0

    def watching(E: Energy, x: Tensor) -> Iterator[Tensor]:
        nonlocal made
        states = [x.detach().cpu()] if 0 in wanted else []
        for i, state in enumerate(sampler(E, x), 1):
            made += len(x)
            show("drawing", min(made // steps, images), images, "")
            if i in wanted:
                states.append(state.detach().cpu())
            yield state
        if states:
            kept.append(torch.stack(states))

    return watching


def evenly_of(sampler: Sampler, frames: int) -> list[int]:
    """The numbers of up to ``frames`` steps of a chain, evenly, from 0 to the last.

    Raises:
        SettingError: a sampler that does not say how many steps it takes.
    """
    steps = _steps(sampler)
    if steps is None:
        raise SettingError("a film needs a sampler with the setting steps: name another --sampler")
    return torch.linspace(0, steps, min(steps + 1, frames)).round().int().tolist()


def _steps(sampler: Sampler) -> int | None:
    """How many steps are bound to a sampler, where it takes any."""
    return getattr(sampler, "keywords", {}).get("steps")
