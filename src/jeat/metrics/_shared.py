"""One metric, measured by all processes of a launcher."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from numbers import Real

import torch

from jeat._support import processes
from jeat._support.checks import SettingError
from jeat._support.plugins import part_name
from jeat.metrics._subject import Subject

__all__ = ["shared"]

Figures = dict[str, float]


def shared(
    measure: Callable[[Subject], Figures], subject: Subject, *, seed: int, means: bool
) -> Figures:
    """The figures of a subject that every process has whole, in process 0.

    Means over images are measured on each process's slice of ``x, y``, from the process's own
    random stream (:func:`jeat._support.processes.seed_of`), and averaged with the slices' sizes as
    weights. Any other figure is measured by process 0 on all there is, from ``seed``, as one
    process does.

    Args:
        measure: a metric with its settings.
        subject: what is measured.
        seed: of torch's generators.
        means: whether every figure is a mean over the test images.

    Raises:
        SettingError: the metric returns something else than numbers by name.
    """
    if not means:
        torch.manual_seed(seed)
        return _figures(measure, subject) if processes.rank() == 0 else {}
    torch.manual_seed(processes.seed_of(seed))

    def part(at: slice) -> tuple[int, Figures]:
        x, y = subject.x[at], subject.y[at]
        return len(y), _figures(measure, replace(subject, x=x, y=y))

    return _mean(processes.split(len(subject.y), part))


def _figures(measure: Callable[[Subject], Figures], subject: Subject) -> Figures:
    found: object = measure(subject)
    numbers = isinstance(found, dict) and all(isinstance(v, Real) for v in found.values())
    if not isinstance(found, dict) or not numbers or not all(isinstance(k, str) for k in found):
        metric = measure.func if isinstance(measure, partial) else measure
        raise SettingError(
            f"{part_name(metric, 'metrics')} must return {{name: number}}, got {found!r}"
        )
    try:
        return {str(k): float(v) for k, v in found.items()}
    except OverflowError:
        return dict.fromkeys(map(str, found), math.inf)


def _mean(parts: list[tuple[int, Figures]]) -> Figures:
    """sum_r n_r v_r / n, its sum rounded to 12 digits, so that counts of images are whole again."""
    if len(parts) == 1:
        return parts[0][1]
    n = sum(size for size, _ in parts)
    return {k: float(f"{sum(size * v[k] for size, v in parts):.12g}") / n for k in parts[0][1]}
