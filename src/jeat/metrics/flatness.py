"""Fisher scores and curvature that do not depend on the scale of the logits.

A net whose logits are multiplied by a constant classifies as before, and its scores change with the
square of it. Here the logits are first brought to one scale: divided by the temperature T that
minimises the negative log-likelihood (Guo et al. 2017), or by their spread.
"""

import warnings
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from jeat._support.checks import DoubtWarning, NotFiniteError
from jeat._support.passes import logits_of as given_by
from jeat._support.tensors import check_labels
from jeat.metrics._column import Column
from jeat.metrics._subject import Subject, checked, given, logits_of, pieces, spread
from jeat.metrics.curvature import curvature, on_random_planes
from jeat.metrics.fisher_score import mean_terms
from jeat.nets import autocast, evaluating

__all__ = ["logit_spread", "measure", "temperature"]

_SCALES = {"temperature": "calibrated", "logit_spread": "unit_spread"}
_KINDS: tuple[tuple[str, str, Literal["lower", ""]], ...] = (
    ("jfs", "JFS", "lower"),
    ("mfs", "MFS", "lower"),
    ("curvature", "curvature", ""),
    ("curvature_absolute", "absolute curvature", ""),
)
columns = (
    Column("temperature", "temperature", "that minimises NLL of training images"),
    Column("logit_spread", "logit spread", "deviation of logits less their mean over classes"),
    *(
        Column(
            f"{name}_{scale}", f"{label}, {scale}".replace("_", " "), f"logits over {by}", better
        )
        for by, scale in _SCALES.items()
        for name, label, better in _KINDS
    ),
)

needs = ("train", "train_labels")
LARGEST = 1e4  # of 1 / T, and of T


class Scaled(nn.Module):
    """Logits of a net times a factor."""

    def __init__(self, net: nn.Module, factor: float) -> None:
        super().__init__()
        self.net, self.factor = net, factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * given_by(self.net, x)


def temperature(logits: Float[Tensor, "b k"], y: Int[Tensor, " b"]) -> float:
    """The T that minimises mean -log softmax(f(x) / T)[y].

    The mean is convex in 1 / T, where its derivative is mean (sum_k p_k f_k - f_y): its root is
    halved in.

    Raises:
        ValueError: labels that do not fit.
        NotFiniteError: none does between 1e-4 and 1e4, as where the net is right at all images, or
            no better than chance.
    """
    check_labels(y, logits)
    f = logits.double()
    f = f - f.gather(1, y.long()[:, None])

    def slope(inverse: float) -> float:
        return float(((inverse * f).softmax(1) * f).sum(1).mean())

    low, high = 1 / LARGEST, LARGEST
    if not slope(low) < 0 < slope(high):
        raise NotFiniteError(
            "no temperature minimises the negative log-likelihood: the net is right at all of the "
            "images, or no better than chance"
        )
    for _ in range(80):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return 1 / high


def logit_spread(logits: Float[Tensor, "b k"]) -> float:
    """Standard deviation, over images and classes, of logits less their mean over classes.

    Raises:
        NotFiniteError: it is 0.
    """
    f = logits.double()
    found = float((f - f.mean(1, keepdim=True)).square().mean().sqrt())
    if not found > 0:
        raise NotFiniteError("the logits of all classes are equal: there is no spread to divide by")
    return found


@torch.no_grad()
def _logits(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    parts = pieces(x, y, 500)
    with autocast("fp32", x.device), evaluating(net):
        return torch.cat([logits_of(net, a, b) for a, b in parts])


def measure(
    subject: Subject,
    *,
    fitted: int = 5000,
    probes: int | None = None,
    radius: float = 2.0,
    points: int = 11,
    images: int = 100,
) -> dict[str, float]:
    """JFS, MFS and curvature with calibrated logits, and with logits of unit spread.

    Their figures at the logits as they are are those of ``fisher_score`` and ``curvature``, whose
    planes are the same. The temperature is that of training images, as test images are those that
    it is measured on. Where none fits, as with a net that is right at all of them, the calibrated
    figures are left out, with a warning.

    Args:
        fitted: largest number of training images of the temperature, spread evenly.
        probes: Hutchinson probes of Fisher scores, as of ``fisher_score``.
        radius, points, images: of the curvature, as of ``curvature``.
    """
    train, labels = given(subject, "flatness", needs)
    few, y = spread(subject.x, subject.y, images)
    E = on_random_planes(subject.net, few, y, radius=radius, points=points)
    bend = curvature(E, radius=radius)
    train, labels = spread(train, labels, fitted)
    found = {"logit_spread": logit_spread(_logits(subject.net, subject.x, subject.y))}
    of_train = _logits(subject.net, train, labels)
    try:
        found["temperature"] = temperature(of_train, labels)
    except NotFiniteError as error:
        warnings.warn(f"calibrated figures are left out: {error}", DoubtWarning, stacklevel=2)
    for name, by in tuple(found.items()):
        scale = _SCALES[name]
        terms, _ = mean_terms(Scaled(subject.net, 1 / by), subject.x, subject.y, probes=probes)
        figures = {name: gradient - trace for name, (gradient, trace) in terms.items()}
        figures |= {"curvature": float(bend.mean()) / by}  # E(x, y) is linear in the logits
        figures |= {"curvature_absolute": float(bend.abs().mean()) / by}
        found |= {f"{name}_{scale}": value for name, value in figures.items()}
    return checked(found, "the logits are too large")
