"""Figures of a net, as ``jeat measure`` finds them: a value that knows its command line."""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from jeat._support import processes
from jeat._support.checks import SettingError, doubts, is_whole, quoted
from jeat._support.files import rewritten
from jeat._support.plugins import constant_of, short_name
from jeat._support.provenance import provenance
from jeat._support.signatures import signature_of
from jeat._support.words import flags
from jeat.data import Data, settled
from jeat.jobs._balls import MASKING, Ball, balls_of, of_several_balls
from jeat.jobs._founding import Found, read, written
from jeat.jobs._samples import RULERS, Drawn, drawn_of, with_samples
from jeat.jobs.inputs import at_another_eps, check_fit, data_of, net_of, seed_all, subject_of
from jeat.jobs.needs import check_metrics, outside_images
from jeat.metrics import Subject, find, means_over_images, shared, signs_of_masking
from jeat.metrics.gradient_masking import measure as measure_masking
from jeat.nets import digest

__all__ = [
    "RULERS", "Measurement", "check_ready", "inputs_of", "measure", "measure_to", "written",
]  # fmt: skip


@dataclass(frozen=True)
class Measurement:
    """What is measured, and on what.

    Attributes:
        net: run directory, checkpoint, shipped name or hub id.
        metrics: files of ``jeat.metrics``, or package.module:function, in order.
        settings: of each metric, by name.
        data: data set; None is the one that the net was trained on.
        number: of test images, spread evenly over the test split.
        seed: of attacks and probes; each metric starts from it.
        samples: file of images that ``jeat sample`` drew, best from the net; a folder or ``.npz``
            of anyone's images; or, of the number and labels of the test images, ``"test"``, these
            themselves, or ``"start"``, the states that its chains start from.
        judge: another net, which looks at the samples.
        outside: the out-of-distribution set: a data set, or a kind of
            :func:`jeat.metrics.outside_of`.
        compared: number of training images, spread evenly, that samples are compared with; None is
            all of them.
    """

    net: str
    metrics: tuple[str, ...]
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    data: str | None = None
    number: int = 1000
    seed: int = 0
    samples: str | None = None
    judge: str | None = None
    outside: str | None = None
    compared: int | None = None

    def command(self) -> str:
        """The command that measures it; settings at their defaults are left out."""
        words = ["jeat", "measure", self.net, *flags("metrics", self.metrics)]
        for f in fields(self)[3:]:
            if getattr(self, f.name) != f.default:
                words += flags(f.name, getattr(self, f.name))
        for metric, settings in self.own_settings().items():
            for name, value in settings.items():
                words += flags(f"{short_name(metric)}.{name}", value)
        return shlex.join(words)

    def what(self) -> str:
        """The command without the names of files: what is measured, of whatever net."""
        file = self.samples if self.samples in RULERS else self.samples and "SAMPLES"
        return replace(self, net="NET", judge=self.judge and "JUDGE", samples=file).command()

    def own_settings(self) -> dict[str, dict[str, Any]]:
        """The settings of the metrics that are measured, where they differ from the defaults."""
        own = {}
        for metric in self.metrics:
            find(metric)
            defaults = {f.name: f.default for f in signature_of("metrics", metric).flags}
            given = defaults | dict(self.settings.get(metric, {}))
            own[metric] = {k: v for k, v in given.items() if k not in defaults or v != defaults[k]}
        return own


def measure(
    m: Measurement,
    *,
    check: bool = True,
    show: Callable[[str, int, int, str], None] = lambda *_: None,
) -> dict[str, Any]:
    """The figures, with all that says how they were found, ready for JSON.

    The processes of a launcher share the work; the first has the figures. ``counts`` says on how
    many images each was found, ``intervals`` how far a share of them is known (Wilson, 95 %),
    ``balls`` in which ball, and ``drawn_by`` which net drew the samples, or what else they are.

    Args:
        m: what to measure.
        check: where a metric of robustness is measured, measure ``gradient_masking`` in its ball,
            too, as ``masking``, unless it is among the metrics.
        show: told ("measuring", done, total, metric) before each metric and at the end.

    Raises:
        ValueError: an unknown metric, one that needs what was not given, or things that do not fit.
        NotFiniteError: a figure that is NaN or infinite; a ValueError.
    """
    check_ready(m)
    inputs, drawn = inputs_of(m)
    subject, data = subject_of(m.net, m.data, m.number, m.seed)
    subject = _complete(subject, data, m, drawn)
    found, masking = Found(subject), Found(subject)
    balls = balls_of(m.metrics, m.settings, check=check)
    with doubts() as said:
        for i, metric in enumerate(m.metrics):
            show("measuring", i, len(m.metrics), metric)
            found.add(metric, _figures(m, metric, subject), balls.get(metric))
        if MASKING in balls and MASKING not in m.metrics:
            masking.add(MASKING, _masking(m, subject, balls[MASKING]), balls[MASKING])
    if drawn is not None and found.of_samples:
        said[:0] = drawn.warned_of(m.net, inputs["net_sha256"])
    said += of_several_balls(balls) + at_another_eps(m.net, subject.net, balls)
    show("measuring", len(m.metrics), len(m.metrics), "done")
    return _protocol(m, subject, None if drawn is None else drawn.command) | {
        "drawn_by": RULERS.get(m.samples or "", drawn and drawn.by),
        "inputs": inputs,
        "figures": found.figures,
        "masking": masking.figures,
        "counts": found.counts | masking.counts,
        "intervals": found.intervals | masking.intervals,
        "of_samples": found.of_samples,
        "balls": found.balls | masking.balls,
        "warnings": [*said, *signs_of_masking(found.figures | masking.figures)],
        "made_with": provenance(),
    }


