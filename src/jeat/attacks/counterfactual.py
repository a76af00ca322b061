"""Counterfactuals: the smallest walk in l2 after which a net says another class."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from jeat._support.checks import MOST_STEPS, SettingError, is_whole, quoted
from jeat._support.passes import logits_of
from jeat._support.progress import tell
from jeat._support.reprs import briefly
from jeat._support.tensors import check_finite, check_labels, check_pixels, full
from jeat.attacks.balls import length
from jeat.attacks.pgd import pgd
from jeat.energy import joint_energy

__all__ = ["Counterfactual", "counterfactual"]

FIRST = 0.25  # radius of the first ball
SHARE = 2.5  # of the radius, over the number of steps: a step of PGD, as Madry et al. take it
NO_LOGITS = "the net's logits are NaN or infinite at {} images: they have no class"


@dataclass(frozen=True)
class Counterfactual:
    """Images of other classes, near to given ones.

    Attributes:
        x: the images (B, C, H, W), in [0, 1].
        radius: of the smallest ball that was tried and in which the class was reached, (B,).
        missed: of the largest ball that was tried and in which it was not, (B,); 0 where there is
            none.
        length: of the walk, the l2 distance from the given image, (B,); at most ``radius``.
    """

    x: Float[Tensor, "b c h w"]
    radius: Float[Tensor, " b"]
    missed: Float[Tensor, " b"]
    length: Float[Tensor, " b"]

    __repr__ = briefly


def counterfactual(
    net: nn.Module,
    x: Float[Tensor, "b c h w"],
    y: Int[Tensor, " b"],
    *,
    confidence: float = 0.0,
    steps: int = 20,
    tolerance: float = 0.02,
    classes: Sequence[str] | None = None,
) -> Counterfactual:
    r"""The smallest changes in l2 after which the net says ``y``.

    A class is reached where it is the likeliest and :math:`p(y|x)` is at least ``confidence``. The
    search takes one image after the other. It runs targeted PGD in l2 balls around the image, whose
    radius is doubled until the class is reached, then bisected until the smallest ball that reaches
    it and the largest that does not differ by ``tolerance``. PGD starts at the image, takes
    ``steps`` steps of 2.5 radius / steps, and descends the log odds

    .. math:: -\log \frac{p(y|x)}{1 - p(y|x)} = E(x, y) + \log \sum_{k \ne y} \exp -E(x, k),

    or for confidence 0 the margin :math:`E(x, y) - \min_{k \ne y} E(x, k)`. Neither saturates as
    cross-entropy does. It is a search: a smaller walk may exist. The net runs in the mode it is in.

    Args:
        net: takes images in [0, 1], gives logits.
        x: images in [0, 1].
        y: a class an image, which it is to become; an image that is of it stays as it is.
        confidence: least p(y|x), in [0, 1); 0 asks only that the class is the likeliest.
        steps: of PGD in each ball.
        tolerance: of the radius, as a share of it, in (0, 1).
        classes: names of all classes, for errors; without, their numbers are their names.

    Raises:
        ValueError: images outside of [0, 1], classes that do not fit, settings out of range, a
            class that no ball reaches, logits or gradients that are NaN or infinite.
    """
    if not 0 <= confidence < 1:
        raise SettingError(f"confidence must lie in [0, 1), got {quoted(confidence)}")
    if not 0 < tolerance < 1:
        raise SettingError(f"tolerance must lie in (0, 1), got {quoted(tolerance)}")
    if not is_whole(steps, 1, MOST_STEPS):
        raise SettingError(f"a walk takes at least 1 step and at most 1e9, got {quoted(steps)}")
    x = check_pixels(x)
    check_labels(y)
    if len(x) != len(y):
        raise ValueError(f"{len(x)} images but {len(y)} classes")
    there = reached(net, x, y, confidence).tolist()
    names = {k: classes[k] if classes else f"class {k}" for k in y.tolist()}
    search = partial(
        _nearest, net, confidence=confidence, steps=steps, tolerance=tolerance, names=names
    )
    found = [
        (x[[i]], 0.0, 0.0) if there[i] else search(x[[i]], y[[i]], place=(i, len(x)))
        for i in range(len(x))
    ]
    tell("counterfactuals", len(x), len(x))
    images, radius, missed = zip(*found, strict=True)
    x_cf = torch.cat(images)
    return Counterfactual(
        x_cf, torch.tensor(radius).to(x), torch.tensor(missed).to(x), length(x_cf - x, "l2")
    )


def _nearest(
    net: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    confidence: float,
    steps: int,
    tolerance: float,
    names: Mapping[int, str],
    place: tuple[int, int],
) -> tuple[Tensor, float, float]:
    """The image in the smallest ball that reaches ``y``, its radius, and the one below."""
    with torch.no_grad():
        other = _others(logits_of(net, x), y).argmax(1)
    missed, radius, r, found = 0.0, math.inf, FIRST, x
    while r < math.sqrt(x.numel()) * 2:  # beyond, a ball holds all images
        tell("counterfactuals", *place, f"radius {r:.3g}")
        x_r = pgd(
            net, x, other, eps=r, steps=steps, step_size=SHARE * r / steps, norm="l2",
            loss=log_odds if confidence else margin, random_start=False, target=y,
        )  # fmt: skip
        if bool(reached(net, x_r, y, confidence)):
            radius, found = r, x_r
        else:
            missed = r
        if radius - missed <= tolerance * radius < math.inf:
            return found, radius, missed
        r = 2 * missed if math.isinf(radius) else (missed + radius) / 2
    likely = f" with confidence {confidence:g}" if confidence else ""
    raise ValueError(
        f"no image was found to which the net gives {names[int(y)]}{likely}: name another class"
        + ", or a lower confidence" * bool(confidence)
    )


def log_odds(logits: Float[Tensor, "b c"], y: Int[Tensor, " b"]) -> Float[Tensor, " b"]:
    """-log(p(y|x) / (1 - p(y|x))), by logits."""
    return _others(logits, y).logsumexp(1) + joint_energy(logits, y)


def margin(logits: Float[Tensor, "b c"], y: Int[Tensor, " b"]) -> Float[Tensor, " b"]:
    """E(x, y) - min E(x, k) over other classes: below 0 where ``y`` is the likeliest."""
    return _others(logits, y).amax(1) + joint_energy(logits, y)


@torch.no_grad()
def reached(net: nn.Module, x: Tensor, y: Tensor, confidence: float) -> Tensor:
    """Which images the net gives their class ``y``, with that confidence."""
    logits = full(logits_of(net, x))
    check_finite(logits, NO_LOGITS)
    check_labels(y, logits)
    p = logits.softmax(1).gather(1, y.long()[:, None]).squeeze(1)
    return (logits.argmax(1) == y) & (p >= confidence)


def _others(logits: Tensor, y: Tensor) -> Tensor:
    """Logits of other classes, and -inf in place of that of ``y``."""
    at = y.long()[:, None].clone()  # autograd keeps it, and keeps none that inference mode made
    return full(logits).scatter(1, at, -math.inf)
