"""Which images pyautoattack's ensemble leaves (Croce and Hein 2020)."""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from pyautoattack import AutoAttack  # type: ignore[import-untyped]
from torch import Tensor, nn

from jeat._support.checks import SettingError, quoted
from jeat._support.passes import normal, repeatable
from jeat._support.tensors import check_finite, check_pixels
from jeat.attacks import Norm
from jeat.metrics._subject import logits_of, pieces
from jeat.nets import autocast, evaluating

__all__ = ["STANDARD", "classes_of", "left_by_ensemble", "square_fits", "standard_attacks"]

_LEAST_CLASSES = {"apgd-ce": 2, "apgd-dlr": 3, "apgd-t": 4, "fab-t": 2, "square": 2}
STANDARD = ("apgd-ce", "apgd-t", "fab-t", "square")


class Finite(nn.Module):
    """f, which is refused where its logits or input gradients are not finite.

    pyautoattack takes no heed: the sign of NaN is 0, so its attacks would stand still.
    """

    def __init__(self, net: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.net, self.dtype = net, dtype

    def forward(self, x: Tensor) -> Tensor:
        if x.requires_grad:
            x = x.view_as(x)
            x.register_hook(self._check)
        return logits_of(self.net, x.to(self.dtype)).to(x.dtype)

    @staticmethod
    def _check(gradient: Tensor | None) -> None:
        if gradient is None:  # as behind a quantised layer
            raise ValueError("the net's logits do not depend on its images: there is no gradient")
        check_finite(
            gradient,
            "the net's input gradients are NaN or infinite at {} images: no attack can follow them",
        )


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
            "square in l2 takes images of at least 5 pixels a side, and begins with squares that "
            f"do not fit {x.shape[2]} x {x.shape[3]}: leave it out, by attacks {'+'.join(others)}"
        )
    if queries is not None and queries < 1:
        raise SettingError(f"square makes at least 1 query, got queries={queries}")
    if seed is None:
        seed = int(torch.randint(2**31, ()))
    dtype = x.dtype  # the ensemble works in fp32
    x, y = normal(x).float().contiguous(), normal(y).long()
    with autocast("fp32", x.device), evaluating(net), repeatable(), _undisturbed(x.device):
        ensemble = AutoAttack(
            Finite(net, dtype), norm=norm.capitalize(), eps=eps, seed=seed, device=x.device
        )
        ensemble.attacks_to_run = names
        targets = min(9, classes - 1)
        ensemble.apgd_targeted.n_target_classes = ensemble.fab.n_target_classes = targets
        if queries is not None:
            ensemble.square.n_queries, ensemble.square.rescale_schedule = queries, True
        _, said = ensemble.run_standard_evaluation(x, y, batch_size=batch_size)
    return torch.as_tensor(said == y)


def square_fits(x: Tensor, norm: str) -> bool:
    """Whether Square can start in such images: in l2, by whole squares of a fifth of the height."""
    if norm != "l2":
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
    if norm not in ("linf", "l2"):
        raise SettingError(f"unknown norm {quoted(norm)}: use 'linf' or 'l2'")
    if not 0 <= eps <= (1 if norm == "linf" else 1e6):
        raise SettingError(f"eps is in [0, 1] pixels, such as 8/255, and finite, got {eps}")
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
