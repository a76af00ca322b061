"""Signs of gradient masking: attacks that should be stronger than others, and are not."""

import math
import warnings
from collections.abc import Mapping
from itertools import count

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from jeat._support.passes import logits_of
from jeat._support.progress import silent, tell
from jeat.attacks import Norm, length
from jeat.energy import loss_of
from jeat.metrics._column import Column
from jeat.metrics._ensemble import left_by_ensemble, square_fits
from jeat.metrics._gradient import zeros_and_faults
from jeat.metrics._pgd import left_by_pgd
from jeat.metrics._subject import Subject, pieces, spread
from jeat.nets import autocast, evaluating

__all__ = ["gradient_masking", "measure", "signs_of_masking"]

_ZERO = "of the cross-entropy, in fp32, or NaN ones"
columns = (
    Column("masking_pgd", "PGD-20", "20 steps, cross-entropy", share=True),
    Column("masking_square", "Square", "200 queries, no gradient", share=True),
    Column(
        "masking_scaled", "PGD-20, one scale", "of logits divided by their own spread", share=True
    ),
    Column("masking_fgsm", "one step", "of eps, from the image", share=True),
    Column("masking_unbounded", "PGD-20, unbounded", "from the image, eps 1", share=True),
    Column(
        "masking_zero_gradient",
        "zero gradients",
        "of the cross-entropy, in fp32, or NaN ones",
        share=True,
    ),
)

expensive = True
counted_in = "masking_images"

_STAGE, _PARTS = "masked gradients", 5  # four runs of PGD, and Square, by far the longest
_ALLOWED, _ERRORS = 0.01, 3
_OTHERS = {
    "square": "Square, which uses no gradient,",
    "scaled": "PGD-20 on logits of one scale",
    "fgsm": "one step",
}


class Scaled(nn.Module):
    """f / (f_(1) - f_(3)), the divisor held constant in gradients: logits of one scale.

    The divisor, the largest logit less the third largest (of two, the second), is that of the
    difference-of-logits ratio (Croce and Hein 2020). Cross-entropy does not saturate then:
    where the label leads, 1 - p_y is at least 1 / (1 + e), whatever the scale of f.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        f = logits_of(self.net, x)
        top = f.detach().topk(min(3, f.shape[1]), 1).values
        gap = top[:, :1] - top[:, -1:]
        return f / gap.where(gap > 0, 1)


class Stalled(nn.Module):
    """f, with 0 for what is not finite in its input gradient: attacks stand still there."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        if x.requires_grad:
            x = x.view_as(x)
            x.register_hook(lambda g: g.nan_to_num(0, 0, 0))
        return logits_of(self.net, x)


def gradient_masking(
    net: nn.Module,
    x: Float[Tensor, "b c h w"],
    y: Int[Tensor, " b"],
    *,
    eps: float = 8 / 255,
    norm: Norm = "linf",
    queries: int = 200,
) -> dict[str, float]:
    """How PGD-20 on cross-entropy compares with what should not be stronger, on the same images.

    Athalye et al. (2018) and Carlini et al. (2019) list the signs of gradients that lead
    an attack astray: a black box beats the white box, one step beats many, and an attack without
    bound does not succeed. Large logits make cross-entropy saturate in fp32 (Carlini and Wagner
    2016; Croce and Hein 2020), which logits of one scale do not. All in fp32, in eval mode; PGD
    takes steps of eps / 4, and none where the gradient is NaN or infinite.

    Args:
        net: takes images in [0, 1], gives logits; it must not be random.
        x, y: images and their labels.
        eps: radius of the ball, in pixel units.
        norm: ``"linf"``, ``"l1"`` or ``"l2"``.
        queries: of Square (Andriushchenko et al. 2020). In l1 and l2, its first stripes do not fit
            images of some sizes, such as 24 x 24: it is left out there.

    Returns:
        ``masking_pgd``: accuracy under PGD-20 from a random start.
        ``masking_square``, ``masking_scaled``, ``masking_fgsm``: under Square, under PGD-20 on
        logits of one scale (:class:`Scaled`), and under one step of eps from the image.
        ``masking_square_only``, ...: share of images which that attack fools and PGD does not.
        ``masking_unbounded``: accuracy under PGD-20 from the image in a ball that holds all images.
        ``masking_zero_gradient``: share of images whose gradient of cross-entropy is exactly zero,
        or NaN or infinite; ``masking_nan_gradient``: NaN or infinite.
        ``masking_images``: how many images.

    Raises:
        ValueError: as :func:`jeat.metrics.auto_attack`, and for ``queries`` below 1; but not for
            gradients that are not finite.
    """
    parts = pieces(x, y, 250)
    done = count()
    whole = float(length(torch.ones_like(x[:1]), norm))

    def left(by: nn.Module, eps: float = eps, steps: int = 20, start: bool = True) -> Tensor:
        tell(_STAGE, next(done), _PARTS)
        step = eps / min(4, steps)
        return left_by_pgd(
            Stalled(by), x, y, eps=eps, steps=steps, step_size=step, norm=norm, random_start=start
        )

    stands, faults = (torch.cat(t) for t in zip(*[_still(net, *p) for p in parts], strict=True))
    found = {
        "pgd": left(net),
        "scaled": left(Scaled(net)),
        "fgsm": left(net, steps=1, start=False),
        "unbounded": left(net, whole, start=False),
        "zero_gradient": stands,
        "nan_gradient": faults,
    }
    tell(_STAGE, next(done), _PARTS)
    if square_fits(x, norm):
        with silent():  # one of several short attacks
            found["square"] = left_by_ensemble(
                net, x, y, eps=eps, norm=norm, attacks=["square"], queries=queries
            )
    else:
        warnings.warn(
            f"Square in {norm} cannot start in images of {x.shape[2]} x {x.shape[3]} pixels: signs "
            "of gradient masking are looked for without it",
            stacklevel=1,
        )
    tell(_STAGE, _PARTS, _PARTS)
    only = {f"{k}_only": found["pgd"] & ~found[k] for k in _OTHERS if k in found}
    shares = {f"masking_{k}": int(v.sum()) / len(y) for k, v in (found | only).items()}
    return shares | {"masking_images": float(len(y))}


