"""A run followed by TensorBoard, trackio or W&B, by the trackers of accelerate.

The log of the run is the truth, and what is tracked a copy: what a killed tracker lost is sent
again, and what it has is not sent twice.
"""

import io
import json
import os
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from jeat._support.checks import SettingError, plain
from jeat._support.files import rewritten
from jeat.runs.drawn import pictures_after
from jeat.runs.log import rows
from jeat.training.flags import leaves
from jeat.training.plan import Plan

__all__ = ["Seen", "Send", "check_tracker", "tracked"]

PROJECT = "jeat"
_EXTRAS = ("tensorboard", "trackio")  # of this package


@dataclass(frozen=True)
class Seen:
    """What is sent of an iteration.

    Attributes:
        figures: of the log.
        pictures: by name.
        values: by name, whose histograms are shown.
    """

    figures: Mapping[str, float] = field(default_factory=dict)
    pictures: Mapping[str, Image.Image] = field(default_factory=dict)
    values: Mapping[str, Tensor] = field(default_factory=dict)


Send = Callable[[int, Seen], None]
"""``send(iteration, seen)``."""


@dataclass(frozen=True)
class _Open:
    """A tracker that is open: how it is sent to, the last iteration that it has, its end."""

    send: Send
    has: int
    end: Callable[[], None]


def check_tracker(name: str | None) -> None:
    """Check that the package of a tracker is installed.

    Raises:
        SettingError: it is not.
    """
    if name is not None and find_spec(name) is None:
        package = f"'jeat[{name}]'" if name in _EXTRAS else name
        raise SettingError(
            f"track {name} needs {name}: pip install {package}, or leave it out by --track null"
        )


@contextmanager
def tracked(out: Path, plan: Plan, *, at: int, rollbacks: int) -> Iterator[Send | None]:
    """What follows a run that goes on; None where its plan asks for nothing.

    A tracker that fails is left out from then on, which a warning says: training goes on.

    Args:
        out: folder of the run, whose log is up to ``at``.
        plan: of the run.
        at: the iteration that it goes on from.
        rollbacks: how often it went back: each time a new curve begins, as trackers forget nothing.
    """
    if (name := plan.optimisation.track) is None:
        yield None
        return
    opened: list[_Open] = []

    def safely(what: Callable[[], Any]) -> None:
        try:
            with redirect_stdout(io.StringIO()):  # which is the command's
                what()
        except Exception as error:  # of whatever kind a tracker raises: training is worth more
            opened.clear()
            said = plain(f"{type(error).__name__}: {error}")
            warnings.warn(f"{name} failed, and tracks no more of {out}: {said}", stacklevel=1)

    def send(iteration: int, seen: Seen) -> None:
        for tracker in opened:
            if iteration > tracker.has:
                safely(partial(tracker.send, iteration, seen))

    safely(lambda: opened.append(_opened(name, out, plan, at=at, rollbacks=rollbacks)))
    for iteration, seen in _before(out) if opened else ():
        send(iteration, seen)
    try:
        yield send
    finally:
        for tracker in [*opened]:
            safely(tracker.end)


def _before(out: Path) -> Iterator[tuple[int, Seen]]:
    """What was logged and drawn so far."""
    logged = {int(row["iteration"]): row for row in rows(out)}
    drawn = {int(file.stem): file for file in pictures_after(out, 0)}
    for iteration in sorted(logged.keys() | drawn.keys()):
        row = logged.get(iteration, {})
        figures = {k: float(v) for k, v in row.items() if k not in ("iteration", "seconds")}
        pictures = {"drawn": Image.open(drawn[iteration])} if iteration in drawn else {}
        yield iteration, Seen(figures, pictures)


def _opened(name: str, out: Path, plan: Plan, *, at: int, rollbacks: int) -> _Open:
    """A tracker, opened or gone on with."""
    if name == "tensorboard":
        return _tensorboard(out, at)
    file = out / "tracked.json"
    if not file.exists():
        rewritten(file, json.dumps({"name": f"{out.resolve().name}-{uuid.uuid4().hex[:8]}"}))
    named = json.loads(file.read_text())["name"] + (f"-back{rollbacks}" if rollbacks else "")
    settings = {k: v for k, v in leaves(asdict(plan)) if v is not None}
    return (_trackio if name == "trackio" else _wandb)(named, settings)


def _tensorboard(out: Path, at: int) -> _Open:
    """Events in ``OUT/tensorboard``: of those after ``at`` TensorBoard shows the newest."""
    from accelerate.tracking import TensorBoardTracker

    has = at if (out / "tensorboard").exists() else 0
    tracker = _started(TensorBoardTracker("tensorboard", str(out), purge_step=at + 1))
    writer: Any = tracker.tracker

    def send(iteration: int, seen: Seen) -> None:
        for name, picture in seen.pictures.items():
            writer.add_image(name, np.asarray(picture), iteration, dataformats="HWC")
        for name, values in seen.values.items():
            writer.add_histogram(name, values.float().cpu(), iteration)
        tracker.log(dict(seen.figures), step=iteration)  # and all is written

    return _Open(send, has, tracker.finish)


def _trackio(name: str, settings: dict[str, Any]) -> _Open:
    import trackio
    from accelerate.tracking import TrackioTracker

    tracker = _started(
        TrackioTracker(
            os.environ.get("TRACKIO_PROJECT", PROJECT), name=name, resume="allow", config=settings,
            embed=False, auto_log_cpu=False, auto_log_gpu=False,
        )
    )  # fmt: skip

    def send(iteration: int, seen: Seen) -> None:
        pictures = {k: trackio.Image(np.asarray(v)) for k, v in seen.pictures.items()}
        shapes = {k: trackio.Histogram(v.float().cpu().numpy()) for k, v in seen.values.items()}
        tracker.log({**seen.figures, **pictures, **shapes}, step=iteration)

    return _Open(send, tracker.tracker._next_step - 1, trackio.finish)


def _wandb(name: str, settings: dict[str, Any]) -> _Open:
    import wandb
    from accelerate.tracking import WandBTracker

    tracker = _started(
        WandBTracker(
            os.environ.get("WANDB_PROJECT", PROJECT), id=name, name=name, resume="allow",
            config=settings,
        )
    )  # fmt: skip

    def send(iteration: int, seen: Seen) -> None:
        pictures = {k: wandb.Image(v) for k, v in seen.pictures.items()}
        shapes = {k: wandb.Histogram(v.float().cpu().numpy()) for k, v in seen.values.items()}
        tracker.log({**seen.figures, **pictures, **shapes}, step=iteration)

    return _Open(send, tracker.tracker.step - 1, tracker.finish)


def _started(tracker: Any) -> Any:
    """Older versions of accelerate start a tracker as they make it."""
    if hasattr(tracker, "start"):
        tracker.start()
    return tracker
