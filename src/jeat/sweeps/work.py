"""A sweep carried out: run by run, by one process or several, from wherever it was stopped."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jeat._support.checks import SettingError, quoted
from jeat._support.locks import held
from jeat._support.near import near
from jeat.jobs.comparing import USUAL, compared
from jeat.runs.asked import check_run
from jeat.runs.fit import fit
from jeat.sweeps.study import (
    LOCKS,
    Ended,
    Trial,
    ask,
    check_installed,
    locked,
    opened,
    tell,
    trials,
)
from jeat.sweeps.sweep import PlanOf, Progress, Sweep, place_of
from jeat.training.health import DivergenceError
from jeat.training.loop import Log

if TYPE_CHECKING:
    import optuna

__all__ = ["carried_out", "check_sweep"]

_PAUSE = 0.5  # seconds until a process looks again whether others are ready


@dataclass(frozen=True)
class Task:
    """The run of a trial with its k-th seed, which this process has, and no other."""

    trial: Trial
    k: int


def check_sweep(sweep: Sweep, out: Path, plan_of: PlanOf) -> None:
    """Refuse settings that cannot be carried out before anything is trained.

    Of a search, every combination of values and ends of ranges is looked at, up to a hundred.

    Raises:
        FileNotFoundError, ValueError: as :func:`jeat.fit`; optuna is not installed.
    """
    check_installed()
    for point in sweep.grid[: None if sweep.search is None else 100]:
        check_run(plan_of(point, 0), out / "trials/none", resume=True)


def carried_out(
    sweep: Sweep, out: Path, plan_of: PlanOf, *, wanted: Callable[[], bool] = lambda: True
) -> Iterator[Progress]:
    """Train what is left of a sweep; several processes may do so at once.

    A run is trained by one process; one that was cut short goes on exactly. A run that diverges is
    recorded with its reason, and its trial has failed. Where all that is left is held by others,
    it waits for them.

    ::

        OUT/sweep.db                  trials and how they ended, a study of optuna
        OUT/trials/003/seed0/         a run

    Args:
        sweep: what is tried.
        out: its folder.
        plan_of: settings and the number of a seed to a plan.
        wanted: whether to go on, asked at each iteration.

    Raises:
        SettingError: runs have no such figure as is sought.
        KeyboardInterrupt: stopped; the run that it was at is saved.
    """
    study = opened(out, sweep)
    total = sweep.trials * sweep.seeds
    while True:
        with ExitStack() as mine:
            with locked(out):
                task = _next(study, sweep, out, mine)
                known = trials(study, sweep)
            done = sum(len(trial.ended) for trial in known)
            if task is None:
                if done == total:
                    yield Progress(done, total, "done")
                    return
                yield Progress(done, total, "others are at the rest")
                time.sleep(_PAUSE)
                continue
            ended = known[task.trial.at].ended.get(task.k)
            if ended is None:
                run = place_of(out, task.trial.at, task.k)
                try:
                    for log in fit(plan_of(task.trial.settings, task.k), run, resume=True):
                        _check_figure(sweep, log)
                        if not wanted():
                            return
                        at = f"trial {task.trial.number} seed {task.k}"
                        yield Progress(done, total, f"{at}: {log.iteration} of {log.total}")
                    ended = _reached(sweep, run)
                except DivergenceError as why:
                    ended = Ended(why=str(why))
            with locked(out):
                tell(study, sweep, task.trial, task.k, ended)


def _next(study: "optuna.Study", sweep: Sweep, out: Path, mine: ExitStack) -> Task | None:
    """A run that no other process is at: of a trial that is begun, else of a new one."""

    def free(trial: Trial) -> Task | None:
        for k in range(sweep.seeds):
            if k in trial.ended:
                continue
            lock = held(out / LOCKS / f"{trial.at:03d}-seed{k}.lock")
            if mine.enter_context(lock):
                return Task(trial, k)
        return None

    for trial in trials(study, sweep):
        if task := free(trial):
            return task
    new = ask(study, sweep)
    return None if new is None else free(new)


def _check_figure(sweep: Sweep, log: Log) -> None:
    """Refuse a figure that runs do not have as soon as that is seen."""
    known = {*log.metrics, *USUAL}
    if log.metrics and sweep.figure not in known:
        raise SettingError(
            f"runs have no figure {quoted(sweep.figure)}{near(sweep.figure, known) or ':'} they "
            f"have {', '.join(sorted(known))}; with one of them, what was trained is gone on with"
        )


def _reached(sweep: Sweep, run: Path) -> Ended:
    """How a run that is finished did."""
    value = compared(str(run)).figures.get(sweep.figure, math.nan)
    return Ended(value) if math.isfinite(value) else Ended(why=f"{sweep.figure} is {value}")
