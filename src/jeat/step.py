"""An iteration of training: what it needs, and the one optimiser step that it makes."""

import math
import sys
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from jeat import shards
from jeat._checks import SettingError
from jeat.data import Batch
from jeat.health import Health
from jeat.nets import in_bf16
from jeat.plan import Optimisation, Recovery

__all__ = ["Step", "Training", "iterate", "prepare", "rate", "together"]

ANY = sys.float_info.max
UNLIMITED = Recovery(max_energy=ANY, max_gap=ANY, max_gradient=ANY, max_saturated=ANY)


class Step(nn.Module):
    """A net under its objective, and what else goes on from one iteration to the next.

    The one module whose forward pass is an iteration's loss. Its state is what a checkpoint holds,
    beside the optimiser's and the random state.
    """

    iteration: Tensor

    def __init__(
        self, net: nn.Module, objective: nn.Module, *, ema: float | None, limits: Recovery
    ) -> None:
        super().__init__()
        self.net, self.objective, self.health = net, objective, Health(limits)
        self.average: AveragedModel | None = None
        if ema is not None:
            average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(ema), use_buffers=True)
            self.average = average.requires_grad_(False)
        self.register_buffer("iteration", torch.zeros((), dtype=torch.int64))

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        loss, metrics = self.objective(self.net, batch)
        return loss, metrics


@dataclass(frozen=True)
class Training:
    """What is trained, on its device, and how."""

    accelerator: Accelerator
    step: Step
    forward: nn.Module  # the step; of several processes, one that averages its gradients
    optimizer: Optimizer
    o: Optimisation
    total: int

    @property
    def iteration(self) -> int:
        """Finished iterations."""
        return int(self.step.iteration)

    @property
    def net(self) -> nn.Module:
        """The weights to evaluate and keep, averaged where an average is kept."""
        if self.step.average is None:
            return self.step.net
        averaged: nn.Module = self.step.average.module
        return averaged


def prepare(
    net: nn.Module,
    objective: nn.Module,
    o: Optimisation,
    *,
    images: int,
    limits: Recovery = UNLIMITED,
) -> Training:
    """Put ``net`` and ``objective`` on the device, with optimiser and average.

    The processes of a launcher share each batch: every one has ``o.batch_size`` over their number.

    Args:
        net: its parameters are trained.
        objective: ``(net, batch) -> (loss, metrics)``.
        o: how the weights move.
        images: how many there are to train on.
        limits: what counts as diverged; without, only what is not finite.

    Raises:
        ValueError: fewer images than a batch; a batch that the processes cannot share evenly.
    """
    if images < o.batch_size:
        raise ValueError(
            f"{images} training images do not fill a batch of {o.batch_size}: lower batch_size"
        )
    if o.batch_size % shards.world():
        raise SettingError(
            f"{shards.world()} processes cannot share a batch of {o.batch_size} evenly: choose a "
            "multiple of their number"
        )
    device = shards.device()
    AcceleratorState._reset_state()  # else a second run in one process keeps the first's precision
    accelerator = Accelerator(
        cpu=device.type == "cpu",  # else the ranks of a launcher on CPUs stay apart
        mixed_precision="bf16" if in_bf16(o.precision, device) else "no",
    )
    step = Step(net, objective, ema=o.ema, limits=limits).to(memory_format=torch.channels_last)
    parameters = [p for p in net.parameters() if p.requires_grad]
    optimizer: Optimizer
    if o.optimizer == "sgd":
        optimizer = SGD(parameters, o.lr, momentum=0.9, nesterov=True, weight_decay=o.weight_decay)
    else:
        optimizer = AdamW(parameters, o.lr, weight_decay=o.weight_decay)
    # each process has its own replay buffer: DDP must not give all of them that of the first
    own = [k for k, _ in step.named_buffers() if k.startswith("objective.")]
    DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(step, own)
    forward: nn.Module = accelerator.prepare(step)
    return Training(accelerator, step, forward, optimizer, o, o.iterations(images))


def rate(iteration: int, total: int, schedule: str, warmup: int) -> float:
    """The learning rate's factor: linear warm-up, then constant, step or cosine."""
    if iteration < warmup:
        return (iteration + 1) / (warmup + 1)
    done = (iteration - warmup) / max(1, total - warmup)
    if schedule == "step":
        return 1.0 if done < 0.5 else 0.1 if done < 0.75 else 0.01
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done))) if schedule == "cosine" else 1.0


def iterate(training: Training, batch: Batch) -> dict[str, float]:
    """One optimiser step; the figures of the batch where it is logged.

    Raises:
        DivergenceError: before the step is made.
    """
    o, step = training.o, training.step
    i = training.iteration
    lr = o.lr * rate(i, training.total, o.schedule, o.warmup)
    for group in training.optimizer.param_groups:
        group["lr"] = lr
    loss, parts = training.forward(batch)
    training.optimizer.zero_grad()
    training.accelerator.backward(loss)
    gradients = [p.grad for p in step.net.parameters() if p.grad is not None]
    norm = get_total_norm(gradients)
    if o.clip is not None:
        clip_grads_with_norm_(step.net.parameters(), o.clip, norm)
    parts = parts | {"loss": loss.detach(), "gradient_norm": norm}
    figures = dict(zip(parts, torch.stack([*map(_scalar, parts.values())]).tolist(), strict=True))
    figures = together(training, figures)
    step.health.see(figures, i + 1, last=i + 1 == training.total)
    training.optimizer.step()
    step.iteration += 1
    if step.average is not None:
        step.average.update_parameters(step.net)
    return figures | {"lr": lr} if batch.logged else {}


def _scalar(value: Tensor) -> Tensor:
    return value.detach().float()


def together(training: Training, figures: dict[str, float]) -> dict[str, float]:
    """Their means over the processes, which have figures of the same names."""
    if training.accelerator.num_processes == 1 or not figures:
        return figures
    values = torch.tensor([*figures.values()], device=training.accelerator.device)
    means = training.accelerator.reduce(values, "mean").tolist()
    return dict(zip(figures, means, strict=True))
