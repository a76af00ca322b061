"""An iteration of training: what goes on from one to the next, and the update that one makes."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from jeat._support import processes
from jeat._support.checks import SettingError
from jeat._support.learning import learning
from jeat._support.plugins import name_of
from jeat.data import Batch
from jeat.nets import in_bf16
from jeat.objectives import Loss
from jeat.steps import Gradient, Step, step_of
from jeat.training.followed import PLAIN
from jeat.training.health import Health, check_finite
from jeat.training.plan import Optimisation, Recovery

__all__ = ["State", "Training", "iterate", "mean_over_processes", "prepare", "rate"]

ANY = 1e38  # more than fp32 holds with room to spare
UNLIMITED = Recovery(max_energy=ANY, max_gap=ANY, max_gradient=ANY, max_saturated=1)


class State(nn.Module):
    """A net under its objective, and what else goes on from one iteration to the next.

    The one module whose forward pass is an iteration's loss. Its tensors are what a checkpoint
    holds, beside the optimiser's and the random state.
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
        self.loss_of: Loss | None = None

    def forward(self, batch: Batch, again: bool = False) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch; ``again`` at the points (x_adv, x_neg) of the last call."""
        if not again:
            find: Any = getattr(self.objective, "points", None)
            self.loss_of = find(self.net, batch) if find else partial(self._whole, batch=batch)
        assert self.loss_of is not None
        return self.loss_of(self.net)

    def _whole(self, net: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of an objective that finds its points anew each time."""
        loss, metrics = self.objective(net, batch)
        return loss, metrics


@dataclass(frozen=True)
class Training:
    """What is trained, on its device, and how."""

    accelerator: Accelerator
    state: State
    forward: nn.Module  # the state; of several processes, one that averages its gradients
    optimizer: Optimizer
    step: Step
    o: Optimisation
    total: int

    @property
    def iteration(self) -> int:
        """Finished iterations."""
        return int(self.state.iteration)

    @property
    def net(self) -> nn.Module:
        """The weights to evaluate and keep, averaged where an average is kept."""
        if self.state.average is None:
            return self.state.net
        averaged: nn.Module = self.state.average.module
        return averaged


def prepare(
    net: nn.Module,
    objective: nn.Module,
    o: Optimisation,
    *,
    images: int,
    limits: Recovery = UNLIMITED,
) -> Training:
    """Put ``net`` and ``objective`` on the device, with optimiser, its step, and average.

    The processes of a launcher share each batch: every one has ``o.batch_size`` over their number.

    Args:
        net: its parameters are trained.
        objective: ``(net, batch) -> (loss, metrics)``; its parameters are trained, too.
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
    if o.batch_size % processes.world():
        raise SettingError(
            f"{processes.world()} processes cannot share a batch of {o.batch_size} evenly: choose "
            "a multiple of their number"
        )
    device = processes.device()
    AcceleratorState._reset_state()  # else a second run in one process keeps the first's precision
    accelerator = Accelerator(
        cpu=device.type == "cpu",  # else the ranks of a launcher on CPUs stay apart
        mixed_precision="bf16" if in_bf16(o.precision, device, net) else "no",
    )
    state = State(net, objective, ema=o.ema, limits=limits).to(memory_format=torch.channels_last)
    parameters = [p for p in state.parameters() if p.requires_grad]
    optimizer: Optimizer
    if o.optimizer == "sgd":
        optimizer = SGD(parameters, o.lr, momentum=0.9, nesterov=True, weight_decay=o.weight_decay)
    else:
        optimizer = AdamW(parameters, o.lr, weight_decay=o.weight_decay)
    # each process has its own replay buffer: DDP must not give all of them that of the first
    own = [k for k, _ in state.named_buffers() if k.startswith("objective.")]
    DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(state, own)
    forward: nn.Module = accelerator.prepare(state)
    total = o.iterations(images)
    return Training(accelerator, state, forward, optimizer, step_of(o.step or PLAIN), o, total)


def rate(iteration: int, total: int, schedule: str, warmup: int) -> float:
    """The learning rate's factor: linear warm-up, then constant, step or cosine."""
    if iteration < warmup:
        return (iteration + 1) / (warmup + 1)
    done = (iteration - warmup) / max(1, total - warmup)
    if schedule == "step":
        return 1.0 if done < 0.5 else 0.1 if done < 0.75 else 0.01
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done))) if schedule == "cosine" else 1.0


def iterate(training: Training, batch: Batch) -> dict[str, float]:
    """One update of the weights; the figures of the batch where it is logged.

    Raises:
        DivergenceError: before the update is made.
    """
    o, state = training.o, training.state
    i = training.iteration
    lr = o.lr * rate(i, training.total, o.schedule, o.warmup)
    for group in training.optimizer.param_groups:
        group["lr"] = lr
    figures: object = training.step(_gradient(training, batch), state.net)
    if not isinstance(figures, dict) or "loss" not in figures:
        raise SettingError(
            f"the step {name_of(o.step or PLAIN)} must ask for a gradient and return its figures, "
            f"got {figures}"
        )
    state.health.see(figures, i + 1, last=i + 1 == training.total)
    training.optimizer.step()
    state.iteration += 1
    if state.average is not None:
        state.average.update_parameters(state.net)
    return figures | {"lr": lr} if batch.logged else {}


def _gradient(training: Training, batch: Batch) -> Gradient:
    """What a step asks for gradients: of this batch, each at the points of the first."""
    asked: list[bool] = []
    (group,) = training.optimizer.param_groups

    def gradient() -> dict[str, float]:
        with learning():
            loss, parts = training.forward(batch, again=bool(asked))
        training.optimizer.zero_grad()
        training.accelerator.backward(loss)
        gradients = [p.grad for p in group["params"] if p.grad is not None]
        norm = get_total_norm(gradients)
        if training.o.clip is not None:
            clip_grads_with_norm_(group["params"], training.o.clip, norm)
        parts = parts | {"loss": loss.detach(), "gradient_norm": norm}
        values = torch.stack([v.detach().float() for v in parts.values()]).tolist()
        figures = mean_over_processes(training, dict(zip(parts, values, strict=True)))
        if asked:
            check_finite(figures, training.iteration + 1)
        asked.append(True)
        return figures

    return gradient


def mean_over_processes(training: Training, figures: dict[str, float]) -> dict[str, float]:
    """Means of figures of the same names, one of each process."""
    if training.accelerator.num_processes == 1 or not figures:
        return figures
    values = torch.tensor([*figures.values()], device=training.accelerator.device)
    means = training.accelerator.reduce(values, "mean").tolist()
    return dict(zip(figures, means, strict=True))
