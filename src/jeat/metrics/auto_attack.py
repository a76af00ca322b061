"""Accuracy under AutoAttack (Croce and Hein 2020), by pyautoattack."""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Float, Int
from pyautoattack import AutoAttack  # type: ignore[import-untyped]
from torch import Tensor, nn

from jeat.balls import Norm
from jeat.metrics._subject import Subject, pieces
from jeat.nets import autocast, evaluating

__all__ = ["auto_attack", "measure", "standard_attacks"]

expensive = True

_LEAST_CLASSES = {"apgd-ce": 2, "apgd-dlr": 3, "apgd-t": 4, "fab-t": 2, "square": 2}
_STANDARD = ("apgd-ce", "apgd-t", "fab-t", "square")


def auto_attack(
    net: nn.Module,
    x: Float[Tensor, "b c h w"],
    y: Int[Tensor, " b"],
    *,
    eps: float = 8 / 255,
    norm: Norm = "linf",
    attacks: Sequence[str] | None = None,
    batch_size: int = 250,
    seed: int | None = None,
) -> float:
    """The share of images that stay classified as their label under each attack of an ensemble.

    ``apgd-ce``, ``apgd-dlr`` and ``apgd-t`` are 100 steps of PGD with step sizes that adapt, on
    cross-entropy, on the difference-of-logits ratio and on that ratio for each other class;
    ``fab-t`` looks for the nearest boundary to each other class; ``square`` makes 5000 queries
    without gradients. The ratio does not change with the scale of the logits. An image that one
    attack fools is not given to the next. Net in eval mode, fp32; it must not be random.

    Args:
        net: takes images in [0, 1], gives logits.
        x, y: images and their labels.
        eps: radius of the ball, in pixel units.
        norm: ``"linf"`` or ``"l2"``.
        attacks: which to run, by name; by default :func:`standard_attacks`. The nine other
            classes of the largest logits are the targets, or all, where there are fewer.
        batch_size: images a pass.
        seed: of each attack; by default drawn from torch's generator. That generator is else left
            as it was.

    Raises:
        ValueError: images outside [0, 1], labels that do not fit, ``eps`` negative or infinite or
            above 1 in linf, an unknown norm or attack, one that needs more classes than the net
            has, or images that ``square`` in l2 is not made for, below 5 pixels.
    """
    classes = _classes(net, x, y)
    names = _runnable(attacks, classes)
    _check(x, y, eps, norm, classes)
    if norm == "l2" and "square" in names and min(x.shape[2:]) < 5:
        raise ValueError("square in l2 takes images of at least 5 pixels: leave it out")
    if seed is None:
        seed = int(torch.randint(2**31, ()))
    with autocast("fp32", x.device), evaluating(net), _undisturbed(x.device):
        ensemble = AutoAttack(net, norm=norm.capitalize(), eps=eps, seed=seed, device=x.device)
        ensemble.attacks_to_run = names
        targets = min(9, classes - 1)
        ensemble.apgd_targeted.n_target_classes = ensemble.fab.n_target_classes = targets
        _, said = ensemble.run_standard_evaluation(x, y.long(), batch_size=batch_size)
    return float((said == y).float().mean())


@torch.no_grad()
def _classes(net: nn.Module, x: Tensor, y: Tensor) -> int:
    ((first, _), *_) = pieces(x, y, 1)
    with autocast("fp32", x.device), evaluating(net):
        return int(net(first).shape[1])


def standard_attacks(classes: int) -> tuple[str, ...]:
    """AutoAttack's standard set, as far as it is defined for so many classes.

    The targeted ratio needs 4 classes and the untargeted one 3: with 3 classes ``apgd-dlr`` stands
    for ``apgd-t``, with 2 no ratio is left, and ``fab-t`` is what the logits' scale cannot fool.
    """
    if classes >= 4:
        return _STANDARD
    return ("apgd-ce", *(("apgd-dlr",) if classes == 3 else ()), "fab-t", "square")


def _runnable(attacks: Sequence[str] | None, classes: int) -> list[str]:
    names = list(dict.fromkeys(attacks if attacks is not None else standard_attacks(classes)))
    for name in names:
        if name not in _LEAST_CLASSES:
            raise ValueError(f"unknown attack {name!r}: attacks are {', '.join(_LEAST_CLASSES)}")
        if classes < _LEAST_CLASSES[name]:
            raise ValueError(
                f"{name} needs {_LEAST_CLASSES[name]} classes and the net has {classes}: "
                f"use {', '.join(standard_attacks(classes))}"
            )
    if not names:
        raise ValueError(f"no attack was named: attacks are {', '.join(_LEAST_CLASSES)}")
    return names


def _check(x: Tensor, y: Tensor, eps: float, norm: str, classes: int) -> None:
    if not (float(x.min()) >= 0 and float(x.max()) <= 1):  # false for NaN, too
        raise ValueError("an attack needs finite images in [0, 1]: divide uint8 pixels by 255")
    if int(y.min()) < 0 or int(y.max()) >= classes:
        raise ValueError(f"labels must lie in 0..{classes - 1}, got {int(y.min())}..{int(y.max())}")
    if norm not in ("linf", "l2"):
        raise ValueError(f"unknown norm {norm!r}: use 'linf' or 'l2'")
    if not 0 <= eps < float("inf") or (norm == "linf" and eps > 1):
        raise ValueError(f"eps is in [0, 1] pixels, such as 8/255, and finite, got {eps}")


@contextmanager
def _undisturbed(device: torch.device) -> Iterator[None]:
    """pyautoattack logs, seeds torch and ends tracing: here it does not, or it is undone."""
    logger, tracing = logging.getLogger("auto-attack"), sys.gettrace()
    disabled, logger.disabled = logger.disabled, True
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            yield
    finally:
        logger.disabled = disabled
        sys.settrace(tracing)


def measure(
    subject: Subject,
    *,
    eps: float = 8 / 255,
    norm: Norm = "linf",
    attacks: str | None = None,
    batch_size: int = 250,
) -> dict[str, float]:
    """Accuracy under AutoAttack: ``auto_attack``, if all of the standard set was run.

    Else the figure is named by what was run, such as ``apgd-ce+apgd-t``; also where a net has too
    few classes for the standard set.

    Args:
        eps: radius of the ball, in [0, 1] pixels.
        norm: linf or l2.
        attacks: a part of it, such as apgd-ce+apgd-t; null is the standard set.
        batch_size: images a pass.
    """
    names = (
        attacks.split("+")
        if attacks
        else standard_attacks(_classes(subject.net, subject.x, subject.y))
    )
    value = auto_attack(
        subject.net, subject.x, subject.y,
        eps=eps, norm=norm, attacks=names, batch_size=batch_size,
    )  # fmt: skip
    return {"auto_attack" if set(names) == set(_STANDARD) else "+".join(names): value}
