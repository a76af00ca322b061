"""What a metric is given."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from jeat._support.checks import NotFiniteError, SettingError
from jeat._support.evenly import evenly
from jeat._support.passes import logits_of as given_by
from jeat._support.reprs import briefly
from jeat._support.tensors import check_finite, check_labels, check_pixels
from jeat.energy import Energy, joint_energy, joint_energy_at, marginal_energy

__all__ = [
    "Subject",
    "checked",
    "finite_energy_of",
    "given",
    "logits_of",
    "margin",
    "pieces",
    "right",
    "spread",
]

NaNLogitsError = NotFiniteError  # its name in version 0.1
LOST = "the net's logits are NaN or infinite at {} images: no accuracy and no energy can be found"


@dataclass(frozen=True)
class Subject:
    """What is measured: a net, on what.

    Attributes:
        net: the classifier.
        x, y: test images (N, C, H, W) in [0, 1], and their labels.
        samples, sample_labels: images that the net drew, and the classes it was asked for.
        train, train_labels: training images in [0, 1], which samples are compared with, and their
            labels.
        outside: images of none of the classes, in [0, 1].
        judge: another classifier of the same classes, which looks at the samples.
        classes: their names, in the order of the logits; without, their numbers are their names.
    """

    net: nn.Module
    x: Tensor
    y: Tensor
    samples: Tensor | None = None
    sample_labels: Tensor | None = None
    train: Tensor | None = None
    outside: Tensor | None = None
    judge: nn.Module | None = None
    classes: tuple[str, ...] | None = None
    train_labels: Tensor | None = None

    __repr__ = briefly


def pieces(x: Tensor, y: Tensor, size: int | None = None) -> list[tuple[Tensor, Tensor]]:
    """(x, y) cut into pieces of at most ``size`` images, so that memory does not grow with N;
    without, in one piece.

    Raises:
        ValueError: no image, not as many labels as images, images that are not floats in [0, 1],
            labels that are not whole numbers.
    """
    check_labels(y)
    if not isinstance(x, Tensor):
        check_pixels(x)
    if not len(x) or len(x) != len(y):
        raise ValueError(
            f"a metric needs images, and as many labels as images, got {len(x)} and {len(y)}"
        )
    x = check_pixels(x)
    parts = (torch.split(t, size or len(x)) for t in (x, y))
    return list(zip(*parts, strict=True))


def logits_of(net: nn.Module, x: Tensor, y: Tensor | None = None) -> Tensor:
    """Logits (B, classes) on which a figure can be founded, such as whether they say ``y``.

    Raises:
        ValueError: what the net gives is no logits, or labels outside of its classes.
        NotFiniteError: a logit is NaN or infinite; a ValueError.
    """
    logits = given_by(net, x)
    if y is not None:
        check_labels(y, logits)
    check_finite(logits, LOST)
    return logits


def finite_energy_of(net: nn.Module, y: Tensor | None = None) -> Energy:
    """As :func:`jeat.energy.energy_of`; errors as :func:`logits_of`."""
    if y is None:
        return lambda x: marginal_energy(logits_of(net, x))

    def of_images(x: Tensor) -> Tensor:
        E = joint_energy_at(net, x, y)
        check_finite(E, LOST)
        return E

    return of_images


def margin(logits: Tensor, y: Tensor) -> Tensor:
    """f(x)[y] less the largest other logit, (B,)."""
    others = logits.scatter(1, y.long()[:, None], -torch.inf).amax(1)
    return -joint_energy(logits, y) - others


def right(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Whether each image's (B,) largest logit is that of its label; errors as :func:`logits_of`."""
    return logits_of(net, x, y).argmax(1) == y


def checked(figures: dict[str, float], why: str) -> dict[str, float]:
    """Figures, which are finite.

    Raises:
        NotFiniteError: one is not; a ValueError.
    """
    if wrong := [f"{k} {v}" for k, v in figures.items() if not math.isfinite(v)]:
        raise NotFiniteError(f"figures are not finite ({', '.join(wrong)}): {why}")
    return figures


def spread(x: Tensor, y: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """At most ``most`` of the images and their labels, spread evenly as test images are.

    Raises:
        ValueError: ``most`` below 1, no image, or not as many labels as images.
    """
    if most < 1:
        raise SettingError(f"a metric needs at least 1 image, got images={most}")
    pieces(x, y)
    at = evenly(y, min(most, len(x)))
    return x[at.to(x.device)], y[at]


def given(subject: Subject, metric: str, needs: Sequence[str]) -> list[Any]:
    """The fields of a subject that a metric needs.

    Raises:
        ValueError: a field that the subject has not.
    """
    lacking = [field for field in needs if getattr(subject, field) is None]
    if lacking:
        raise ValueError(f"{metric} needs {' and '.join(lacking)}, and the subject has none")
    return [getattr(subject, field) for field in needs]
