"""Which images PGD leaves classified as their label."""

from functools import partial

import torch
from torch import Tensor, nn

from jeat.attacks import AttackLoss, Norm, pgd
from jeat.metrics._subject import pieces, right
from jeat.nets import Precision, autocast, evaluating

__all__ = ["left_by_pgd"]


def left_by_pgd(
    net: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    steps: int,
    step_size: float,
    norm: Norm = "linf",
    loss: AttackLoss = "ce",
    random_start: bool = True,
    precision: Precision = "fp32",
) -> Tensor:
    """Whether each image (B,) stays right, as :func:`jeat.metrics.robust_accuracy` counts."""
    left = []
    attack = partial(
        pgd, net, eps=eps, steps=steps, step_size=step_size, norm=norm, loss=loss,
        random_start=random_start,
    )  # fmt: skip
    for a, b in pieces(x, y, 250):
        with autocast(precision, a.device, net), evaluating(net):
            x_adv = attack(a, b, early_exit=True)
        robust = _right(net, x_adv, b, "fp32")
        early = robust & (precision != "fp32")
        if early.any():
            early[robust] = ~_right(net, x_adv[robust], b[robust], precision)
        if early.any():
            with autocast(precision, a.device, net), evaluating(net):
                x_adv = attack(a[early], b[early])
            robust[early] = _right(net, x_adv, b[early], "fp32")
        left.append(robust)
    return torch.cat(left)


@torch.no_grad()
def _right(net: nn.Module, x: Tensor, y: Tensor, precision: Precision) -> Tensor:
    with autocast(precision, x.device, net), evaluating(net):
        return right(net, x, y)
