"""A run directory: plan, log, checkpoints; train into one and resume it.

::

    OUT/run.json                       the plan, which data, and what it ran on
    OUT/log.jsonl                      one line a logged iteration
    OUT/rollbacks.jsonl                one line each time that it diverged and went back
    OUT/checkpoints/00000200/          the training's state; the last two are kept
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

import torch
from torch import Tensor, nn

from jeat import shards
from jeat._checks import SettingError, check_kind
from jeat._files import expanded, removed, rewritten
from jeat._place import alone, check_data, check_place, written
from jeat._stop import stop_asked
from jeat.buffer import ReplayBuffer
from jeat.checkpoint import checkpoints, load, load_weights, newest, save_net
from jeat.data import Batch, Data, Images, augment
from jeat.deltas import watch
from jeat.evaluation import attacked, evaluate
from jeat.health import DivergenceError
from jeat.nets import Spec, build
from jeat.objectives import complete, make
from jeat.plan import Optimisation, Plan
from jeat.report import provenance
from jeat.rollbacks import changed, drop_stale, roll_back, rollbacks_of
from jeat.samplers import Start, start_of
from jeat.sources import load_data
from jeat.state import holds_net, load_state, save_state, seal
from jeat.step import Training, prepare, together
from jeat.train import Log, train

__all__ = ["fit"]


def fit(plan: Plan, out: str | Path, *, resume: bool = False) -> Iterator[Log]:
    """Train by ``plan`` into the directory ``out``, yielding a log after each iteration.

    The first Ctrl-C or SIGTERM saves a checkpoint, then raises KeyboardInterrupt; a second Ctrl-C
    raises at once. With ``resume`` a run that was stopped, at whatever moment, goes on from its
    last checkpoint to the same log and weights as if it had not been (on a CPU); where there is
    none it starts. A run that diverges goes back to its last good checkpoint with what
    ``plan.recovery`` changes, and says so in ``rollbacks.jsonl``. Torch's global generator is
    seeded by the plan.

    Raises:
        FileExistsError: ``out`` holds something and ``resume`` is false.
        FileNotFoundError, ValueError: a plan that cannot be carried out; nothing is written then.
        BlockingIOError: another process trains into ``out``.
        DivergenceError: training diverged once more than ``plan.recovery.tries`` times; the last
            good checkpoint is kept. It is a FloatingPointError.
        OSError: ``out`` cannot be written, as when the disk is full; what was saved is kept.
        KeyboardInterrupt: stopped, and saved if it has a message.
    """
    check_kind("plan", plan, Plan)
    check_kind("resume", resume, bool)
    if not isinstance(out, str | Path) or not str(out) or "\0" in str(out):
        raise SettingError(f"out must name a folder, got {out!r}")
    out = expanded(out)
    plan = replace(plan, objective=complete(plan.method, plan.objective))
    if plan.init is not None and Path(plan.init).exists():
        plan = replace(plan, init=str(Path(plan.init).resolve()))
    check_place(out, plan, resume)
    data = load_data(plan.data)
    check_data(out, data)
    last = newest(out)
    ended = last is not None and int(last.name) >= plan.optimisation.iterations(len(data.train))
    if last is not None and ended and holds_net(last):
        return
    past = rollbacks_of(out)
    training, start = _ready(changed(plan, past), data, fresh=last is None)
    with stop_asked() as asked, alone(out), written(out):
        check_place(out, plan, resume)  # again: another process may have been faster
        _begin(out, plan, data)
        while True:
            try:
                yield from _sitting(training, start, plan, data, out, asked)
            except DivergenceError as why:
                roll_back(out, plan, why, training.iteration, past, write=shards.rank() == 0)
                training.accelerator.wait_for_everyone()
                past = rollbacks_of(out)
                if _is_asked(training, asked):
                    raise KeyboardInterrupt(f"stopped, after {why}") from why
                training, start = _ready(changed(plan, past), data, fresh=past[-1]["to"] == 0)
            else:
                return


def _ready(plan: Plan, data: Data, *, fresh: bool) -> tuple[Training, Start]:
    """A training at its beginning, after two images have gone through it."""
    o, objective = plan.optimisation, dict(plan.objective)
    torch.manual_seed(o.seed)
    channels, size, _ = data.shape
    spec = Spec(plan.net, channels, size, data.classes, plan.norm, plan.activation, std=plan.std)
    net = build(spec)
    if plan.init is not None and fresh:
        load_weights(net, load(plan.init))
    if shards.world() > 1:  # the same first weights, other chains and attacks
        torch.manual_seed(shards.seed_of(o.seed))
    if "buffer_size" in objective:
        share = shards.mine(objective["buffer_size"])
        objective["buffer_size"] = share.stop - share.start
    start = start_of(plan.start, data)
    made = make(plan.method, partial(_restart, start, len(data.classes)), objective)
    _rehearse(net, made, data.train, o)
    return prepare(net, made, o, images=len(data.train), limits=plan.recovery), start


def _sitting(
    training: Training, start: Start, plan: Plan, data: Data, out: Path, asked: list[int]
) -> Iterator[Log]:
    """Go on from the last checkpoint to the end, or until asked to stop."""
    past = len(rollbacks_of(out))
    if shards.rank() == 0:
        drop_stale(out)
    training.accelerator.wait_for_everyone()
    if (last := newest(out)) is not None:
        load_state(training, last)
    health, o = training.step.health, training.o
    if health.rollbacks != past:  # gone back: other random numbers than those that were saved
        torch.manual_seed(shards.seed_of(o.seed))
        health.rollbacks.fill_(past)
    began = time.monotonic()
    tested = partial(evaluate, test=data.test, images=o.evaluate_images, eps=plan.eps)
    held = partial(attacked, images=data.train, eps=plan.eps)
    looks = hasattr(training.step.objective, "attack") and plan.recovery.check_every
    logs = train(
        training, data.train, evaluate=tested, watch=partial(watch, eps=plan.eps),
        attacked=held if looks else None,
    )  # fmt: skip
    with (out / "log.jsonl").open("a") as lines:
        for log in logs:
            if log.metrics and shards.rank() == 0:
                row = {"iteration": log.iteration} | log.metrics
                row["seconds"] = round(time.monotonic() - began, 3)
                lines.write(json.dumps(row) + "\n")
                lines.flush()
            stop = _is_asked(training, asked)
            due = stop or log.iteration % o.save_every == 0 or log.iteration == log.total
            if due and not health.streak:
                _save(out, training, start, plan, rollbacks=past)
            yield log
            if stop:
                saved = "not saved, as a limit is exceeded," if health.streak else "saved"
                raise KeyboardInterrupt(f"stopped and {saved} at iteration {log.iteration}")


def _is_asked(training: Training, asked: list[int]) -> bool:
    """Whether any of the processes was asked to stop."""
    return together(training, {"asked": float(bool(asked))})["asked"] > 0


def _rehearse(net: nn.Module, objective: nn.Module, images: Images, o: Optimisation) -> None:
    """Two images through copies, so that settings which cannot work are refused at once."""
    for m in objective.modules():
        if isinstance(m, ReplayBuffer) and len(m.states) < o.batch_size // shards.world():
            size = len(m.states) * shards.world()
            raise SettingError(f"a replay buffer of {size} cannot fill a batch of {o.batch_size}")
    with torch.random.fork_rng():
        x, y = images.floats(2)
        batch = Batch(augment(x, pad=o.pad, flip=o.flip), y)
        deepcopy(objective)(deepcopy(net), batch)


def _restart(start: Start, classes: int, n: int) -> Tensor:
    return start(torch.randint(classes, (n,)))


def _begin(out: Path, plan: Plan, data: Data) -> None:
    if shards.rank() or (out / "run.json").exists():
        return
    (out / "checkpoints").mkdir(exist_ok=True)  # before the record: a run that lost it is refused
    record = {"plan": asdict(plan), "data_sha256": data.digest()} | provenance()
    rewritten(out / "run.json", json.dumps(record, indent=1))


def _save(out: Path, training: Training, start: Start, plan: Plan, *, rollbacks: int) -> None:
    """Write a checkpoint aside, rename it into place, then drop all but it and the one before.

    Raises:
        DivergenceError: the weights are not finite; nothing is written.
    """
    nets = (training.step.net, training.net)  # the latter may be an average
    if not all(bool(t.isfinite().all()) for net in nets for t in net.state_dict().values()):
        raise DivergenceError(f"the weights are not finite at iteration {training.iteration}")
    final, wait = out / f"checkpoints/{training.iteration:08d}", training.accelerator
    part, first = final.with_suffix(".part"), shards.rank() == 0
    try:
        if first:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
        wait.wait_for_everyone()
        save_state(training, part)
        wait.wait_for_everyone()
        if first:
            about = {"plan": asdict(plan), "iteration": training.iteration, "rollbacks": rollbacks}
            kept = plan.optimisation.kept
            save_net(training.net, start, part / "net.safetensors", about=about, precision=kept)
            seal(part, (out / "log.jsonl").read_bytes(), rollbacks=rollbacks)
            part.rename(final)
            for old in checkpoints(out)[:-2]:
                removed(old)
        wait.wait_for_everyone()
    except BaseException:
        if first:
            shutil.rmtree(part, ignore_errors=True)
        raise
