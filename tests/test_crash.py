"""A run dies, or its disk fails, at each single change that it makes to the file system."""

import errno
import os
import sys
from contextlib import contextmanager
from dataclasses import replace

import pytest

import jeat
from jeat.nets.places import checkpoints
from jeat.runs.checkpoints import manifest_of
from jeat.runs.fit import fit
from jeat.runs.rollbacks import rollbacks_of
from jeat.training.plan import Recovery

from .test_run import JEAT_PLAN, SHORT, assert_same_run

TINY = replace(SHORT, batch_size=512, epochs=3, log_every=1, save_every=2, evaluate_every=0)
STEADY = replace(JEAT_PLAN, objective=JEAT_PLAN.objective | {"buffer_size": 512}, optimisation=TINY)
WILD = replace(
    STEADY,
    optimisation=replace(TINY, lr=30.0, warmup=4),
    recovery=Recovery(lr=1e-5, patience=1, max_energy=100.0),
)
CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate"}


class KilledError(BaseException):
    """What no clean-up may survive."""


class Disk:
    """Counts changes to the file system, and fails them from the ``first`` on: all, or that one."""

    def __init__(self) -> None:
        self.counting, self.done, self.first, self.error, self.once = False, 0, 0, None, False
        sys.addaudithook(self.see)  # for good: Python takes none away

    def see(self, event: str, arguments: tuple) -> None:
        if not self.counting:
            return
        flags = arguments[2] if event == "open" else 0
        if event not in CHANGES and not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return
        self.done += 1
        if self.first and (self.done == self.first or (self.done > self.first and not self.once)):
            raise self.error

    @contextmanager
    def failing(self, first: int, error: BaseException | None, *, once: bool):
        self.counting, self.done = True, 0
        self.first, self.error, self.once = first, error, once
        try:
            yield
        finally:
            self.counting = False


@pytest.fixture(scope="module")
def disk():
    return Disk()


@pytest.fixture(scope="module", params=[STEADY, WILD], ids=["steady", "wild"])
def whole(request, disk, tmp_path_factory):
    """A plan, its uninterrupted run, and how many changes it made to the file system."""
    out = tmp_path_factory.mktemp("whole") / "run"
    with disk.failing(0, None, once=False):
        run(request.param, out)
    assert len(rollbacks_of(out)) == (request.param is WILD)
    return request.param, out, disk.done


def run(plan, out):
    for _ in fit(plan, out, resume=True):
        pass


@pytest.mark.parametrize("kind", ["killed", pytest.param("full", marks=pytest.mark.slow)])
def test_every_change_to_the_file_system_may_be_the_last(whole, disk, tmp_path, kind):
    """Every one with ``JEAT_EVERY_CRASH`` in the environment, as ``make soak`` sets it."""
    plan, uninterrupted, changes = whole
    assert changes > 20
    for first in range(1, changes + 1, 1 if "JEAT_EVERY_CRASH" in os.environ else 6):
        out = tmp_path / f"{first}"
        error = KilledError() if kind == "killed" else OSError(errno.ENOSPC, "No space left")
        reached = 0
        with disk.failing(first, error, once=kind == "full"):
            try:
                for log in fit(plan, out, resume=True):
                    reached = log.iteration
            except (KilledError, OSError):
                pass
        check_left(out, reached, plan)
        run(plan, out)
        assert_same_run(out, uninterrupted)
        assert rollbacks_of(out) == rollbacks_of(uninterrupted)
        assert not list(out.rglob("*.part*"))
        assert len(checkpoints(out)) <= 2


def check_left(out, reached, plan):
    """What a run left that had finished ``reached`` iterations: an interval is lost at most."""
    found = checkpoints(out)
    for folder in found:
        manifest_of(folder)
        jeat.load(folder)
    if not rollbacks_of(out):
        due = reached - reached % plan.optimisation.save_every
        assert (int(found[-1].name) if found else 0) >= due
