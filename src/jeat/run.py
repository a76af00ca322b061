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
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import torch

from jeat import shards
from jeat._checks import SettingError, check_kind
from jeat._files import expanded, flushed, removed, rewritten
from jeat._place import alone, check_data, check_place, written
from jeat._ready import ready
from jeat._stop import stop_asked
from jeat.checkpoint import checkpoints, newest, save_net
from jeat.data import Data
from jeat.deltas import watch
from jeat.evaluation import attacked, evaluate
from jeat.health import DivergenceError
from jeat.objectives import complete
from jeat.plan import Plan
from jeat.report import provenance
from jeat.rollbacks import changed, drop_stale, roll_back, rollbacks_of
from jeat.samplers import Start
from jeat.sources import load_data
from jeat.state import holds_net, load_state, save_state, seal
from jeat.step import Training, together
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
    training, start = ready(changed(plan, past), data, fresh=last is None)
    with stop_asked() as asked, alone(out), written(out):
        check_place(out, plan, resume)  # again: another process may have been faster
        _begin(out, plan, data)
        training.accelerator.wait_for_everyone()
        now = rollbacks_of(out), newest(out)
        if _any(training, now != (past, last)):
            past, last = now
            training, start = ready(changed(plan, past), data, fresh=last is None)
        while True:
            try:
                yield from _sitting(training, start, plan, data, out, asked)
            except DivergenceError as why:
                roll_back(out, plan, why, training.iteration, past, write=shards.rank() == 0)
                training.accelerator.wait_for_everyone()
                past = rollbacks_of(out)
                if _any(training, bool(asked)):
                    raise KeyboardInterrupt(f"stopped, after {why}") from why
                training, start = ready(changed(plan, past), data, fresh=past[-1]["to"] == 0)
            else:
                return


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
            stop = _any(training, bool(asked))
            due = stop or log.iteration % o.save_every == 0 or log.iteration == log.total
            if due and not health.streak:
                _save(out, training, start, plan, rollbacks=past)
            yield log
            if stop:
                saved = "not saved, as a limit is exceeded," if health.streak else "saved"
                raise KeyboardInterrupt(f"stopped and {saved} at iteration {log.iteration}")


def _any(training: Training, here: bool) -> bool:
    """Whether it is so in any of the processes."""
    return together(training, {"any": float(here)})["any"] > 0


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
    finite = all(bool(t.isfinite().all()) for net in nets for t in net.state_dict().values())
    if _any(training, not finite):
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
            for file in (out / "log.jsonl", *part.iterdir(), part):
                flushed(file)
            part.rename(final)
            flushed(final.parent)
            for old in checkpoints(out)[:-2]:
                removed(old)
        wait.wait_for_everyone()
    except BaseException:
        if shards.world() == 1:  # else others may write there yet; it is swept when it goes on
            shutil.rmtree(part, ignore_errors=True)
        raise
