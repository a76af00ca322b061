"""FGSM and PGD on cross-entropy or on the energy E(x, y): one loop, written once."""

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from jeat import balls
from jeat.energy import cross_entropy, joint_energy

__all__ = ["AttackLoss", "fgsm", "fgsm_rs", "pgd"]

AttackLoss = Literal["ce", "energy"]


def pgd(
    net: nn.Module,
    x: Float[Tensor, "b c h w"],
    y: Int[Tensor, " b"],
    *,
    eps: float,
    steps: int,
    step_size: float,
    norm: balls.Norm = "linf",
    loss: AttackLoss = "ce",
    random_start: bool = True,
    early_exit: bool = False,
) -> Float[Tensor, "b c h w"]:
    """Projected gradient ascent (Madry et al. 2018; Eq. 3 of Zhu et al. 2021).

    ``x_n = clip(x_{n-1} + step_size * steepest(grad L(x_{n-1}, y)))``, the clip to the eps-ball
    around ``x`` and to [0, 1]. One step from ``x`` itself is FGSM (Eq. 2).

    Args:
        net: takes images in [0, 1], gives logits.
        x: images in [0, 1].
        y: their labels.
        eps: radius of the ball, in pixel units.
        steps: gradient steps, at least 1.
        step_size: length of one step in the ball's norm, in pixel units.
        norm: ``"linf"`` or ``"l2"``.
        loss: what to climb: ``"ce"``, E(x, y) - E(x) (Eq. 14), or ``"energy"``, E(x, y) (Eq. 18).
        random_start: start from a uniform draw in the ball rather than from ``x``.
        early_exit: leave an image at the first iterate that is not classified as its label; later
            steps then pass fewer images. For evaluation: how far ``loss`` can be raised is not
            found out.

    Returns:
        x_adv, detached, inside the ball and inside [0, 1].

    Raises:
        ValueError: images outside [0, 1] or not finite, labels that do not fit, ``eps`` or
            ``step_size`` negative, ``steps`` below 1, an unknown norm or loss.
    """
    _check(x, y, eps, steps, step_size, norm, loss)
    climbed = cross_entropy if loss == "ce" else joint_energy
    delta = balls.random_start(x, eps, norm) if random_start else torch.zeros_like(x)
    x_n = (x + delta).clamp(0, 1).detach()
    x_adv, left = x_n, torch.arange(len(x), device=x.device)
    for _ in range(steps):
        gradient, right = _gradient(net, climbed, x_n, y)
        if early_exit:
            x_adv = x_adv.index_copy(0, left, x_n)
            left, x, y, x_n, gradient = (t[right] for t in (left, x, y, x_n, gradient))
            if not len(left):
                return x_adv
        delta = x_n + step_size * balls.steepest(gradient, norm) - x
        x_n = (x + balls.project(delta, eps, norm)).clamp(0, 1)
    return x_adv.index_copy(0, left, x_n)


def _gradient(
    net: nn.Module, climbed: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor
) -> tuple[Tensor, Tensor]:
    """grad_x of the sum of ``climbed``, and which images are classified as their label."""
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        logits = net(x)
        (gradient,) = torch.autograd.grad(climbed(logits, y).sum(), x)
    return gradient, logits.argmax(1) == y


def fgsm(
    net: nn.Module,
    x: Float[Tensor, "b c h w"],
    y: Int[Tensor, " b"],
    *,
    eps: float,
    loss: AttackLoss = "ce",
) -> Float[Tensor, "b c h w"]:
    """The fast gradient sign method (Goodfellow et al. 2015; Eq. 2, 14, and 18 for energy).

    ``x_adv = clamp(x + eps * sign(grad L(x, y)), 0, 1)``. Arguments and errors as :func:`pgd`.
    """
    return pgd(net, x, y, eps=eps, steps=1, step_size=eps, loss=loss, random_start=False)


def fgsm_rs(
    net: nn.Module,
    x: Float[Tensor, "b c h w"],
    y: Int[Tensor, " b"],
    *,
    eps: float,
    ratio: float = 1.25,
    loss: AttackLoss = "ce",
) -> Float[Tensor, "b c h w"]:
    """FGSM from a random start, for training (Wong et al. 2020; Algorithm 1).

    ``delta ~ U(-eps, eps)``, one sign step of ``ratio * eps`` with the gradient taken at
    ``x + delta``, clipped back to the ball. ``ratio`` is 1.25 in fast AT and 1.0 in Algorithm 1.
    Other arguments and errors as :func:`pgd`.
    """
    return pgd(net, x, y, eps=eps, steps=1, step_size=ratio * eps, loss=loss)


def _check(
    x: Tensor, y: Tensor, eps: float, steps: int, step_size: float, norm: str, loss: str
) -> None:
    if not (x.numel() and float(x.min()) >= 0 and float(x.max()) <= 1):  # false for NaN, too
        raise ValueError("an attack needs finite images in [0, 1]: divide uint8 pixels by 255")
    if len(x) != len(y):
        raise ValueError(f"{len(x)} images but {len(y)} labels")
    if eps < 0 or step_size < 0:
        raise ValueError(f"eps and step_size must not be negative, got {eps} and {step_size}")
    if steps < 1:
        raise ValueError(f"an attack takes at least 1 step, got steps={steps}")
    if norm not in ("linf", "l2"):
        raise ValueError(f"unknown norm {norm!r}: use 'linf' or 'l2'")
    if loss not in ("ce", "energy"):
        raise ValueError(f"unknown attack loss {loss!r}: use 'ce' or 'energy'")
