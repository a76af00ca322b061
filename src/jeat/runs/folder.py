"""The folder of a run: who may write into it, and what is said when it cannot be written."""

import errno
import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from safetensors import SafetensorError

from jeat._support import processes
from jeat._support.checks import plainly
from jeat._support.files import UNSUPPORTED, say_unsupported, system_number
from jeat._support.words import parted
from jeat.data import Data
from jeat.nets import digest
from jeat.nets.places import said_of_sweep, shipped
from jeat.training.flags import leaves
from jeat.training.plan import Plan

__all__ = [
    "BESIDE", "as_now", "check_data", "check_place", "explained_write_errors", "only_writer",
    "read_plan",
]  # fmt: skip

BESIDE = ("draw_every", "track")
"""Settings of an optimisation that change neither weights nor log: a run goes on with others."""

_LOCK = ".lock"
_EPOCHS = "optimisation.epochs"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def read_plan(out: str | Path) -> dict[str, Any]:
    """The plan that a run directory records, as plain values.

    Raises:
        FileNotFoundError: no run there.
        ValueError: an unreadable record.
    """
    file = Path(out) / "run.json"
    if not file.is_file():
        raise FileNotFoundError(_no_run(Path(out)))
    try:
        plan = dict(json.loads(file.read_text())["plan"])
        plan["method"], plan["data"], plan["net"], plan["objective"], plan["optimisation"]["lr"]
        plan = as_now(plan)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(
            f"{file} is damaged ({type(error).__name__}: {error}); begin anew elsewhere"
        ) from error
    return plan


def _no_run(out: Path) -> str:
    """What is there in the place of a run, and what to name."""
    if out.is_file() or (str(out) in shipped() and not out.exists()):
        what = "file" if out.is_file() else "shipped net"
        return f"{out} is a {what}, and no run: name a folder that jeat train wrote"
    if out.parent.name == "checkpoints" and (out.parents[1] / "run.json").is_file():
        return f"{out} is a checkpoint: name its run, {out.parents[1]}"
    return said_of_sweep(out) or f"no run in {out}: it has no run.json"


def as_now(plan: Mapping[str, Any]) -> dict[str, Any]:
    """A recorded plan as it is recorded now: version 0.1.0 wrote a net's settings beside others."""
    short = ("norm", "activation", "std")
    own = {k: v for k, v in plan.items() if k in short}
    others = {k: v for k, v in plan.items() if k not in short}
    return others | {"architecture": own | others.get("architecture", {})}


@plainly()
def check_place(out: Path, plan: Plan, *, resume: bool, longer: bool) -> None:
    """Refuse a folder that holds something else than the run to be resumed.

    Where it goes on for ``longer``, more epochs are no other settings.

    Raises:
        FileExistsError, FileNotFoundError, ValueError: it does.
    """
    if processes.rank():
        return
    if file := next((f for f in (out, *out.parents) if f.is_file()), None):
        raise FileExistsError(f"{file} is a file: choose another folder for the run")
    if not out.exists():
        return
    if not any(_is_begun(f) for f in out.iterdir()):
        return  # empty, or killed before it began
    if not resume:
        on = ", or go on with its run by --resume" if (out / "run.json").is_file() else ""
        raise FileExistsError(f"{out} exists and is not empty: choose another folder{on}")
    if not (out / "run.json").is_file():
        raise FileNotFoundError(f"{_no_run(out)}; begin one in an empty folder, without --resume")
    old, new = read_plan(out), json.loads(json.dumps(asdict(plan)))
    old, new = dict(leaves(old)), dict(leaves(new))
    if old.get("init") and new["init"] and _same_net(old["init"], new["init"]):
        new["init"] = old["init"]
    if longer and new[_EPOCHS] > old.get(_EPOCHS, new[_EPOCHS]):
        new[_EPOCHS] = old[_EPOCHS]
    free = {f"optimisation.{name}" for name in BESIDE}
    kept = [k for k in new if k not in free and not k.startswith("recovery.")]
    named = [k for k in kept if old.get(k, new[k]) != new[k]]
    named += [k for k in old.keys() - new.keys() if k.startswith(("objective.", "architecture."))]
    if changed := [f"{k} {old.get(k)}, now {new.get(k)}" for k in named]:
        fewer = "; epochs can be raised, not lowered" if named == [_EPOCHS] and longer else ""
        raise ValueError(f"{out} was begun with other settings: {'; '.join(changed)}{fewer}")
    if not (out / "checkpoints").is_dir():
        raise FileNotFoundError(
            f"{out / 'checkpoints'} is gone: put it back, or make it anew to begin from the start"
        )


def _is_begun(file: Path) -> bool:
    """False for what a run leaves that was killed before it wrote ``run.json``."""
    if file.name == "checkpoints" and file.is_dir():
        return any(file.iterdir())
    return file.name != _LOCK and ".part" not in file.suffixes


def _same_net(old: str, new: str) -> bool:
    """Whether two places hold one net, as after a copy; an old one that is gone cannot differ."""
    (was, how), (now, how_now) = parted(old), parted(new)
    same = how == how_now and Path(now).exists()
    return not Path(was).exists() or (same and digest(old) == digest(new))


@contextmanager
def only_writer(out: Path) -> Iterator[None]:
    """Inside, no other run writes into ``out``, which is made; a killed one leaves no lock.

    Raises:
        BlockingIOError: another run does.
    """
    if processes.rank():
        yield
        return
    out.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out / _LOCK)
    try:
        with warnings.catch_warnings(record=True, action="always") as soft:
            lock.acquire(blocking=False)
        if soft:  # it is one by the file's being there
            raise NotImplementedError(str(soft[0].message))
    except Timeout as error:
        raise BlockingIOError(
            f"another process trains into {out}: wait for it, or choose another folder"
        ) from error
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in UNSUPPORTED:
            raise
        then = "start no other process that trains into the same folder"
        say_unsupported("flock", out.stat().st_dev, then)
    try:
        yield
    finally:
        lock.release()


@contextmanager
def explained_write_errors(out: Path) -> Iterator[None]:
    """Say what to do where a file could not be written, or another process of the run was lost.

    Raises:
        OSError: with all that in one line.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        number = system_number(error)
        if number is None or (isinstance(error, OSError) and number not in _FULL):
            raise
        remedy = "free some space" if number in _FULL else "let it be written"
        raise OSError(
            f"{out} cannot be written: {error}; what was saved is kept: {remedy}, then go on with "
            "--resume"
        ) from error
    except RuntimeError as error:
        if not processes.is_loss(error):
            raise
        reason = str(error).splitlines()[0].rpartition("] ")[2]
        raise ConnectionError(
            f"another process of this run was lost: start it again with --resume ({reason})"
        ) from error


def check_data(out: Path, data: Data) -> None:
    """Refuse other data than the run in ``out``, if there is one, was begun with.

    Raises:
        ValueError: they are.
    """
    file = out / "run.json"
    if processes.rank() == 0 and file.is_file():
        begun = json.loads(file.read_text()).get("data_sha256")
        if begun not in (None, data.digest()):
            raise ValueError(
                f"the images or labels changed since {out} was begun: begin anew elsewhere"
            )
