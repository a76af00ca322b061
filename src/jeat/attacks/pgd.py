"""FGSM and PGD on cross-entropy or on the energy E(x, y): one loop, written once."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from jeat._support.checks import check_not_negative, quoted
from jeat._support.learning import is_learning, warn_in_train_mode
from jeat._support.passes import differentiable, leaf, logits_of
from jeat._support.tensors import check_finite, known_labels
from jeat.attacks import balls
from jeat.attacks._early import keep, not_fooled, staying
from jeat.attacks._settings import (
    LOSSES,
    AttackLoss,
    Climbed,
    GradAt,
    check_choices,
    check_target,
    checked,
    descended,
)
from jeat.energy import input_gradient

__all__ = ["fgsm", "fgsm_rs", "pgd"]


def pgd(
    net: nn.Module,
    x: Float[Tensor, "b c h w"],
    y: Int[Tensor, " b"],
    *,
    eps: float,
    steps: int,
    step_size: float,
    norm: balls.Norm = "linf",
    loss: AttackLoss | Climbed = "ce",
    random_start: bool | float = True,
    grad_at: GradAt = "start",
    early_exit: bool = False,
    target: Int[Tensor, " b"] | None = None,
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
        norm: ``"linf"``, ``"l1"`` or ``"l2"``.
        loss: what to climb: ``"ce"``, E(x, y) - E(x) (Eq. 14), ``"energy"``, E(x, y) (Eq. 18), or a
            function of logits (B, classes) and labels (B,) that gives one number an image.
        random_start: start from a uniform draw in the ball rather than from ``x``; a number is the
            standard deviation of a Gaussian to draw from in its place, as in TRADES.
        grad_at: where the first gradient is taken, at the ``"start"`` or, as Algorithm 1 prints it,
            at the ``"clean"`` image.
        early_exit: leave an image at the first iterate that is not classified as its label; later
            steps then pass fewer images. For evaluation: how far ``loss`` can be raised is not
            found out. With ``target``, at the first that is classified as that.
        target: a class an image, (B,), which the attack goes towards: ``loss`` of it is descended
            in place of that of the label being climbed. ``"ce"`` then lowers
            -log p(target|x) = E(x, target) - E(x), and ``"energy"`` lowers E(x, target).

    Returns:
        x_adv, detached, inside the ball and inside [0, 1].

    Raises:
        ValueError: images outside [0, 1] or not finite, labels that do not fit, ``eps`` or
            ``step_size`` negative or infinite, ``eps`` above 1 in linf or 1e6 in l1 and l2,
            ``steps`` below 1, an unknown norm, loss or ``grad_at``, a target that is the image's
            label, a net that is not differentiable.
        NotFiniteError: logits or gradients that are NaN or infinite, which give no direction; a
            ValueError. In the steps of a training x_adv is NaN there, and counts as diverged.

    Warns:
        DoubtWarning: the net is in train mode, and no training takes a step.
    """
    if not callable(net):
        raise ValueError(f"a net takes images to logits, got {quoted(net)}: use jeat.load")
    warn_in_train_mode(net)
    x = checked(x, y, eps, steps, step_size)
    check_choices(norm, loss, grad_at, eps)
    climbed = loss if callable(loss) else LOSSES[loss]
    aim = y
    if target is not None:
        check_target(y, target)
        climbed, aim = descended(climbed), target
    delta = _first(x, eps, norm, random_start)
    x_n = (x + delta).detach()
    if grad_at == "start":
        x_n = x_n.clamp(0, 1)
    x_adv, left = x.clone() if early_exit else x, torch.arange(len(x), device=x.device)
    still = torch.ones_like(left, dtype=torch.bool)  # of those left, which are not fooled
    for n in range(steps):
        at = x if n == 0 and grad_at == "clean" else x_n
        gradient, logits = _gradient(net, climbed, at, aim, first=n == 0)
        if early_exit:
            keep(x_adv, left, still, at)
            still &= not_fooled(logits, aim, targeted=target is not None)
            stay = staying(still)
            if not len(stay):
                return _found(x_adv)
            if len(stay) < len(left):
                held = (left, still, x, aim, x_n, gradient)
                left, still, x, aim, x_n, gradient = (t[stay] for t in held)
        step = balls.steepest(balls.inward(gradient, x_n, norm), norm)
        delta = torch.add(x_n, step, alpha=step_size).sub_(x)
        x_n = (x + balls.project(delta, eps, norm)).clamp(0, 1)
    return _found(keep(x_adv, left, still, x_n) if early_exit else x_n)


def _first(x: Tensor, eps: float, norm: balls.Norm, random_start: bool | float) -> Tensor:
    """The perturbation to start from."""
    if random_start is True:
        return balls.random_start(x, eps, norm)
    if random_start is False:
        return torch.zeros_like(x)
    check_not_negative(random_start=random_start)
    draws = torch.randn(x.shape, device=x.device, dtype=x.dtype)
    return balls.project(random_start * draws, eps, norm)


def _found(x_adv: Tensor) -> Tensor:
    """What an attack found, which is NaN where it had no direction."""
    if not is_learning():
        check_finite(
            x_adv,
            "the net's logits or input gradients are NaN or infinite at {} images: no attack can "
            "follow them, and no accuracy can be counted",
        )
    return x_adv


def _gradient(
    net: nn.Module, climbed: Climbed, x: Tensor, y: Tensor, *, first: bool
) -> tuple[Tensor, Tensor]:
    """grad_x of the sum of ``climbed``, NaN where logits are not finite, and the logits.

    Labels are looked at in the ``first`` step.
    """
    with differentiable():
        x = leaf(x)
        logits = logits_of(net, x)
        with known_labels(not first):
            climbs = climbed(logits, y)
        if climbs.shape != x.shape[:1]:
            raise ValueError(
                f"an attack climbs one number an image, ({len(x)},), got {tuple(climbs.shape)}"
            )
        gradient = input_gradient(climbs, x)
    logits = logits.detach()
    lost = (logits * 0).sum(1)  # NaN where they are not finite, else 0
    return gradient + lost.to(gradient.dtype).view(-1, 1, 1, 1), logits


def fgsm(
    net: nn.Module,
    x: Float[Tensor, "b c h w"],
    y: Int[Tensor, " b"],
    *,
    eps: float,
    loss: AttackLoss | Climbed = "ce",
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
    loss: AttackLoss | Climbed = "ce",
    grad_at: GradAt = "start",
) -> Float[Tensor, "b c h w"]:
    """FGSM from a random start, for training (Wong et al. 2020; Algorithm 1).

    ``delta ~ U(-eps, eps)``, one sign step of ``ratio * eps``, clipped back to the ball. ``ratio``
    is 1.25 in fast AT and 1.0 in Algorithm 1; the gradient is taken at ``x + delta`` in fast AT
    (``grad_at="start"``) and at ``x`` in Algorithm 1 (``"clean"``). Other arguments and errors as
    :func:`pgd`.
    """
    check_not_negative(eps=eps, ratio=ratio)
    return pgd(net, x, y, eps=eps, steps=1, step_size=ratio * eps, loss=loss, grad_at=grad_at)