def _still(net: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Where an attack on cross-entropy stands still, and where as its gradient is not finite."""
    with autocast("fp32", x.device), evaluating(net):
        zero, fault = zeros_and_faults(loss_of(net, y), x)
    return (zero == 1) | fault, fault


def signs_of_masking(figures: Mapping[str, float]) -> list[str]:
    """What in the figures of :func:`gradient_masking` smells of masked gradients, a line each.

    A share of images counts where it is above 0.01 by more than three standard errors. Those of a
    share p of n images are sqrt(p / n); of how far an attack is ahead of PGD-20, on the same
    images, sqrt((b + c) / n), b and c being the shares that only one of the two fools (McNemar
    1947). Nothing is said of fewer than 10 images, but for gradients that are not finite.

    - Square, PGD-20 on logits of one scale, or one step is ahead of PGD-20;
    - PGD-20 without bound leaves images right;
    - the gradient of cross-entropy is exactly zero;
    - it is NaN or infinite, which is no matter of chance: one image counts.

    Args:
        figures: of a net; none where it has none of these.
    """
    if "masking_images" not in figures:
        return []
    n, pgd = figures["masking_images"], figures["masking_pgd"]

    def counts(share: float, either: float) -> bool:
        return share > _ALLOWED + _ERRORS * math.sqrt(either / n)

    def said(share: float) -> str:
        return f"{round(share * n)}"

    found = []
    for name, what in _OTHERS.items():
        if f"masking_{name}" not in figures:
            continue
        left, only = figures[f"masking_{name}"], figures[f"masking_{name}_only"]
        ahead = pgd - left
        if counts(ahead, max(only, 2 * only - ahead)):  # b + c, as ahead is b - c
            found.append(f"{what} leaves {said(left)} of {n:.0f} images right, PGD-20 {said(pgd)}")
    nan = figures.get("masking_nan_gradient", 0.0)  # measured before there was such a figure
    unbounded, zero = figures["masking_unbounded"], figures["masking_zero_gradient"] - nan
    if counts(unbounded, unbounded):
        found.append(f"PGD-20 without bound leaves {said(unbounded)} of {n:.0f} images right")
    if counts(zero, zero):
        found.append(f"the gradient is exactly zero at {said(zero)} of {n:.0f} images")
    if nan > 0:
        found.append(f"the gradient is NaN or infinite at {said(nan)} of {n:.0f} images")
    return [f"gradients look masked: {sign}" for sign in found]


def measure(
    subject: Subject,
    *,
    eps: float = 8 / 255,
    norm: Norm = "linf",
    queries: int = 200,
    images: int = 200,
) -> dict[str, float]:
    """Accuracies under PGD and under attacks that should not beat it, and zero gradients.

    Args:
        eps: radius of the ball, in [0, 1] pixels.
        norm: linf, l1 or l2.
        queries: of Square, the attack without gradients.
        images: largest number of test images, spread evenly.
    """
    x, y = spread(subject.x, subject.y, images)
    return gradient_masking(subject.net, x, y, eps=eps, norm=norm, queries=queries)
