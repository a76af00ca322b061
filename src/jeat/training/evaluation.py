"""What is looked at while a net is trained."""

import math

from torch import nn

from jeat._support import processes
from jeat.attacks.balls import Norm
from jeat.data import Images
from jeat.metrics import NaNLogitsError, accuracy, robust_accuracy

__all__ = ["accuracy_under_attack", "evaluate"]

HELD = 128  # training images on which catastrophic overfitting is looked for


def evaluate(
    net: nn.Module, *, test: Images, images: int, eps: float, norm: Norm = "linf"
) -> dict[str, float]:
    """Accuracy, and under PGD-20 of radius ``eps``, on test images that the processes share.

    NaN where the net gives NaN in any of them.
    """
    x, y = test.floats(images)
    device = next(net.parameters()).device

    def part(here: slice) -> tuple[int, float, float]:
        a, b = x[here].to(device), y[here].to(device)
        try:
            attacked = robust_accuracy(net, a, b, eps=eps, step_size=eps / 4, norm=norm)
            right = accuracy(net, a, b), attacked
        except NaNLogitsError:  # to be told to the others, who wait for this part
            right = math.nan, math.nan
        return len(b), *right

    parts = processes.split(len(y), part)
    means = [sum(p[0] * p[k] for p in parts) / len(y) for k in (1, 2)]
    return dict(zip(("accuracy", "robust_accuracy"), means, strict=True))


def accuracy_under_attack(
    net: nn.Module, *, images: Images, eps: float, norm: Norm = "linf"
) -> tuple[float, int]:
    """PGD-10 accuracy, NaN where the net gives NaN, and on how many training images."""
    x, y = (t.to(next(net.parameters()).device) for t in images.floats(HELD))
    try:
        found = robust_accuracy(net, x, y, eps=eps, steps=10, step_size=eps / 4, norm=norm)
        return found, len(y)
    except NaNLogitsError:
        return math.nan, len(y)
