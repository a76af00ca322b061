"""How often PGD leads images to a class that is named beforehand."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from jeat.attacks import AttackLoss, Norm, doubt_reach, pgd
from jeat.metrics._column import Column
from jeat.metrics._subject import Subject, pieces, right
from jeat.metrics._target import aimed
from jeat.nets import autocast, evaluating

__all__ = ["measure", "targeted_success"]

columns = (Column("targeted_success", "as the target", "under targeted PGD", "lower", share=True),)

expensive = True
robustness = True
counted_in = "targeted_images"


def targeted_success(
    net: nn.Module,
    x: Float[Tensor, "b c h w"],
    y: Int[Tensor, " b"],
    *,
    target: str = "least-likely",
    classes: Sequence[str] | None = None,
    eps: float = 8 / 255,
    steps: int = 20,
    step_size: float = 2 / 255,
    norm: Norm = "linf",
    loss: AttackLoss = "ce",
) -> dict[str, float]:
    """The share of images that targeted PGD leads to its target, of those not of that class.

    An image counts where an iterate, the random start among them, is classified as the target: it
    then leaves the attack. Net in eval mode, fp32.

    Args:
        net, x, y, eps, steps, step_size, norm, loss: as :func:`jeat.attacks.pgd`.
        target: ``"least-likely"``, ``"next"`` or a class, as :func:`jeat.metrics.aimed` takes it.
        classes: names; without, numbers from 0.

    Returns:
        ``targeted_success``: that share; ``targeted_images``: of how many images.

    Raises:
        ValueError: as :func:`jeat.attacks.pgd` and :func:`jeat.metrics.aimed`.
    """
    attacked, towards = aimed(net, x, y, target, classes=classes)
    x, y = x[attacked], y[attacked]
    reached, at = 0, 0
    with autocast("fp32", x.device), evaluating(net):
        for a, b in pieces(x, y, 250):
            t = towards[at : at + len(b)]
            x_adv = pgd(
                net, a, b, eps=eps, steps=steps, step_size=step_size, norm=norm, loss=loss,
                early_exit=True, target=t,
            )  # fmt: skip
            with torch.no_grad():
                reached += int(right(net, x_adv, t).sum())
            at += len(b)
    doubt_reach(eps, steps, step_size)
    return {"targeted_success": reached / len(y), "targeted_images": float(len(y))}


def measure(
    subject: Subject,
    *,
    target: str = "least-likely",
    eps: float = 8 / 255,
    steps: int = 20,
    step_size: float = 2 / 255,
    norm: Norm = "linf",
    loss: AttackLoss = "ce",
) -> dict[str, float]:
    """The share of images that PGD leads to a class named beforehand, of those not of that class.

    Args:
        target: a class, least-likely or next.
        eps: radius of the ball, in [0, 1] pixels.
        steps: gradient steps.
        step_size: length of a step.
        norm: linf, l1 or l2.
        loss: what the attack descends for the target, ce or energy.
    """
    return targeted_success(
        subject.net, subject.x, subject.y, classes=subject.classes, target=target, eps=eps,
        steps=steps, step_size=step_size, norm=norm, loss=loss,
    )  # fmt: skip
