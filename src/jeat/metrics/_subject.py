"""What a metric is given."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from jeat._support.checks import SettingError
from jeat._support.passes import logits_of as given_by
from jeat._support.tensors import check_labels, check_pixels

__all__ = ["Subject", "given", "pieces", "spread"]


@dataclass(frozen=True)
class Subject:
    """What is measured: a net, on what.

    Attributes:
        net: the classifier.
        x, y: test images (N, C, H, W) in [0, 1], and their labels.
        samples, sample_labels: images that the net drew, and the classes it was asked for.
        train: training images in [0, 1], which samples are compared with.
        outside: images of none of the classes, in [0, 1].
        judge: another classifier of the same classes, which looks at the samples.
    """

    net: nn.Module
    x: Tensor
    y: Tensor
    samples: Tensor | None = None
    sample_labels: Tensor | None = None
    train: Tensor | None = None
    outside: Tensor | None = None
    judge: nn.Module | None = None


def pieces(x: Tensor, y: Tensor, size: int, *, box: bool = False) -> list[tuple[Tensor, Tensor]]:
    """(x, y) cut into pieces of at most ``size`` images, so that memory does not grow with N.

    Raises:
        ValueError: no image, not as many labels as images, images that are not finite floats, or
            not in [0, 1] where ``box``, labels that are not whole numbers.
    """
    check_labels(y)
    if not isinstance(x, Tensor):
        check_pixels(x)
    if not len(x) or len(x) != len(y):
        raise ValueError(
            f"a metric needs images, and as many labels as images, got {len(x)} and {len(y)}"
        )
    check_pixels(x, box=box)
    return list(zip(torch.split(x, size), torch.split(y, size), strict=True))


class NaNLogitsError(ValueError):
    """The net's logits are NaN, so no accuracy is defined."""


def logits_of(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Logits (B, classes) by which it can be said whether images are classified as ``y``.

    Raises:
        ValueError: what the net gives is no logits, or labels outside of its classes.
        NaNLogitsError: a logit is NaN.
    """
    logits = given_by(net, x)
    check_labels(y, logits)
    if logits.isnan().any():
        raise NaNLogitsError(
            "the net gives logits that are NaN, on which no accuracy can be counted"
        )
    return logits


def right(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Whether each image's (B,) largest logit is that of its label; errors as :func:`logits_of`."""
    return logits_of(net, x, y).argmax(1) == y


def spread(x: Tensor, y: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """At most ``most`` of the images and their labels, spread evenly.

    Raises:
        ValueError: ``most`` below 1, no image, or not as many labels as images.
    """
    if most < 1:
        raise SettingError(f"a metric needs at least 1 image, got images={most}")
    pieces(x, y, 1)
    n = min(most, len(x))
    at = torch.arange(n, device=x.device) * len(x) // n
    return x[at], y[at]


def given(subject: Subject, metric: str, needs: Sequence[str]) -> list[Any]:
    """The fields of a subject that a metric needs.

    Raises:
        ValueError: a field that the subject has not.
    """
    lacking = [field for field in needs if getattr(subject, field) is None]
    if lacking:
        raise ValueError(f"{metric} needs {' and '.join(lacking)}, and the subject has none")
    return [getattr(subject, field) for field in needs]
