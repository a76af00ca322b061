"""What a figure rests on: finite numbers, how many images, and whose samples."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from jeat._support.checks import NotFiniteError, SettingError
from jeat._support.intervals import Interval
from jeat._support.plugins import constant_of
from jeat.jobs._balls import Ball
from jeat.metrics import Subject, counts_of, intervals_of, radius_of

__all__ = ["Found", "read", "written"]


@dataclass
class Found:
    """What metrics found of a subject.

    Attributes:
        subject: what they measured.
        figures: by name.
        counts: on how many images each was found.
        intervals: 95 % intervals of those that are shares of images.
        of_samples: the names of those that are of samples rather than of test images.
        balls: in which ball each was found that has one.
    """

    subject: Subject
    figures: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    intervals: dict[str, Interval] = field(default_factory=dict)
    of_samples: list[str] = field(default_factory=list)
    balls: dict[str, Ball] = field(default_factory=dict)

    def add(self, metric: str, figures: Mapping[str, float], ball: Ball | None = None) -> None:
        """Take in the figures of a metric, and the ball that they are of.

        Raises:
            NotFiniteError: one is NaN or infinite.
            SettingError: a metric before gave another value for one.
        """
        for name, value in figures.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise NotFiniteError(
                    f"{metric} gives {name} {value}, which is no figure: look at the net, or leave "
                    "it out of --metrics"
                )
        if odd := [k for k in figures if figures[k] != self.figures.get(k, figures[k])]:
            raise SettingError(f"{metric} gives {odd[0]} another value than a metric before it")
        images = self.subject.y
        if "samples" in (constant_of("metrics", metric, "needs") or ()):
            self.of_samples += figures
            images = self.subject.samples if self.subject.samples is not None else images
        self.figures |= figures
        self.counts |= counts_of(metric, figures, len(images))
        self.intervals |= intervals_of(metric, figures, len(images))
        if ball:
            radii = {name: radius_of(metric, name, ball["eps"]) for name in figures}
            self.balls |= {name: {**ball, "eps": eps} for name, eps in radii.items() if eps}


def written(record: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> str:
    """JSON, in which there is no NaN and no infinity."""
    return json.dumps(record, indent=1, allow_nan=False) + "\n"


def read(text: str) -> dict[str, Any]:
    """What :func:`written` wrote.

    Raises:
        ValueError: it is something else, or holds NaN or infinity, as earlier versions wrote.
    """
    found: dict[str, Any] = json.loads(text, parse_constant=_refuse)
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"a figure is {constant}")
