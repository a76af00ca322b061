"""Accuracy class by class, clean and under PGD."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from jeat._support.checks import quoted
from jeat.attacks import AttackLoss, Norm, check_attack, doubt_reach
from jeat.metrics._column import Column
from jeat.metrics._pgd import left_by_pgd
from jeat.metrics._subject import Subject, logits_of, pieces, right
from jeat.nets import autocast, evaluating

__all__ = ["class_accuracy", "measure"]

columns = (
    Column("class_accuracy@*", "of a class", "clean, by its label", "higher", share=True),
    Column("robust_class_accuracy@*", "of a class, PGD", "by its label", "higher", share=True),
)

expensive = True
robustness = True
counted_in = "class_images"


def class_accuracy(
    net: nn.Module,
    x: Float[Tensor, "b c h w"],
    y: Int[Tensor, " b"],
    *,
    classes: Sequence[str] | None = None,
    eps: float = 0.0,
    steps: int = 20,
    step_size: float = 2 / 255,
    norm: Norm = "linf",
    loss: AttackLoss = "ce",
    restarts: int = 1,
) -> dict[str, float]:
    """The share of the images of each class that are right: clean and, with ``eps``, under PGD.

    Weighted by the numbers of images they make up accuracy and ``robust_accuracy``. A class without
    images has no figure. Net in eval mode, fp32.

    Args:
        net, x, y, eps, steps, step_size, norm, loss, restarts: as
            :func:`jeat.metrics.robust_accuracy`. They are checked where ``eps`` is 0, too.
        classes: names, in the order of the logits; without, numbers from 0.

    Returns:
        ``class_accuracy@NAME``, where ``eps`` is above 0 also ``robust_class_accuracy@NAME``, and
        ``class_images@NAME``, of how many images.

    Warns:
        DoubtWarning: the steps together are shorter than eps.

    Raises:
        ValueError: as :func:`jeat.metrics.robust_accuracy`; names that are not as many as the
            logits, or the same.
    """
    check_attack(eps=eps, steps=steps, step_size=step_size, norm=norm, loss=loss)
    parts = pieces(x, y, 500)
    with torch.no_grad(), autocast("fp32", x.device), evaluating(net):
        found = {"class_accuracy": torch.cat([right(net, a, b) for a, b in parts])}
        count = logits_of(net, x[:1], y[:1]).shape[1]
    names = [*map(str, range(count))] if classes is None else [*classes]
    if len(names) != count or len(set(names)) < count:
        raise ValueError(f"{count} logits need {count} different names, got {quoted(names)}")
    if eps:
        found["robust_class_accuracy"] = left_by_pgd(
            net, x, y, eps=eps, steps=steps, step_size=step_size, norm=norm, loss=loss,
            restarts=restarts,
        )  # fmt: skip
        doubt_reach(eps, steps, step_size)
    figures: dict[str, float] = {}
    for k, name in enumerate(names):
        of = y == k
        if n := int(of.sum()):
            figures |= {f"{what}@{name}": int(v[of].sum()) / n for what, v in found.items()}
            figures[f"class_images@{name}"] = float(n)
    return figures


def measure(
    subject: Subject,
    *,
    eps: float = 0.0,
    steps: int = 20,
    step_size: float = 2 / 255,
    norm: Norm = "linf",
    loss: AttackLoss = "ce",
    restarts: int = 1,
) -> dict[str, float]:
    """Accuracy class by class, and at eps above 0 under PGD, too.

    Args:
        eps: radius of the ball, in [0, 1] pixels; 0 is no attack.
        steps: gradient steps.
        step_size: length of a step.
        norm: linf, l1 or l2.
        loss: what the attack climbs, ce or energy.
        restarts: random starts, each on the images that are left.
    """
    return class_accuracy(
        subject.net, subject.x, subject.y, classes=subject.classes, eps=eps, steps=steps,
        step_size=step_size, norm=norm, loss=loss, restarts=restarts,
    )  # fmt: skip


def radius_of(figure: str, eps: float) -> float:
    """The radius at which a figure was found: ``eps``, or 0 where it is clean."""
    return eps if figure.startswith("robust") else 0.0
