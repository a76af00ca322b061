"""The work of a suite in tasks, which several processes may share: each does what no other does."""

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from jeat._support.locks import held
from jeat.figures import grid
from jeat.jobs import image_files, measurement
from jeat.jobs.drawing import Drawing
from jeat.jobs.image_files import load_images
from jeat.jobs.measurement import Measurement
from jeat.runs.fit import fit
from jeat.suites.ended import kept, record_divergence, why_diverged
from jeat.suites.suite import JUDGE, Suite, drawings, measurements, runs
from jeat.training.health import DivergenceError
from jeat.training.plan import Plan

__all__ = ["LOCKS", "Progress", "carried_out"]

LOCKS = ".locks"  # of the tasks that processes share

_PAUSE = 0.5  # seconds until a process looks again whether others are ready
_ROW = 10  # images of each class in the picture beside a drawing


@dataclass(frozen=True)
class Progress:
    """``done`` of ``total`` of a named stage, and what is being done."""

    stage: str
    done: int
    total: int
    note: str = ""


@dataclass(frozen=True)
class Task:
    """Something to be done once; done again, it does nothing.

    Attributes:
        stage: train, draw or measure.
        name: of its folder or file in that of the suite.
        needs: the names of tasks before it.
        carry_out: does it, and tells what it is at.
    """

    stage: str
    name: str
    needs: frozenset[str]
    carry_out: Callable[[], Iterator[str]]


def carried_out(
    suite: Suite,
    out: Path,
    *,
    seeds: int,
    shared: bool = False,
    wanted: Callable[[], bool] = lambda: True,
) -> Iterator[Progress]:
    """Carry out every task, each when those that it needs are done: train, draw, measure.

    A net is drawn from once it is trained, before the next is trained, so that there is something
    to look at.

    Args:
        suite: whose tasks.
        out: its folder.
        seeds: how many.
        shared: other processes do the same, and a task that one is at is left to it.
        wanted: whether to go on, asked at each step.

    Raises:
        OSError: the filesystem knows no locks, and work is shared.
    """
    left = _tasks(suite, out, seeds=seeds)
    total = {stage: sum(t.stage == stage for t in left) for stage in ("train", "draw", "measure")}
    done: dict[str, int] = dict.fromkeys(total, 0)
    passed: set[str] = set()
    while left:
        for task in [t for t in left if t.needs <= passed]:
            lock = out / LOCKS / f"{task.name.replace('/', '-')}.lock"
            with held(lock) if shared else nullcontext(True) as mine:
                if not mine:
                    continue
                for note in task.carry_out():
                    if not wanted():
                        return
                    yield Progress(task.stage, done[task.stage], total[task.stage], note)
            passed.add(task.name)
            left.remove(task)
            done[task.stage] += 1
            if done[task.stage] == total[task.stage]:
                yield Progress(task.stage, done[task.stage], total[task.stage], "done")
            break
        else:
            time.sleep(_PAUSE)


def _tasks(suite: Suite, out: Path, *, seeds: int) -> list[Task]:
    """All there is to do, in the order of one process."""
    gone = kept(suite, out, seeds=seeds)
    every = runs(suite, out, seeds=seeds)
    training = {name: plan for name, plan in every.items() if name not in gone}
    found = []
    drawn = drawings(suite, out, seeds=seeds)
    for name, plan in training.items():
        inits = frozenset(k for k in training if plan.init == str(out / k))
        may = Path(name).name in suite.may_diverge
        found.append(Task("train", name, inits, partial(_train, out, name, plan, may)))
        for file, d in drawn.items():
            if file.parent == out / name:
                found.append(_drawing(out, file, d, frozenset({name})))
    for file, m in measurements(suite, out, seeds=seeds).items():
        run = file.parents[1]
        if str(run.relative_to(out)) in gone:
            continue
        made = {str(f.relative_to(out)) for f in drawn if f.parent == run}
        needs = frozenset({str(run.relative_to(out)), *made, *({JUDGE} & {*training})})
        name = str(file.relative_to(out))
        found.append(Task("measure", name, needs, partial(_measure, name, file, m)))
    return found


def _train(out: Path, name: str, plan: Plan, may_diverge: bool) -> Iterator[str]:
    if may_diverge and why_diverged(out / name):
        return
    try:
        for log in fit(plan, out / name, resume=True):
            yield f"{name}: {log.iteration} of {log.total}"
    except DivergenceError as why:
        if not may_diverge:
            raise
        record_divergence(out / name, why)
        yield f"{name}: {why}"


def _measure(name: str, file: Path, m: Measurement) -> Iterator[str]:
    if why_diverged(file.parents[1]):
        return
    yield name
    measurement.measure_to(file, m)


def _drawing(out: Path, file: Path, d: Drawing, needs: frozenset[str]) -> Task:
    name = str(file.relative_to(out))

    def draw() -> Iterator[str]:
        if why_diverged(file.parent):
            return
        yield name
        image_files.draw_to(file, d)
        picture = file.with_suffix(".png")
        if not picture.exists() or picture.stat().st_mtime < file.stat().st_mtime:
            images, labels, _ = load_images(file)
            rows = [images[labels == k][:_ROW] for k in labels.unique()]
            grid(torch.cat(rows), columns=len(rows[0])).save(picture)
            yield f"{picture} shows images of each class"

    return Task("draw", name, needs, draw)
