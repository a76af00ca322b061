"""Metrics: ``(subject) -> {name: value}``, one per file, found by file name on the command line.

Each file has the metric as a plain function, and ``measure(subject, *, ...)``, whose keyword-only
arguments become the flags ``--FILE.NAME`` of ``jeat measure``. Metrics run the net in eval mode, in
fp32, in pieces. A metric of more than test images names the fields of :class:`Subject` in a module
constant ``needs``, and one of minutes has ``expensive = True``: ``jeat measure`` runs these only
where they are asked for by name. Adding a metric is one new file here.
"""

import pkgutil
from collections.abc import Callable
from importlib import import_module
from typing import Any

from jeat.metrics._subject import Subject
from jeat.metrics.accuracy import accuracy
from jeat.metrics.auto_attack import auto_attack
from jeat.metrics.calibration import calibration_error
from jeat.metrics.energies import energies
from jeat.metrics.fisher_score import fisher_score, fisher_terms
from jeat.metrics.out_of_distribution import out_of_distribution, outside_of
from jeat.metrics.robust_accuracy import robust_accuracy
from jeat.metrics.zero_gradient import zero_gradient

__all__ = [
    "Metric", "Subject", "accuracy", "auto_attack", "calibration_error", "energies", "find",
    "fisher_score", "fisher_terms", "names", "out_of_distribution", "outside_of",
    "robust_accuracy", "zero_gradient",
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
