"""A run directory: plan, log, checkpoints; train into one and resume it.

::

    OUT/run.json                       the plan, which data, its command, and what it ran on
    OUT/config.yaml                    the plan as flags of jeat train, for --config OUT
    OUT/log.jsonl                      one line a logged iteration
    OUT/rollbacks.jsonl                one line each time that it diverged and went back
    OUT/checkpoints/00000200/          the training's state; the last two are kept
    OUT/checkpoints/00000200/net.safetensors   the net to use, for jeat.load
    OUT/drawn/00000200.png             what it drew then, where the plan has draw_every
"""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from jeat._support import processes
from jeat._support.stop import stop_asked
from jeat.data import load_data
from jeat.data.given import is_named
from jeat.nets.places import newest
from jeat.runs.asked import check_run, with_data
from jeat.runs.beside import looking
from jeat.runs.checkpoints import load_state
from jeat.runs.folder import check_data, check_place, explained_write_errors, only_writer
from jeat.runs.leftovers import drop_leftovers, drop_stale, leftovers
from jeat.runs.record import note
from jeat.runs.rollbacks import roll_back
from jeat.runs.run import Run
from jeat.runs.save import any_process, save
from jeat.training.begin import Begun
from jeat.training.deltas import watch
from jeat.training.evaluation import accuracy_under_attack, evaluate
from jeat.training.given import given, with_net
from jeat.training.health import DivergenceError
from jeat.training.loop import Log, train
from jeat.training.plan import Plan
from jeat.training.unsaved import check_unsaved

__all__ = ["fit"]


def fit(
    plan: Plan,
    out: str | Path,
    *,
    net: nn.Module | None = None,
    data: object = None,
    resume: bool = False,
    longer: bool = False,
) -> Iterator[Log]:
    """Train by ``plan`` into the directory ``out``, yielding a log after each iteration.

    With ``data``, anything that :func:`jeat.load_data` takes, those are trained on in place of
    ``plan.data``. Where they are no name, the record holds their digest alone: they are given again
    to resume, and to measure.

    The first Ctrl-C or SIGTERM saves a checkpoint, then raises KeyboardInterrupt; a second Ctrl-C
    raises at once. With ``resume`` a run that was stopped, at whatever moment, goes on from its
    last checkpoint to the same log and weights as if it had not been (on a CPU); where there is
    none it starts. A run that diverges goes back to its last good checkpoint with what
    ``plan.recovery`` changes, and says so in ``rollbacks.jsonl`` and in the next log. Torch's
    global generator is seeded by the plan.

    With ``longer``, a finished run goes on by a plan of more epochs, at the learning rates of the
    schedule of all of them; ``run.json`` notes it. ``draw_every`` and ``track`` change no weight:
    a run may go on with others.

    Args:
        plan: what to train, on what, and how.
        out: folder of the run.
        net: a module to train in the place of the plan's net, of :func:`jeat.wrap` or bare; a bare
            one takes images in [0, 1]. It is trained where it is; ``jeat.load(out, net=MODULE)``
            gives the net that was kept, an average where the plan keeps one.
        resume: whether a run in ``out`` goes on.
        longer: whether it may do so by a plan of more epochs, if it is finished.

    Raises:
        FileExistsError: ``out`` holds something and ``resume`` is false.
        FileNotFoundError, ValueError: a plan that cannot be carried out; nothing is written then.
        BlockingIOError: another process trains into ``out``.
        DivergenceError: training diverged once more than ``plan.recovery.tries`` times; the last
            good checkpoint is kept. It is a FloatingPointError.
        OSError: ``out`` cannot be written, as when the disk is full; what was saved is kept.
        KeyboardInterrupt: stopped, and saved if it has a message.
    """
    plan, out = check_run(with_net(with_data(plan, data), net), out, resume=resume, longer=longer)
    held = None if net is None else given(net)
    images = load_data(plan.data if data is None else data)
    check_data(out, images)
    run = Run(out, plan, images, [], newest(out), held)
    run.check_epochs()
    if run.is_finished():
        if leftovers(out) and processes.rank() == 0:
            with suppress(OSError), only_writer(out):  # a finished run may be read only
                drop_leftovers(out)
        return
    run = run.read_again()
    begun = run.begin(fresh=run.newest is None)
    with stop_asked() as asked, only_writer(out), explained_write_errors(out):
        # again: another process may have been faster
        check_place(out, plan, resume=resume, longer=longer)
        _note(run, begun)
        begun.training.accelerator.wait_for_everyone()
        now = run.read_again()
        if any_process(begun.training, (now.past, now.newest) != (run.past, run.newest)):
            run, begun = now, now.begin(fresh=now.newest is None)
        told = len(run.past)
        while True:
            try:
                for log in _train_on(run, begun, asked):
                    yield replace(log, went_back=tuple(map(str, run.past[told:])))
                    told = len(run.past)
            except DivergenceError as why:
                i, first = begun.training.iteration, processes.rank() == 0
                roll_back(out, plan, why, i, run.past, write=first)
                begun.training.accelerator.wait_for_everyone()
                run = run.read_again()
                if any_process(begun.training, bool(asked)):
                    raise KeyboardInterrupt(f"stopped, after {why}") from why
                begun = run.begin(fresh=run.past[-1].to == 0)
            else:
                if any_process(begun.training, bool(asked)):
                    raise KeyboardInterrupt("stopped, and finished")
                return


