"""Metrics: ``(subject) -> {name: value}``, one per file, found by file name on the command line.

Each file has the metric as a plain function, and ``measure(subject, *, ...)``, whose keyword-only
arguments become the flags ``--FILE.NAME`` of ``jeat measure``. Metrics run the net in eval mode, in
fp32, in pieces. Adding a metric is one new file here.

A file says ``means_over_images = True`` where each figure is a mean over the test images,
or the same for any images: several processes then share the images. A metric that does not say so,
such as a distance between two sets, is measured whole by one of them. A metric of more than test
images names the fields of :class:`Subject` in ``needs``, and one of minutes has
``expensive = True``: ``jeat measure`` runs these only where they are asked for by name. Where one
that says ``robustness = True`` is measured, ``gradient_masking`` is, too, at its ``eps``, ``norm``.
"""

import pkgutil
from collections.abc import Callable
from importlib import import_module
from typing import Any

from jeat._checks import SettingError
from jeat.metrics._split import split
from jeat.metrics._subject import NaNLogitsError, Subject
from jeat.metrics.accuracy import accuracy
from jeat.metrics.auto_attack import auto_attack
from jeat.metrics.calibration import calibration_error
from jeat.metrics.curvature import curvature, minimum
from jeat.metrics.energies import energies
from jeat.metrics.fisher_score import fisher_score, fisher_terms
from jeat.metrics.gradient_masking import gradient_masking, signs_of_masking
from jeat.metrics.judge_accuracy import judge_accuracy
from jeat.metrics.nearest import memorisation, nearest
from jeat.metrics.out_of_distribution import out_of_distribution, outside_of
from jeat.metrics.robust_accuracy import robust_accuracy
from jeat.metrics.sample_quality import sample_quality
from jeat.metrics.zero_gradient import zero_gradient

__all__ = [
    "Metric", "NaNLogitsError", "Subject", "accuracy", "auto_attack", "calibration_error",
    "curvature", "energies", "find", "fisher_score", "fisher_terms", "gradient_masking",
    "judge_accuracy", "means_over_images", "memorisation", "minimum", "names", "nearest",
    "out_of_distribution", "outside_of", "robust_accuracy", "sample_quality",
    "signs_of_masking", "split", "zero_gradient",
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
        raise SettingError(f"unknown metric {name!r}: metrics are {', '.join(names())}")
    measure: Callable[..., dict[str, Any]] = import_module(f"{__name__}.{name}").measure
    return measure


def means_over_images(name: str) -> bool:
    """Whether the file ``name`` says that all its figures are means over the test images."""
    return bool(getattr(import_module(f"{__name__}.{name}"), "means_over_images", False))
