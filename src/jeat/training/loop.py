"""The training loop, as an iterator of logs."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import nn

from jeat._support import processes
from jeat._support.learning import learning
from jeat._support.reprs import briefly
from jeat.data import Batch, Images, augment, batch_at, batches
from jeat.training.health import check_finite
from jeat.training.iteration import Training, iterate, mean_over_processes
from jeat.training.plan import Optimisation

__all__ = ["Log", "train", "with_fixed_seed"]

T = TypeVar("T")


@dataclass(frozen=True)
class Log:
    """One finished iteration of a training.

    Attributes:
        iteration: its number, from 1.
        total: how many there are.
        metrics: figures by name; empty where the iteration is not logged.
        went_back: what was said of each divergence since the last log, a line each.
    """

    iteration: int
    total: int
    metrics: dict[str, float]
    went_back: tuple[str, ...] = ()

    __repr__ = briefly


def train(
    training: Training,
    images: Images,
    *,
    evaluate: Callable[[nn.Module], dict[str, float]] | None = None,
    watch: Callable[[nn.Module, Batch], Callable[[], dict[str, float]]] | None = None,
    held_out: Callable[[nn.Module], tuple[float, int]] | None = None,
    others: Mapping[str, Images] | None = None,
) -> Iterator[Log]:
    """Run the iterations that are left, yielding a :class:`Log` after each.

    Each iteration: a batch, augmented on the device; the objective's loss; one optimiser step;
    one update of the average. The batch order comes from (seed, epoch) and all other randomness
    from torch's global generator, so a checkpoint taken between two logs resumes exactly.

    Args:
        training: of :func:`prepare`, or restored from a checkpoint.
        images: training images on any device.
        evaluate: figures of the net in eval mode, logged as ``test_*``; its randomness is its own.
        watch: called before every ``deltas_every``-th optimiser step, with the net that is
            trained; what it returns is called after the step, and logged.
        held_out: accuracy under attack of the net that is trained, and of how many images: looked
            at every ``limits.check_every`` iterations and before checkpoints.
        others: the images of the objective's further branches, by name.

    Raises:
        DivergenceError: the loss, or a figure of ``evaluate`` or ``held_out``, is not finite, or
            training went beyond its limits.
    """
    o, state = training.o, training.state
    images = images.to(training.accelerator.device)
    others = {k: v.to(training.accelerator.device) for k, v in (others or {}).items()}
    per_epoch = len(images) // o.batch_size
    state.train()
    while (done := training.iteration) < training.total:
        epoch, skip = divmod(done, per_epoch)
        for batch in batches(images, o.batch_size, seed=o.seed, epoch=epoch, skip=skip):
            i = training.iteration + 1
            last = i == training.total
            evaluated = evaluate and (last or _is_due(i, o.evaluate_every))
            watched = watch and _is_due(i, o.deltas_every)
            logged = bool(evaluated or watched) or last or i % o.log_every == 0
            batch = replace(
                _augmented(batch, o, logged=logged),
                others={k: _other(training, k, v, i - 1) for k, v in others.items()},
            )
            with learning():
                changes = watch(state.net, batch) if watch and watched else None
            metrics = iterate(training, batch)
            if changes is not None:  # measured after the update: Eq. 15 compares with before
                changed = mean_over_processes(training, changes())
                check_finite(changed, i)
                metrics |= changed
            metrics["epoch"] = i / per_epoch
            looked = last or _is_due(i, state.health.limits.check_every) or i % o.save_every == 0
            if held_out and looked:
                accuracy, number = with_fixed_seed(held_out, state.net, o.seed)
                accuracy = mean_over_processes(training, {"accuracy": accuracy})["accuracy"]
                state.health.see_attacked(accuracy, number, i)
            if evaluate and evaluated:
                found = with_fixed_seed(evaluate, training.net, o.seed)
                tested = {f"test_{k}": v for k, v in found.items()}
                check_finite(tested, i)
                metrics |= tested
            yield Log(i, training.total, metrics if logged else {})
            if last:
                return


def _is_due(iteration: int, every: int) -> bool:
    return every > 0 and iteration % every == 0


def _augmented(batch: Batch, o: Optimisation, *, logged: bool) -> Batch:
    """This process's share of a batch."""
    here = processes.mine(len(batch.y))
    x = augment(batch.x[here], pad=o.pad, flip=o.flip)
    x = x.contiguous(memory_format=torch.channels_last)
    return Batch(x, batch.y[here], logged=logged)


def _other(training: Training, name: str, images: Images, iteration: int) -> Batch:
    """This process's share of the batch of a branch."""
    objective: Any = training.state.objective
    o, branch = training.o, objective.branches[name]
    size = branch.batch_size or o.batch_size
    batch = batch_at(images, size, iteration=iteration, seed=o.seed, name=name)
    if branch.augment:
        return _augmented(batch, o, logged=True)
    here = processes.mine(len(batch.y))
    return Batch(batch.x[here].contiguous(memory_format=torch.channels_last), batch.y[here])


def with_fixed_seed(evaluate: Callable[[nn.Module], T], net: nn.Module, seed: int) -> T:
    """``evaluate(net)`` from a fixed seed, leaving the run's own randomness as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return evaluate(net)
