"""Metrics: ``(subject) -> {name: value}``, one per file, found by file name on the command line.

Each file has the metric as a plain function, and ``measure(subject, *, ...)``, whose keyword-only
arguments become the flags ``--FILE.NAME`` of ``jeat measure``. Metrics run the net in eval mode, in
fp32, in pieces. Adding a metric is one new file here.

A file says ``means_over_images = True`` where each figure is a mean over the test images,
or the same for any images: several processes then share the images. A metric that does not say so,
such as a distance between two sets, is measured whole by one of them. One that takes more than a
net and test images says so, too: ``needs = ("samples", "train")`` names fields of
:class:`Subject`, and ``jeat measure`` leaves it out where it has none of them.
"""

import pkgutil
from collections.abc import Callable
from importlib import import_module
from typing import Any

from jeat.metrics._split import split
from jeat.metrics._subject import Subject
from jeat.metrics.accuracy import accuracy
from jeat.metrics.energies import energies
from jeat.metrics.fisher_score import fisher_score, fisher_terms
from jeat.metrics.judge_accuracy import judge_accuracy
from jeat.metrics.nearest import memorisation, nearest
from jeat.metrics.robust_accuracy import robust_accuracy
from jeat.metrics.sample_quality import sample_quality

__all__ = [
    "Metric", "Subject", "accuracy", "energies", "find", "fisher_score", "fisher_terms",
    "judge_accuracy", "means_over_images", "memorisation", "names", "nearest", "robust_accuracy",
    "sample_quality", "split",
]  # fmt: skip

Metric = Callable[[Subject], dict[str, float]]


def names() -> list[str]:
    """The metrics there are, by file name."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name[0] != "_")


def find(name: str) -> Callable[..., dict[str, float]]:
    """The ``measure`` of the file ``name``.

    Raises:
        ValueError: no such metric.
    """
    if name not in names():
        raise ValueError(f"unknown metric {name!r}: metrics are {', '.join(names())}")
    measure: Callable[..., dict[str, Any]] = import_module(f"{__name__}.{name}").measure
    return measure


def means_over_images(name: str) -> bool:
    """Whether the file ``name`` says that all its figures are means over the test images."""
    return bool(getattr(import_module(f"{__name__}.{name}"), "means_over_images", False))
