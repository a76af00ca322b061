"""Accuracy under PGD over the radius of the ball."""

from collections.abc import Sequence
from itertools import pairwise
from math import inf

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from jeat._support.checks import SettingError, is_whole, quoted
from jeat._support.progress import tell
from jeat.attacks import AttackLoss, Norm, check_ball, doubt_reach
from jeat.metrics._column import Column
from jeat.metrics._pgd import left_by_pgd
from jeat.metrics._subject import Subject, pieces, right
from jeat.nets import Precision, autocast, evaluating

__all__ = ["measure", "robustness_curve"]

columns = (Column("robust_accuracy@*", "PGD at *", "of the settings", "higher", share=True),)

expensive = True
means_over_images = True
robustness = True

_LARGEST = 16 / 255


def robustness_curve(
    net: nn.Module,
    x: Float[Tensor, "b c h w"],
    y: Int[Tensor, " b"],
    *,
    radii: Sequence[float],
    steps: int = 20,
    ratio: float = 0.25,
    norm: Norm = "linf",
    loss: AttackLoss = "ce",
    restarts: int = 1,
    precision: Precision = "fp32",
) -> dict[float, float]:
    """The share of images that are right under PGD at each of several radii.

    An image that falls at one radius has fallen at all larger ones, whose balls hold the attacked
    image, too: only what is left is attacked again. So the curve never rises, whatever the attack's
    luck. Each radius has its own random starts. Net in eval mode.

    Args:
        net, x, y, steps, norm, loss, restarts, precision: as :func:`jeat.metrics.robust_accuracy`.
        radii: of the balls, in pixel units, from small to large; 0 is no attack.
        ratio: length of a step in units of the radius.

    Returns:
        By radius.

    Warns:
        DoubtWarning: the steps together are shorter than a radius.

    Raises:
        ValueError: radii that do not grow, or are none of a ball, a ratio that is not positive;
            else as :func:`jeat.metrics.robust_accuracy`.
    """
    for eps in radii:
        check_ball(eps, norm)
    if not 0 < ratio < inf:
        raise SettingError(f"ratio must be above 0, such as 0.25, and finite, got {quoted(ratio)}")
    if not radii or any(a >= b for a, b in pairwise(radii)):
        raise SettingError(f"a curve needs radii that grow, such as 0 2/255 4/255, got {[*radii]}")
    parts = pieces(x, y, 500)
    with torch.no_grad(), autocast("fp32", x.device), evaluating(net):
        left = torch.cat([right(net, a, b) for a, b in parts])
    curve = {}
    for i, eps in enumerate(radii):
        if eps and left.any():
            left[left.clone()] = left_by_pgd(
                net, x[left], y[left], eps=eps, steps=steps, step_size=ratio * eps, norm=norm,
                loss=loss, restarts=restarts, precision=precision,
            )  # fmt: skip
            tell("curve", i + 1, len(radii), f"{int(left.sum())} of {len(y)} images left")
        curve[eps] = int(left.sum()) / len(y)
    doubt_reach(radii[-1], steps, ratio * radii[-1])
    return curve


def measure(
    subject: Subject,
    *,
    eps: float = _LARGEST,
    points: int = 8,
    steps: int = 20,
    ratio: float = 0.25,
    norm: Norm = "linf",
    loss: AttackLoss = "ce",
    restarts: int = 1,
    precision: Precision = "fp32",
) -> dict[str, float]:
    """Accuracy under PGD at radii from 0 to eps, as ``robust_accuracy@RADIUS``.

    Args:
        eps: the largest radius, in [0, 1] pixels.
        points: radii above 0, evenly spaced.
        steps: gradient steps at each.
        ratio: length of a step in units of the radius.
        norm: linf, l1 or l2.
        loss: what the attack climbs, ce or energy.
        restarts: random starts at each radius, each on the images that are left.
        precision: of the attack's gradients, predictions are in fp32; auto is bf16 where that is
            faster.
    """
    if not is_whole(points, 1, 1000):
        raise SettingError(f"a curve has 1 to 1000 points, a whole number, got {quoted(points)}")
    if norm != "linf" and eps == _LARGEST:
        raise SettingError(f"eps is a radius of linf: give that of {norm}, such as 2 in l2")
    if not eps > 0:
        raise SettingError(f"eps must be above 0, as radii go from 0 to it, got {quoted(eps)}")
    curve = robustness_curve(
        subject.net, subject.x, subject.y, radii=[eps * k / points for k in range(points + 1)],
        steps=steps, ratio=ratio, norm=norm, loss=loss, restarts=restarts, precision=precision,
    )  # fmt: skip
    return {f"robust_accuracy@{radius:.4g}": value for radius, value in curve.items()}


def radius_of(figure: str, eps: float) -> float:
    """The radius at which a figure was found, where the largest is ``eps``."""
    return float(figure.partition("@")[2])
