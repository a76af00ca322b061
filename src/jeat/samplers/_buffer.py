"""The replay buffer of Algorithm 1: chains that go on from one iteration to the next."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from jeat._support import processes
from jeat._support.checks import SettingError, is_whole, quoted
from jeat.samplers._starts import Restart

__all__ = ["LabelledBuffer", "ReplayBuffer"]


class ReplayBuffer(nn.Module):
    """A store of ``size`` chain states (Du & Mordatch 2019; Algorithm 1).

    ``draw(n)`` gives n distinct slots, each restarted with probability ``rho``; ``put`` writes the
    advanced states back to the same slots ("Add x_K to B", read as overwrite, as JEM does).
    Its state is part of the module's state, so a checkpoint holds it.

    Args:
        restart: n -> n fresh states (n, C, H, W) in [0, 1]: the restart law.
        size: number of slots, at least 1; the processes of a launcher share them.
        rho: restart probability, in [0, 1].

    Raises:
        ValueError: ``size`` or ``rho`` out of range.
    """

    states: Tensor

    def __init__(
        self, restart: Callable[[int], Tensor], *, size: int = 10_000, rho: float = 0.05
    ) -> None:
        super().__init__()
        if not is_whole(size, 1):
            raise SettingError(
                f"a replay buffer needs at least 1 slot, a whole number below 2^63, got "
                f"size={quoted(size)}"
            )
        if not 0 <= rho <= 1:
            raise SettingError(f"the restart probability must lie in [0, 1], got rho={rho}")
        self.restart, self.rho = restart, rho
        share = processes.mine(size)
        self.register_buffer("states", restart(share.stop - share.start))

    def draw(self, n: int) -> tuple[Float[Tensor, "n c h w"], Int[Tensor, " n"]]:
        """``(x0, slots)``: n states to advance and the slots they came from.

        Raises:
            ValueError: ``n`` exceeds the number of slots.
        """
        slots, fresh = self._slots(n)
        x0 = self.states[slots]
        x0[fresh] = self.restart(int(fresh.sum())).to(x0)
        return x0, slots

    def put(self, slots: Int[Tensor, " n"], x: Float[Tensor, "n c h w"]) -> None:
        """Overwrite ``slots`` by the advanced states ``x``."""
        self.states[slots] = x.detach().to(self.states.dtype)

    def _slots(self, n: int) -> tuple[Tensor, Tensor]:
        """n distinct slots, and whether each is restarted."""
        if n > len(self.states):
            raise ValueError(f"cannot draw {n} states from a buffer of {len(self.states)}")
        device = self.states.device
        slots = torch.randperm(len(self.states), device=device)[:n]
        return slots, torch.rand(n, device=device) < self.rho


class LabelledBuffer(ReplayBuffer):
    """A replay buffer of chains down E(x, y): each state keeps its label until it is restarted.

    It begins with classes at random. ``draw_of`` and ``put_of`` are ``draw`` and ``put`` with
    labels beside the states.

    Args:
        restart: its ``of`` gives fresh states of given labels.
        size, rho: as :class:`ReplayBuffer`.

    Raises:
        ValueError: ``size`` or ``rho`` out of range.
    """

    restart: Restart
    labels: Tensor

    def __init__(self, restart: Restart, *, size: int = 10_000, rho: float = 0.05) -> None:
        super().__init__(restart, size=size, rho=rho)
        labels = torch.randint(restart.classes, (len(self.states),))
        self.register_buffer("labels", labels)
        self.states = restart.of(labels)

    def draw_of(
        self, y: Int[Tensor, " n"]
    ) -> tuple[Float[Tensor, "n c h w"], Int[Tensor, " n"], Int[Tensor, " n"]]:
        """``(x0, labels, slots)``; state i, where it is restarted, is a fresh one of class y[i].

        Raises:
            ValueError: more labels than slots.
        """
        slots, fresh = self._slots(len(y))
        x0, labels = self.states[slots], torch.where(fresh, y.long(), self.labels[slots])
        x0[fresh] = self.restart.of(labels[fresh]).to(x0)
        return x0, labels, slots

    def put_of(
        self, slots: Int[Tensor, " n"], x: Float[Tensor, "n c h w"], labels: Int[Tensor, " n"]
    ) -> None:
        """Overwrite ``slots`` by the advanced states ``x`` of these labels."""
        self.put(slots, x)
        self.labels[slots] = labels