def _protocol(m: Measurement, subject: Subject, drawing: str | None) -> dict[str, Any]:
    """How it is measured, and on what."""
    return {
        "command": m.command(),
        "net": m.net,
        "data": settled(m.data) if m.data else data_of(subject.net),
        "images": len(subject.y),
        "selection": "spread evenly over the test split",
        "units": "[0, 1] pixels",
        "seed": m.seed,
        "processes": processes.world(),
        "settings": {metric: dict(m.settings.get(metric, {})) for metric in m.metrics},
        "samples": None if subject.samples is None else len(subject.samples),
        "judge": m.judge,
        "outside": m.outside,
        "compared": m.compared,
        "drawing": drawing,
    }


def _figures(m: Measurement, metric: str, subject: Subject) -> dict[str, float]:
    """The figures of one metric, which leaves the images as they are for the next."""
    run, seen = partial(find(metric), **m.settings.get(metric, {})), subject.x._version
    figures = shared(run, subject, seed=m.seed, means=means_over_images(metric))
    if subject.x._version != seen:
        raise SettingError(f"{metric} changes the images that it is given: work on a copy")
    return figures


def check_ready(m: Measurement) -> None:
    """Raise where no net could be measured like this, before work that would be lost.

    Raises:
        ValueError: as :func:`jeat.jobs.needs.check_metrics`.
    """
    check_metrics(m.metrics, m.settings, samples=m.samples, judge=m.judge, outside=m.outside)
    if m.compared is not None and not is_whole(m.compared, 1):
        raise SettingError(
            f"--compared must be at least 1 and below 2^63, got {quoted(m.compared)}"
        )


def _masking(m: Measurement, subject: Subject, ball: Ball) -> dict[str, float]:
    """``gradient_masking`` in a ball."""
    return shared(partial(measure_masking, **ball), subject, seed=m.seed, means=False)


def inputs_of(m: Measurement) -> tuple[dict[str, Any], Drawn | None]:
    """What the figures depend on, wherever the files lie, and the samples, which are read once.

    Raises:
        ValueError: the net that drew the samples as their judge; a file of other samples.
        FileNotFoundError: no such net.
    """
    found: dict[str, Any] = {"what": m.what(), "net_sha256": digest(m.net)}
    if m.judge is not None:
        found["judge_sha256"] = digest(m.judge)
    if m.samples is None or m.samples in RULERS:
        return found, None
    drawn = drawn_of(m.samples, m.net)
    found["samples"] = dict(drawn.inputs)
    if m.judge is not None and found["judge_sha256"] == drawn.inputs.get("net_sha256"):
        raise ValueError("a net is no judge of its own samples: give another --judge")
    return found, drawn


def _complete(subject: Subject, data: Data, m: Measurement, drawn: Drawn | None) -> Subject:
    """The subject with samples, training images, judge and outside, where they are asked for."""
    if m.samples is not None:
        subject = with_samples(subject, m.samples, drawn, m.metrics, m.seed)
    if any("train" in (constant_of("metrics", name, "needs") or ()) for name in m.metrics):
        train, labels = data.train.floats(m.compared)
        subject = replace(subject, train=train.to(subject.x), train_labels=labels.to(subject.y))
    if m.judge is not None:
        judge = net_of(m.judge)
        check_fit(m.judge, judge, data)
        subject = replace(subject, judge=judge)
    if m.outside is not None:
        seed_all(m.seed)
        subject = replace(subject, outside=outside_images(subject, m.outside, m.number))
    return subject


def measure_to(file: Path, m: Measurement) -> dict[str, Any]:
    """What a JSON file holds of it; measured, unless the same of the same files lies there."""
    try:
        kept = read(file.read_text())
        if kept["inputs"] == inputs_of(m)[0]:
            return kept
    except (OSError, ValueError, KeyError, TypeError):
        pass
    rewritten(file, written(found := measure(m, check=False)))
    return found
