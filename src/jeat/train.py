"""The training loop, as an iterator of logs."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from jeat import shards
from jeat.data import Batch, Images, augment, batches
from jeat.nets import in_bf16
from jeat.plan import Optimisation

__all__ = ["Log", "Step", "Training", "prepare", "train"]


@dataclass(frozen=True)
class Log:
    """One finished iteration, of ``total``; ``metrics`` is empty where it is not logged."""

    iteration: int
    total: int
    metrics: dict[str, float]


class Step(nn.Module):
    """A net under its objective: the one module whose forward pass is an iteration's loss."""

    def __init__(self, net: nn.Module, objective: nn.Module) -> None:
        super().__init__()
        self.net, self.objective = net, objective

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        loss, metrics = self.objective(self.net, batch)
        return loss, metrics


@dataclass(frozen=True)
class Training:
    """All that a checkpoint must hold, registered with the accelerator."""

    accelerator: Accelerator
    step: Step
    optimizer: Optimizer
    scheduler: LambdaLR
    ema: AveragedModel | None
    total: int

    @property
    def iteration(self) -> int:
        """Finished iterations."""
        return self.scheduler.last_epoch

    @property
    def net(self) -> nn.Module:
        """The weights to evaluate and keep, averaged where an average is kept."""
        if self.ema is None:
            return self.step.net
        averaged: nn.Module = self.ema.module
        return averaged


def prepare(net: nn.Module, objective: nn.Module, o: Optimisation, *, images: int) -> Training:
    """Put ``net`` and ``objective`` on the device, with optimiser, schedule and average.

    Args:
        net: its parameters are trained.
        objective: ``(net, batch) -> (loss, metrics)``.
        o: how the weights move.
        images: how many there are to train on.

    Raises:
        ValueError: fewer images than a batch; more than one process, which is not supported.
    """
    if shards.world() > 1:  # accelerate counts one process per CPU-only rank of torchrun
        raise ValueError("training runs in one process: start it without a launcher")
    if images < o.batch_size:
        raise ValueError(f"{images} training images do not fill a batch of {o.batch_size}")
    bf16 = in_bf16(o.precision, shards.device())
    AcceleratorState._reset_state()  # else a second run in one process keeps the first's precision
    accelerator = Accelerator(mixed_precision="bf16" if bf16 else "no")
    step = Step(net, objective).to(memory_format=torch.channels_last)
    parameters = [p for p in net.parameters() if p.requires_grad]
    optimizer: Optimizer
    if o.optimizer == "sgd":
        optimizer = SGD(parameters, o.lr, momentum=0.9, nesterov=True, weight_decay=o.weight_decay)
    else:
        optimizer = AdamW(parameters, o.lr, weight_decay=o.weight_decay)
    total = o.iterations(images)
    scheduler = LambdaLR(optimizer, lambda i: rate(i, total, o.schedule, o.warmup))
    step, optimizer = accelerator.prepare(step, optimizer)
    ema = None
    if o.ema is not None:
        average = get_ema_multi_avg_fn(o.ema)
        ema = AveragedModel(net, multi_avg_fn=average, use_buffers=True)
        accelerator.register_for_checkpointing(ema)
    accelerator.register_for_checkpointing(scheduler)
    return Training(accelerator, step, optimizer, scheduler, ema, total)


def rate(iteration: int, total: int, schedule: str, warmup: int) -> float:
    """The learning rate's factor: linear warm-up, then constant, step or cosine."""
    if iteration < warmup:
        return (iteration + 1) / (warmup + 1)
    done = (iteration - warmup) / max(1, total - warmup)
    if schedule == "step":
        return 1.0 if done < 0.5 else 0.1 if done < 0.75 else 0.01
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done))) if schedule == "cosine" else 1.0


def train(
    training: Training,
    images: Images,
    o: Optimisation,
    *,
    evaluate: Callable[[nn.Module], dict[str, float]] | None = None,
    watch: Callable[[nn.Module, Batch], Callable[[], dict[str, float]]] | None = None,
) -> Iterator[Log]:
    """Run the iterations that are left, yielding a :class:`Log` after each.

    Each iteration: a batch, augmented on the device; the objective's loss; one optimiser step;
    one update of the average. The batch order comes from (seed, epoch) and all other randomness
    from torch's global generator, so a checkpoint taken between two logs resumes exactly.

    Args:
        training: of :func:`prepare`, or restored from a checkpoint.
        images: training images on any device.
        o: as given to :func:`prepare`.
        evaluate: figures of the net in eval mode, logged as ``test_*``; its randomness is its own.
        watch: called before every ``o.deltas_every``-th optimiser step, with the net that is
            trained; what it returns is called after the step, and logged.

    Raises:
        FloatingPointError: the loss is not finite.
    """
    images = images.to(training.accelerator.device)
    per_epoch = len(images) // o.batch_size
    training.step.train()
    while training.iteration < training.total:
        epoch, skip = divmod(training.iteration, per_epoch)
        for batch in batches(images, o.batch_size, seed=o.seed, epoch=epoch, skip=skip):
            i = training.iteration + 1
            last = i == training.total
            evaluated = evaluate and (last or (o.evaluate_every and i % o.evaluate_every == 0))
            watched = watch and o.deltas_every and i % o.deltas_every == 0
            logged = bool(evaluated or watched) or last or i % o.log_every == 0
            x = augment(batch.x, pad=o.pad, flip=o.flip)
            x = x.contiguous(memory_format=torch.channels_last)
            batch = replace(batch, x=x, logged=logged)
            changes = watch(training.step.net, batch) if watch and watched else dict
            metrics = iterate(training, batch, o.clip) | changes()
            metrics["epoch"] = i / per_epoch
            if evaluate and evaluated:
                metrics |= {f"test_{k}": v for k, v in aside(evaluate, training.net, o.seed)}
            yield Log(i, training.total, metrics if logged else {})
            if last:
                return


def iterate(training: Training, batch: Batch, clip: float | None) -> dict[str, float]:
    """One optimiser step; the figures of the batch where it is logged."""
    loss, parts = training.step(batch)
    if not torch.isfinite(loss):
        raise FloatingPointError(
            f"the loss became {loss.item()} at iteration {training.iteration + 1}: resume from the "
            "last checkpoint with a lower lr, clip, clamp or more chain steps"
        )
    training.optimizer.zero_grad()
    training.accelerator.backward(loss)
    if clip is not None:
        parts["gradient_norm"] = training.accelerator.clip_grad_norm_(
            training.step.net.parameters(), clip
        )
    lr = training.optimizer.param_groups[0]["lr"]
    training.optimizer.step()
    training.scheduler.step()
    if training.ema is not None:
        training.ema.update_parameters(training.step.net)
    return {k: float(v) for k, v in parts.items()} | {"lr": lr} if batch.logged else {}


def aside(
    evaluate: Callable[[nn.Module], dict[str, float]], net: nn.Module, seed: int
) -> list[tuple[str, float]]:
    """``evaluate(net)`` from a fixed seed, leaving the run's own randomness as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return list(evaluate(net).items())
