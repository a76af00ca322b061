"""Which images AutoAttack leaves (Croce and Hein 2020), or a part of it."""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from jeat._support.checks import SettingError, is_whole, quoted
from jeat._support.passes import normal, repeatable
from jeat._support.tensors import check_pixels
from jeat.attacks import Norm, check_ball
from jeat.metrics._search import Search
from jeat.metrics._subject import logits_of, pieces
from jeat.nets import Precision, autocast, evaluating, in_bf16

__all__ = ["STANDARD", "classes_of", "left_by_ensemble", "square_fits", "standard_attacks"]

_LEAST_CLASSES = {"apgd-ce": 2, "apgd-dlr": 3, "apgd-t": 4, "fab-t": 2, "square": 2}
STANDARD = ("apgd-ce", "apgd-t", "fab-t", "square")


def left_by_ensemble(
    net: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    norm: Norm,
    attacks: Sequence[str] | None = None,
    batch_size: int = 250,
    seed: int | None = None,
    queries: int | None = None,
    precision: Precision = "fp32",
) -> Tensor:
    """Whether each image (B,) stays classified as its label under all ``attacks``.

    Arguments and errors as :func:`jeat.metrics.auto_attack`. With ``queries``, Square makes that
    many in place of 5000, and its squares shrink as its paper's 10,000 do.
    """
    classes = classes_of(net, x, y)
    names = _runnable(attacks, classes)
    x = _check(x, y, eps, norm, classes)
    if "square" in names and not square_fits(x, norm):
        others = [name for name in standard_attacks(classes) if name != "square"]
        raise ValueError(
            f"square in {norm} takes images of at least 5 pixels a side, and begins with squares "
            f"that do not fit {x.shape[2]} x {x.shape[3]}: leave it out, by attacks "
            f"{'+'.join(others)}"
        )
    if not is_whole(batch_size, 1):
        raise SettingError(f"batch_size must be at least 1, got {quoted(batch_size)}")
    if queries is not None and not is_whole(queries, 1):
        raise SettingError(f"square makes at least 1 query, got queries={quoted(queries)}")
    seed = int(torch.randint(2**31, ())) if seed is None else seed
    run_in: Precision = "bf16" if in_bf16(precision, x.device, net) else "fp32"
    dtype = x.dtype  # the ensemble works in fp32
    x, y = normal(x).float().contiguous(), normal(y).long()
    with repeatable(), _undisturbed(x.device):
        search = Search(net, x, y, dtype, eps, norm, batch_size, seed, run_in)
        whole = set(names) == set(standard_attacks(classes))
        cheap = search.cheap(classes) if whole else []
        search.take([*cheap, *(s for name in names for s in search.steps(name, classes, queries))])
        if whole and run_in == "bf16":
            search.precision = "fp32"
            search.take(cheap)
    return search.left


def square_fits(x: Tensor, norm: str) -> bool:
    """Whether Square can start in such images: but in linf, by squares of a fifth of the height."""
    if norm == "linf":
        return True
    height, width = x.shape[2:]
    side = height // 5
    if not side:
        return False
    first = (height - 5 * side) // 2
    within = (first + length // side * side <= length for length in (height, width))
    return side == 1 or all(within)


@torch.no_grad()
def classes_of(net: nn.Module, x: Tensor, y: Tensor) -> int:
    """How many logits the net has, seen on the first image."""
    ((first, _), *_) = pieces(x, y, 1)
    with autocast("fp32", x.device), evaluating(net):
        return logits_of(net, first).shape[1]


def standard_attacks(classes: int) -> tuple[str, ...]:
    """The part of AutoAttack's standard set that is defined for this number of classes.

    The targeted ratio needs 4 classes and the untargeted one 3: with 3 classes ``apgd-dlr`` stands
    for ``apgd-t``, with 2 no ratio is left, and ``fab-t`` is what the logits' scale cannot fool.
    """
    if classes >= 4:
        return STANDARD
    return ("apgd-ce", *(("apgd-dlr",) if classes == 3 else ()), "fab-t", "square")


def _runnable(attacks: Sequence[str] | None, classes: int) -> list[str]:
    names = list(dict.fromkeys(attacks if attacks is not None else standard_attacks(classes)))
    for name in names:
        if name not in _LEAST_CLASSES:
            raise SettingError(
                f"unknown attack {quoted(name)}: attacks are {', '.join(_LEAST_CLASSES)}"
            )
        if classes < _LEAST_CLASSES[name]:
            raise ValueError(
                f"{name} needs {_LEAST_CLASSES[name]} classes and the net has {classes}: "
                f"use {', '.join(standard_attacks(classes))}"
            )
    if not names:
        raise SettingError(f"no attack was named: attacks are {', '.join(_LEAST_CLASSES)}")
    return names


def _check(x: Tensor, y: Tensor, eps: float, norm: str, classes: int) -> Tensor:
    """The images, when all is as it should be."""
    x = check_pixels(x)
    if int(y.min()) < 0 or int(y.max()) >= classes:
        raise ValueError(f"labels must lie in 0..{classes - 1}, got {int(y.min())}..{int(y.max())}")
    check_ball(eps, norm)
    return x


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
