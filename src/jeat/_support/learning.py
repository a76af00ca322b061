"""Whether a training takes a step: there, NaN is counted and modes are chosen, on purpose.

Elsewhere, an attack or chain refuses what is not finite, and says that a net is in train mode.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import nn
from torch.fx import GraphModule

from jeat._support.checks import DoubtWarning

__all__ = ["is_exported", "is_learning", "learning", "warn_in_train_mode"]

_LEARNING: ContextVar[bool] = ContextVar("learning", default=False)


@contextmanager
def learning() -> Iterator[None]:
    """``with learning():`` is a step of a training: what is not finite shows in its figures."""
    token = _LEARNING.set(True)
    try:
        yield
    finally:
        _LEARNING.reset(token)


def is_learning() -> bool:
    """Whether it is called from a step of a training."""
    return _LEARNING.get()


def is_exported(m: nn.Module) -> bool:
    """Whether it is a module of torch.export, which has one mode, and refuses another."""
    return isinstance(m, GraphModule) and "train" in vars(m)


def _in_train_mode(m: nn.Module) -> bool:
    """Whether a module, or a part of it that has modes, is in train mode; frozen code has none."""
    if is_exported(m):
        return False
    return getattr(m, "training", False) or any(map(_in_train_mode, m.children()))


def warn_in_train_mode(net: nn.Module) -> None:
    """Say that a net is in train mode, where the caller does not switch modes itself."""
    if is_learning() or not isinstance(net, nn.Module):
        return
    if _in_train_mode(net):
        warnings.warn(
            "the net, or a part of it, is in train mode, in which layers such as dropout and batch "
            "normalisation act otherwise: call net.eval() first, unless this is wanted",
            DoubtWarning,
            stacklevel=3,
        )
