"""What an attack is told: its settings, and which of them are refused."""

import warnings
from collections.abc import Callable
from math import ceil
from typing import Literal

from torch import Tensor

from jeat._support.checks import (
    MOST_STEPS,
    DoubtWarning,
    SettingError,
    check_not_negative,
    is_whole,
    quoted,
)
from jeat._support.tensors import check_labels, check_pixels
from jeat.attacks import balls
from jeat.energy import cross_entropy, joint_energy

__all__ = [
    "LOSSES",
    "AttackLoss",
    "Climbed",
    "GradAt",
    "check_attack",
    "check_choices",
    "check_target",
    "checked",
    "descended",
    "doubt_reach",
]

AttackLoss = Literal["ce", "energy"]
GradAt = Literal["start", "clean"]
Climbed = Callable[[Tensor, Tensor], Tensor]
"""Logits (B, classes) and labels (B,) -> what an attack climbs (B,)."""

LOSSES: dict[str, Climbed] = {"ce": cross_entropy, "energy": joint_energy}


def checked(x: Tensor, y: Tensor, eps: float, steps: int, step_size: float) -> Tensor:
    """The images, when all is as it should be."""
    x = check_pixels(x)
    check_labels(y)
    if len(x) != len(y):
        raise ValueError(f"{len(x)} images but {len(y)} labels")
    _check_numbers(eps, steps, step_size)
    return x


def check_attack(
    *, eps: float, steps: int, step_size: float, norm: str, loss: str | Climbed
) -> None:
    """Check the settings of :func:`jeat.attacks.pgd`, where it may not come to run.

    Raises:
        SettingError: one that it refuses.
    """
    _check_numbers(eps, steps, step_size)
    check_choices(norm, loss, "start", eps)


def _check_numbers(eps: float, steps: int, step_size: float) -> None:
    check_not_negative(eps=eps, step_size=step_size)
    if not is_whole(steps, 1, MOST_STEPS):
        raise SettingError(
            f"an attack takes at least 1 step and at most 1e9, a whole number, got "
            f"steps={quoted(steps)}"
        )


def doubt_reach(eps: float, steps: int, step_size: float) -> None:
    """Say where an attack's steps together are shorter than the radius of its ball.

    Nothing is said of settings that :func:`checked` refuses.

    Warns:
        DoubtWarning: they are, so that most of the ball is not searched.
    """
    whole = is_whole(steps, 1, MOST_STEPS) and min(eps, step_size) >= 0
    if whole and steps * step_size < eps * (1 - 1e-6):
        some = "1 step" if steps == 1 else f"{steps} steps"
        more = f"{ceil(round(eps / step_size, 6))} steps or more, or " if step_size else ""
        warnings.warn(
            f"an attack of {some} of {step_size:.3g} reaches {steps * step_size:.3g} in a ball of "
            f"radius {eps:.3g}, most of which is not searched: take {more}steps of "
            f"{eps / steps:.3g}",
            DoubtWarning,
            stacklevel=3,
        )


def check_choices(norm: str, loss: str | Climbed, grad_at: str, eps: float) -> None:
    """Raise where a choice is none, or a ball too large."""
    balls.check_ball(eps, norm)
    if not callable(loss) and loss not in LOSSES:
        raise SettingError(
            f"unknown attack loss {quoted(loss)}: use 'ce', 'energy' or a function of logits and "
            "labels"
        )
    if grad_at not in ("start", "clean"):
        raise SettingError(f"unknown grad_at {quoted(grad_at)}: use 'start' or 'clean'")


def check_target(y: Tensor, target: Tensor) -> None:
    """Raise where a target is no class for each image, other than its label."""
    if not isinstance(target, Tensor):
        raise ValueError(f"a target must be a tensor, a class an image, got {quoted(target)}")
    check_labels(target)
    if len(y) != len(target):
        raise ValueError(f"{len(y)} images but {len(target)} targets")
    if y.device != target.device:
        raise ValueError(f"labels are on {y.device}, targets on {target.device}: move one")
    if same := (y == target).nonzero().flatten().tolist():
        raise ValueError(
            f"the target of image {same[0]} is its label, {int(y[same[0]])}: name another class"
        )


def descended(loss: Climbed) -> Climbed:
    """What is climbed where ``loss`` is to fall."""

    def climbed(logits: Tensor, y: Tensor) -> Tensor:
        return -loss(logits, y)

    return climbed
