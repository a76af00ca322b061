"""Accuracy under PGD."""

from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from jeat.attacks import pgd
from jeat.attacks.pgd import AttackLoss
from jeat.balls import Norm
from jeat.metrics._subject import Subject, pieces
from jeat.nets import Precision, autocast, evaluating

__all__ = ["measure", "robust_accuracy"]

means_over_images = True


def robust_accuracy(
    net: nn.Module,
    x: Float[Tensor, "b c h w"],
    y: Int[Tensor, " b"],
    *,
    eps: float = 8 / 255,
    steps: int = 20,
    step_size: float = 2 / 255,
    norm: Norm = "linf",
    loss: AttackLoss = "ce",
    random_start: bool = True,
    precision: Precision = "fp32",
) -> float:
    """The share of images that :func:`jeat.attacks.pgd` leaves classified as their label.

    The defaults are the paper's PGD-20 at 8/255 (Table 3), with the step 2/255, one random start
    and cross-entropy, which it does not print. An image is not robust if any iterate is classified
    otherwise: it then leaves the attack. Table 1's attacks are one step from the image itself,
    ``steps=1, step_size=eps, random_start=False``; the image then counts as an iterate.
    Where bf16 gradients took an image for fooled and fp32 does not, it is attacked once more, to
    the end. Net in eval mode.

    Args:
        net, x, y, eps, steps, step_size, norm, loss, random_start: as :func:`jeat.attacks.pgd`.
        precision: of the attack's gradients; predictions are always in fp32.
    """
    right = 0
    attack = partial(
        pgd, net, eps=eps, steps=steps, step_size=step_size, norm=norm, loss=loss,
        random_start=random_start,
    )  # fmt: skip
    for a, b in pieces(x, y, 250):
        with autocast(precision, a.device), evaluating(net):
            x_adv = attack(a, b, early_exit=True)
        robust = _predicted(net, x_adv, "fp32") == b
        early = robust & (precision != "fp32")
        if early.any():
            early[robust] = _predicted(net, x_adv[robust], precision) != b[robust]
        if early.any():
            with autocast(precision, a.device), evaluating(net):
                x_adv = attack(a[early], b[early])
            robust[early] = _predicted(net, x_adv, "fp32") == b[early]
        right += int(robust.sum())
    return right / len(y)


@torch.no_grad()
def _predicted(net: nn.Module, x: Tensor, precision: Precision) -> Tensor:
    with autocast(precision, x.device), evaluating(net):
        classes: Tensor = net(x).argmax(1)
    return classes


def measure(
    subject: Subject,
    *,
    eps: float = 8 / 255,
    steps: int = 20,
    step_size: float = 2 / 255,
    norm: Norm = "linf",
    loss: AttackLoss = "ce",
    random_start: bool = True,
    precision: Precision = "fp32",
) -> dict[str, float]:
    """Accuracy under PGD.

    Args:
        eps: radius of the ball, in [0, 1] pixels.
        steps: gradient steps.
        step_size: length of a step.
        norm: linf or l2.
        loss: what the attack climbs, ce or energy.
        random_start: start inside the ball; false with one step of eps is FGSM.
        precision: of the attack's gradients, predictions are in fp32; auto is bf16 where the device
            has instructions for it, else fp32.
    """
    return {
        "robust_accuracy": robust_accuracy(
            subject.net, subject.x, subject.y,
            eps=eps, steps=steps, step_size=step_size, norm=norm, loss=loss,
            random_start=random_start, precision=precision,
        )
    }  # fmt: skip
