"""A run directory: plan, log, checkpoints; train into one and resume it.

::

    OUT/run.json                       the plan, and what it ran on
    OUT/log.jsonl                      one line a logged iteration
    OUT/checkpoints/00000200/          accelerate's state (weights, optimiser, schedule, average,
                                       random states, replay buffer)
    OUT/checkpoints/00000200/net.safetensors   the net to use, for jeat.load
"""

import json
import shutil
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from jeat._stop import stop_asked
from jeat.buffer import ReplayBuffer
from jeat.checkpoint import digest, load, load_weights, newest, save_net
from jeat.data import Batch, Images, augment
from jeat.deltas import watch
from jeat.metrics import accuracy, robust_accuracy
from jeat.nets import Spec, build
from jeat.objectives import complete, make
from jeat.plan import Optimisation, Plan
from jeat.report import provenance
from jeat.samplers import Start, start_of
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
        plan = dict(json.loads(file.read_text())["plan"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file} is damaged: {error}") from error
    return plan


def fit(plan: Plan, out: str | Path, *, resume: bool = False) -> Iterator[Log]:
    """Train by ``plan`` into the directory ``out``, yielding a log after each iteration.

    The first Ctrl-C or SIGTERM saves a checkpoint, then raises KeyboardInterrupt; a second Ctrl-C
    raises at once. With ``resume`` a run that was stopped, at whatever moment, goes on from its
    last checkpoint to the same log and weights as if it had not been (on a CPU); where there is
    none it starts. Torch's global generator is seeded by the plan.

    Raises:
        FileExistsError: ``out`` holds something and ``resume`` is false.
        FileNotFoundError, ValueError: a plan that cannot be carried out; nothing is written then.
        FloatingPointError: training diverged; the last checkpoint is kept.
        KeyboardInterrupt: stopped, and saved if it has a message.
    """
    out, o = Path(out), plan.optimisation
    plan = replace(plan, objective=complete(plan.method, plan.objective))
    if plan.init is not None and Path(plan.init).exists():
        plan = replace(plan, init=str(Path(plan.init).resolve()))
    _check_place(out, plan, resume)
    torch.manual_seed(o.seed)
    data = load_data(plan.data)
    last = newest(out)
    if last is not None and int(last.name) >= o.iterations(len(data.train)):
        return
    channels, size, _ = data.shape
    spec = Spec(plan.net, channels, size, data.classes, plan.norm, plan.activation, std=plan.std)
    net = build(spec)
    if plan.init is not None and last is None:
        load_weights(net, load(plan.init))
    start = start_of(plan.start, data)
    objective = make(plan.method, partial(_restart, start, len(data.classes)), plan.objective)
    _rehearse(net, objective, data.train, o)
    evaluate = partial(_evaluate, test=data.test, images=o.evaluate_images, eps=plan.eps)
    training = prepare(net, objective, o, images=len(data.train))
    _begin(out, plan)
    if last is not None:
        training.accelerator.load_state(str(last))
    _cut_log(out / "log.jsonl", training.iteration)
    began = time.monotonic()
    with stop_asked() as stop, (out / "log.jsonl").open("a") as log_file:
        watched = partial(watch, eps=plan.eps)
        for log in train(training, data.train, o, evaluate=evaluate, watch=watched):
            if log.metrics:
                row = {"iteration": log.iteration} | log.metrics
                row["seconds"] = round(time.monotonic() - began, 3)
                log_file.write(json.dumps(row) + "\n")
                log_file.flush()
            if stop or log.iteration == log.total or log.iteration % o.save_every == 0:
                _save(out, training, start, plan)
            yield log
            if stop:
                raise KeyboardInterrupt(f"stopped and saved at iteration {log.iteration}")


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
    if out.is_dir() and {f.name for f in out.iterdir()} <= {"run.json.part"}:
        return  # empty, or killed before it began
    if not out.exists():
        return
    if not resume:
        raise FileExistsError(f"{out} exists: choose another folder, or resume the run in it")
    old, new = read_plan(out), json.loads(json.dumps(asdict(plan)))
    old, new = _leaves(old), _leaves(new)
    if old.get("init") and new["init"] and _same_net(old["init"], new["init"]):
        new["init"] = old["init"]
    if changed := [f"{k} {old.get(k)}, now {new[k]}" for k in new if old.get(k, new[k]) != new[k]]:
        raise ValueError(f"{out} was begun with other settings: {'; '.join(changed)}")


def _same_net(old: str, new: str) -> bool:
    """Whether two places hold one net, as after a copy; an old one that is gone cannot differ."""
    return not Path(old).exists() or (Path(new).exists() and digest(old) == digest(new))


def _leaves(settings: dict[str, Any], above: str = "") -> dict[str, Any]:
    """Nested settings by dotted name."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        nested = isinstance(value, dict)
        flat |= _leaves(value, f"{above}{name}.") if nested else {f"{above}{name}": value}
    return flat


def _begin(out: Path, plan: Plan) -> None:
    if (out / "run.json").exists():
        return
    out.mkdir(parents=True, exist_ok=True)
    record = {"plan": asdict(plan)} | provenance()
    part = out / "run.json.part"
    part.write_text(json.dumps(record, indent=1))
    part.replace(out / "run.json")


def _save(out: Path, training: Training, start: Start, plan: Plan) -> None:
    """Write a checkpoint aside, rename it into place, then drop the older ones.

    Raises:
        FloatingPointError: the weights are not finite; nothing is written.
    """
    if not all(bool(p.isfinite().all()) for p in training.step.net.parameters()):
        raise FloatingPointError(
            f"the weights are not finite at iteration {training.iteration}: resume from the last "
            "checkpoint with a lower lr, clip, clamp or more chain steps"
        )
    folder = out / "checkpoints"
    folder.mkdir(exist_ok=True)
    final = folder / f"{training.iteration:08d}"
    if final.exists():
        return
    part = final.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    training.accelerator.save_state(str(part))
    about = {"plan": asdict(plan), "iteration": training.iteration}
    kept = plan.optimisation.kept
    save_net(training.net, start, part / "net.safetensors", about=about, precision=kept)
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
    if "".join(kept) == file.read_text():
        return
    part = file.with_suffix(".part")
    part.write_text("".join(kept))
    part.replace(file)