def _train_on(run: Run, begun: Begun, asked: list[int]) -> Iterator[Log]:
    """Go on from the last checkpoint to the end, or until asked to stop."""
    training, plan, out = begun.training, run.plan, run.out
    if processes.rank() == 0:
        drop_stale(out)
    training.accelerator.wait_for_everyone()
    if (last := newest(out)) is not None:
        load_state(training, last)
    health, o = training.state.health, training.o
    if health.rollbacks != len(run.past):  # gone back: other random numbers than those saved
        torch.manual_seed(processes.seed_of(o.seed))
        health.rollbacks.fill_(len(run.past))
    began = time.monotonic()
    with (
        looking(out, plan, begun, run.data, rollbacks=len(run.past)) as look,
        (out / "log.jsonl").open("a") as lines,
    ):
        for log in _logs(run, begun):
            if log.metrics and processes.rank() == 0:
                row = {"iteration": log.iteration} | log.metrics
                row["seconds"] = round(time.monotonic() - began, 3)
                lines.write(json.dumps(row) + "\n")
                lines.flush()
            look(log)
            stop = any_process(training, bool(asked))
            due = stop or log.iteration % o.save_every == 0 or log.iteration == log.total
            if due and not health.streak:
                check_unsaved(training.state.objective, begun.unsaved)
                save(out, training, begun.start, plan, rollbacks=len(run.past))
            yield log
            if stop:
                saved = "not saved, as a limit is exceeded," if health.streak else "saved"
                raise KeyboardInterrupt(f"stopped and {saved} at iteration {log.iteration}")


def _logs(run: Run, begun: Begun) -> Iterator[Log]:
    """The iterations that are left, with what is looked at meanwhile."""
    plan, data, o = run.plan, run.data, begun.training.o
    attacks = getattr(begun.training.state.objective, "attack", None) is not None
    return train(
        begun.training,
        data.train,
        evaluate=partial(
            evaluate, test=data.test, images=o.evaluate_images, eps=plan.eps, norm=plan.eps_norm
        ),
        watch=partial(watch, eps=plan.eps, norm=plan.eps_norm),
        held_out=partial(accuracy_under_attack, images=data.train, eps=plan.eps, norm=plan.eps_norm)
        if attacks and plan.recovery.check_every
        else None,
        others=begun.others,
    )


def _note(run: Run, begun: Begun) -> None:
    """What the run is, in its folder."""
    if processes.rank() == 0:
        bf16 = begun.training.accelerator.mixed_precision == "bf16"
        made = {"data_sha256": run.data.digest(), "precision": "bf16" if bf16 else "fp32"}
        named = run.net is None and not is_named(run.plan.data)
        at = 0 if run.newest is None else int(run.newest.name)
        note(run.out, run.plan, made, at=at, named=named)
