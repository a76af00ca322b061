"""Metrics: ``(subject) -> {name: value}``, one a file, by file name on the command line.

A file has ``measure(subject, *, ...)``, whose keyword-only arguments become the flags
``--FILE.NAME`` of ``jeat measure``, and mostly the metric as a plain function. Metrics run the net
in eval mode, in fp32, in pieces, on images in [0, 1]. They refuse what is not finite, by a
:class:`NotFiniteError`, and say what makes a figure doubtful, by a :class:`DoubtWarning`. Constants
of the file say the rest:

- ``columns``: a :class:`Column` for each of its figures: heading, note, which direction is better,
  whether it is a share of images, and whether it depends on their number. That is the number of
  test images, or of samples where it needs those; a metric that looks at fewer says at how many, as
  a figure ``..._images``.
- ``needs = ("samples", ...)``: the fields of :class:`Subject` it needs beside test images.
- ``needs_either = ("judge", ...)``: fields or settings of its own, one of which it needs.
- ``expensive = True``: it takes minutes, or is of use to few. ``jeat measure`` runs it, and one
  with needs, only where it is asked for by name.
- ``means_over_images = True``: each figure is a mean over the test images, or the same for any; the
  processes of a launcher then share the images. Without it, one of them measures the whole.
- ``robustness = True``: signs of gradient masking are looked for beside it, at its ``eps``,
  ``norm``.
- ``counted_in = NAME``: the figure that says on how many images it looked, where that is not all;
  of figures ``...@WHICH``, as one a class, that is ``NAME@WHICH``.
- ``radius_of(figure, eps)``: the radius of a figure, where not all are found at the ``eps`` that
  the settings have.
- ``check(settings)``: a function that raises, before hours of training, where the metric could not
  be measured at their end.
"""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any

from jeat._support.checks import DoubtWarning, NotFiniteError
from jeat._support.intervals import Interval, wilson
from jeat._support.plugins import constant_of, known_parts, locate
from jeat._support.plugins import find as _find
from jeat.metrics._column import Column
from jeat.metrics._plane import axis, energy_on_plane, plane
from jeat.metrics._shared import shared
from jeat.metrics._subject import NaNLogitsError, Subject
from jeat.metrics._target import aimed
from jeat.metrics.accuracy import accuracy
from jeat.metrics.auto_attack import auto_attack
from jeat.metrics.bits_per_dimension import bits_per_dimension
from jeat.metrics.calibration import calibration_error
from jeat.metrics.class_accuracy import class_accuracy
from jeat.metrics.corruptions import corruption_accuracy
from jeat.metrics.curvature import curvature, minimum
from jeat.metrics.energies import energies
from jeat.metrics.fisher_score import fisher_score, fisher_terms
from jeat.metrics.flatness import logit_spread, temperature
from jeat.metrics.gradient_masking import gradient_masking, signs_of_masking
from jeat.metrics.hop_skip_jump import hop_skip_jump
from jeat.metrics.image_statistics import image_statistics
from jeat.metrics.judge_accuracy import judge_accuracy
from jeat.metrics.nearest import memorisation, nearest
from jeat.metrics.out_of_distribution import out_of_distribution, outside_of
from jeat.metrics.robust_accuracy import robust_accuracy
from jeat.metrics.robustness_curve import robustness_curve
from jeat.metrics.sample_quality import sample_quality
from jeat.metrics.targeted_success import targeted_success
from jeat.metrics.zero_gradient import zero_gradient

__all__ = [
    "Column", "DoubtWarning", "Metric", "NaNLogitsError", "NotFiniteError", "Subject", "accuracy",
    "aimed", "auto_attack", "axis", "bits_per_dimension", "calibration_error", "check_settings",
    "class_accuracy", "columns_of", "corruption_accuracy", "counts_of", "curvature", "energies",
    "energy_on_plane", "find", "fisher_score", "fisher_terms", "gradient_masking", "hop_skip_jump",
    "image_statistics", "intervals_of", "judge_accuracy", "logit_spread", "means_over_images",
    "memorisation", "minimum", "names", "nearest", "out_of_distribution", "outside_of", "plane",
    "radius_of", "robust_accuracy", "robustness_curve", "sample_quality", "shared",
    "signs_of_masking", "targeted_success", "temperature", "zero_gradient",
]  # fmt: skip

Metric = Callable[[Subject], dict[str, float]]


def names() -> list[str]:
    """The metrics of this package, by file name."""
    return known_parts("metrics")


def find(name: str) -> Callable[..., dict[str, float]]:
    """The ``measure`` of the file ``name``, or ``package.module:function``.

    Raises:
        SettingError: no such metric.
    """
    measure: Callable[..., dict[str, float]] = _find("metrics", name, "metric")
    return measure


def check_settings(name: str, settings: Mapping[str, Any]) -> None:
    """Raise where a metric could not be measured with these settings, as its file's ``check`` says.

    Raises:
        SettingError: no such metric.
        Exception: of its ``check``.
    """
    module = import_module(locate("metrics", name, "metric").module)
    if hasattr(module, "check"):
        module.check(settings)


def radius_of(name: str, figure: str, eps: float) -> float:
    """The radius of a figure of a metric that was measured at ``eps``, by its file's function."""
    module = import_module(locate("metrics", name, "metric").module)
    return float(module.radius_of(figure, eps)) if hasattr(module, "radius_of") else eps


def means_over_images(name: str) -> bool:
    """Whether the file of a metric says that all its figures are means over the test images."""
    return bool(constant_of("metrics", name, "means_over_images"))


def columns_of(name: str) -> Iterator[Column]:
    """The columns that the file of a metric declares.

    Raises:
        SettingError: no such metric.
    """
    module = import_module(locate("metrics", name, "metric").module)
    yield from getattr(module, "columns", ())


def counts_of(name: str, figures: Mapping[str, float], images: int) -> dict[str, int]:
    """On how many images each figure of a metric was found: ``images``, or as many as it says."""
    declared = constant_of("metrics", name, "counted_in")
    which = {k: f"{declared}@{k.partition('@')[2]}" for k in figures}
    said = {k: figures.get(which[k], figures.get(declared, images)) for k in figures}
    return {k: int(n) for k, n in said.items()}


def intervals_of(name: str, figures: Mapping[str, float], images: int) -> dict[str, Interval]:
    """The 95 % intervals (Wilson 1927) of those figures of a metric that are shares of images."""
    shares = [column for column in columns_of(name) if column.share]
    counts = counts_of(name, figures, images)
    return {
        k: wilson(v, counts[k])
        for k, v in figures.items()
        if any(column.takes(k) for column in shares)
    }
