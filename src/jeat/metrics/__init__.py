"""Metrics: ``(subject) -> {name: value}``, one per file, found by file name on the command line.

Each file has the metric as a plain function, and ``measure(subject, *, ...)``, whose keyword-only
arguments become the flags ``--FILE.NAME`` of ``jeat measure``. Metrics run the net in eval mode, in
fp32, in pieces. Adding a metric is one new file here.
"""

import pkgutil
from collections.abc import Callable
from importlib import import_module
from typing import Any

from jeat.metrics._subject import Subject
from jeat.metrics.accuracy import accuracy
from jeat.metrics.curvature import curvature, minimum
from jeat.metrics.energies import energies
from jeat.metrics.fisher_score import fisher_score, fisher_terms
from jeat.metrics.robust_accuracy import robust_accuracy

__all__ = [
    "Metric", "Subject", "accuracy", "curvature", "energies", "find", "fisher_score",
    "fisher_terms", "minimum", "names", "robust_accuracy",
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
