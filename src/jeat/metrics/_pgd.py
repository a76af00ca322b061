"""Which images PGD leaves classified as their label."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from jeat._support.checks import MOST_STEPS, SettingError, is_whole, quoted
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
    restarts: int = 1,
    precision: Precision = "fp32",
) -> Tensor:
    """Whether each image (B,) stays right, as :func:`jeat.metrics.robust_accuracy` counts."""
    _check_restarts(restarts, random_start)
    attack = partial(
        pgd, net, eps=eps, steps=steps, step_size=step_size, norm=norm, loss=loss,
        random_start=random_start,
    )  # fmt: skip
    left = torch.cat([_right(net, *piece, "fp32") for piece in pieces(x, y, 500)])
    left &= _left(net, x, y, attack, precision)
    for _ in range(restarts - 1):
        if not left.any():
            break
        left[left.clone()] = _left(net, x[left], y[left], attack, precision)
    return left


def _check_restarts(restarts: int, random_start: bool) -> None:
    if not is_whole(restarts, 1, MOST_STEPS):
        raise SettingError(
            f"an attack has at least 1 start and at most 1e9, a whole number, got "
            f"restarts={quoted(restarts)}"
        )
    if restarts > 1 and not random_start:
        raise SettingError(
            f"restarts={restarts} from the image itself are all the same: use random_start=True"
        )


def _left(
    net: nn.Module, x: Tensor, y: Tensor, attack: Callable[..., Tensor], precision: Precision
) -> Tensor:
    """Whether each image stays right under one run of the attack."""
    left = []
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
