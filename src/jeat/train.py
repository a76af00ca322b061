"""The training loop, as an iterator of logs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn

from jeat import shards
from jeat.data import Batch, Images, augment, batches
from jeat.health import check_finite
from jeat.plan import Optimisation
from jeat.step import Training, iterate, together

__all__ = ["Log", "train"]

T = TypeVar("T")


@dataclass(frozen=True)
class Log:
    """One finished iteration, of ``total``; ``metrics`` is empty where it is not logged."""

    iteration: int
    total: int
    metrics: dict[str, float]


def train(
    training: Training,
    images: Images,
    *,
    evaluate: Callable[[nn.Module], dict[str, float]] | None = None,
    watch: Callable[[nn.Module, Batch], Callable[[], dict[str, float]]] | None = None,
    attacked: Callable[[nn.Module], tuple[float, int]] | None = None,
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
        attacked: accuracy under attack of the net that is trained, and of how many images: looked
            at every ``limits.check_every`` iterations and before checkpoints.

    Raises:
        DivergenceError: the loss, or a figure of ``evaluate`` or ``attacked``, is not finite, or
            training went beyond its limits.
    """
    o, step = training.o, training.step
    images = images.to(training.accelerator.device)
    per_epoch = len(images) // o.batch_size
    step.train()
    while (done := training.iteration) < training.total:
        epoch, skip = divmod(done, per_epoch)
        for batch in batches(images, o.batch_size, seed=o.seed, epoch=epoch, skip=skip):
            i = training.iteration + 1
            last = i == training.total
            evaluated = evaluate and (last or _is_due(i, o.evaluate_every))
            watched = watch and _is_due(i, o.deltas_every)
            logged = bool(evaluated or watched) or last or i % o.log_every == 0
            batch = _augmented(batch, o, logged=logged)
            changes = watch(step.net, batch) if watch and watched else dict
            metrics = iterate(training, batch) | together(training, changes())
            metrics["epoch"] = i / per_epoch
            looked = last or _is_due(i, step.health.limits.check_every) or i % o.save_every == 0
            if attacked and looked:
                accuracy, number = aside(attacked, step.net, o.seed)
                accuracy = together(training, {"accuracy": accuracy})["accuracy"]
                step.health.see_attacked(accuracy, number, i)
            if evaluate and evaluated:
                found = aside(evaluate, training.net, o.seed)
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
    here = shards.mine(len(batch.y))
    x = augment(batch.x[here], pad=o.pad, flip=o.flip)
    x = x.contiguous(memory_format=torch.channels_last)
    return Batch(x, batch.y[here], logged=logged)


def aside(evaluate: Callable[[nn.Module], T], net: nn.Module, seed: int) -> T:
    """``evaluate(net)`` from a fixed seed, leaving the run's own randomness as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return evaluate(net)
