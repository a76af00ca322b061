"""A run directory: plan, log, checkpoints; train into one and resume it.

::

    OUT/run.json                       the plan, and what it ran on
    OUT/log.jsonl                      one line a logged iteration
    OUT/checkpoints/00000200/          accelerate's state (weights, optimiser, schedule, average,
                                       random states, replay buffer)
    OUT/checkpoints/00000200/net.safetensors   the net to use, for jeat.load
"""

import json
import os
import platform
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from jeat.buffer import ReplayBuffer
from jeat.checkpoint import load, load_weights, newest, save_net
from jeat.data import Batch, Data, Images, augment
from jeat.metrics import accuracy, robust_accuracy
from jeat.nets import Spec, build
from jeat.objectives import make
from jeat.plan import Optimisation, Plan
from jeat.samplers import ClassGaussian, Start, Uniform
from jeat.sources import load_data
from jeat.train import Log, Training, prepare, train

__all__ = ["fit", "read_plan"]


def read_plan(out: str | Path) -> dict[str, Any]:
    """The plan that a run directory records, as plain values.

    Raises:
        FileNotFoundError: no run there.
        ValueError: an unreadable record.
    """
    file = Path(out) / "run.json"
    if not file.is_file():
        raise FileNotFoundError(f"no run in {out}: it has no run.json")
    try:
        plan: dict[str, Any] = json.loads(file.read_text())["plan"]
    except (json.JSONDecodeError, KeyError) as error:
        raise ValueError(f"{file} is damaged: {error}") from error
    return plan


def fit(plan: Plan, out: str | Path, *, resume: bool = False) -> Iterator[Log]:
    """Train by ``plan`` into the directory ``out``, yielding a log after each iteration.

    Ctrl-C and SIGTERM save a checkpoint, then raise KeyboardInterrupt. With ``resume`` a run that
    was stopped, at whatever moment, goes on from its last checkpoint to the same log and weights
    as if it had not been (on a CPU); where there is none it starts.

    Raises:
        FileExistsError: ``out`` holds something and ``resume`` is false.
        FileNotFoundError, ValueError: a plan that cannot be carried out; nothing is written then.
        FloatingPointError: training diverged; the last checkpoint is kept.
        KeyboardInterrupt: stopped, and saved.
    """
    out, o = Path(out), plan.optimisation
    _check_place(out, plan, resume)
    torch.manual_seed(o.seed)
    data = load_data(plan.data)
    channels, size, _ = data.shape
    spec = Spec(plan.net, channels, size, data.classes, plan.norm, plan.activation, std=plan.std)
    net = build(spec)
    if plan.init is not None:
        load_weights(net, load(plan.init))
    start = start_of(plan.start, data)
    objective = make(plan.method, partial(_restart, start, len(data.classes)), plan.objective)
    _rehearse(net, objective, data.train, o)
    training = prepare(net, objective, o, images=len(data.train))
    _begin(out, plan)
    if checkpoint := newest(out):
        training.accelerator.load_state(str(checkpoint))
    _cut_log(out / "log.jsonl", training.iteration)
    evaluate = partial(_evaluate, test=data.test, images=o.evaluate_images, eps=plan.eps)
    began = time.monotonic()
    with _stop_asked() as stop, (out / "log.jsonl").open("a") as log_file:
        for log in train(training, data.train, o, evaluate=evaluate):
            if log.metrics:
                row = {"iteration": log.iteration} | log.metrics
                row["seconds"] = round(time.monotonic() - began, 3)
                log_file.write(json.dumps(row) + "\n")
                log_file.flush()
            if stop or log.iteration == log.total or log.iteration % o.save_every == 0:
                _save(out, training, start, plan)
            yield log
            if stop:
                raise KeyboardInterrupt


def _rehearse(net: nn.Module, objective: nn.Module, images: Images, o: Optimisation) -> None:
    """Two images through copies, so that settings which cannot work are refused at once."""
    for m in objective.modules():
        if isinstance(m, ReplayBuffer) and len(m.states) < o.batch_size:
            raise ValueError(
                f"a replay buffer of {len(m.states)} cannot fill a batch of {o.batch_size}"
            )
    with torch.random.fork_rng():
        x, y = images.floats(2)
        batch = Batch(augment(x, pad=o.pad, flip=o.flip), y)
        deepcopy(objective)(deepcopy(net), batch)


def start_of(kind: str, data: Data) -> Start:
    """The start of chains that a plan names, fitted to the training images where it needs them."""
    if kind == "uniform":
        return Uniform(data.shape)
    grain = max(2, data.shape[1] // 8)
    while data.shape[1] % grain:
        grain -= 1
    return ClassGaussian.fit(data.train.x, data.train.y, classes=len(data.classes), grain=grain)


def _restart(start: Start, classes: int, n: int) -> Tensor:
    return start(torch.randint(classes, (n,)))


def _evaluate(net: nn.Module, *, test: Images, images: int, eps: float) -> dict[str, float]:
    x, y = test.floats(images)
    device = next(net.parameters()).device
    x, y = x.to(device), y.to(device)
    return {
        "accuracy": accuracy(net, x, y),
        "robust_accuracy": robust_accuracy(net, x, y, eps=eps, step_size=eps / 4),
    }


def _check_place(out: Path, plan: Plan, resume: bool) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not resume:
        raise FileExistsError(f"{out} exists: choose another folder, or resume the run in it")
    old, new = read_plan(out), json.loads(json.dumps(asdict(plan)))
    if changed := [k for k in new if old.get(k) != new[k]]:
        raise ValueError(f"{out} was begun with other settings of: {', '.join(changed)}")


def _begin(out: Path, plan: Plan) -> None:
    if (out / "run.json").exists():
        return
    import jeat

    out.mkdir(parents=True, exist_ok=True)
    record = {
        "plan": asdict(plan),
        "jeat": jeat.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }
    part = out / "run.json.part"
    part.write_text(json.dumps(record, indent=1))
    part.replace(out / "run.json")


def _save(out: Path, training: Training, start: Start, plan: Plan) -> None:
    """Write a checkpoint aside, rename it into place, then drop the older ones."""
    folder = out / "checkpoints"
    folder.mkdir(exist_ok=True)
    final = folder / f"{training.iteration:08d}"
    if final.exists():
        return
    part = final.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    training.accelerator.save_state(str(part))
    about = {"plan": asdict(plan), "iteration": training.iteration}
    save_net(training.net, start, part / "net.safetensors", about=about)
    part.rename(final)
    for old in folder.iterdir():
        if old != final:
            shutil.rmtree(old)


def _cut_log(file: Path, iteration: int) -> None:
    """Drop lines after ``iteration``, and a last line that was cut short by a kill."""
    if not file.exists():
        return
    kept = []
    for line in file.read_text().splitlines():
        try:
            if json.loads(line)["iteration"] <= iteration:
                kept.append(line + "\n")
        except json.JSONDecodeError:
            break
    part = file.with_suffix(".part")
    part.write_text("".join(kept))
    part.replace(file)


@contextmanager
def _stop_asked() -> Iterator[list[int]]:
    """Collects SIGINT and SIGTERM rather than dying of them in the middle of an iteration."""
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    kinds = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(kind, lambda number, _: asked.append(number)) for kind in kinds]
    try:
        yield asked
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)
