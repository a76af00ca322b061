"""Whether a training takes a step: there, NaN is counted and modes are chosen, on purpose.

Elsewhere, an attack or chain refuses what is not finite, and says that a net is in train mode.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import nn

from jeat._support.checks import DoubtWarning

__all__ = ["is_learning", "learning", "warn_in_train_mode"]

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


def warn_in_train_mode(net: nn.Module) -> None:
    """Say that a net is in train mode, where the caller does not switch modes itself."""
    if is_learning() or not isinstance(net, nn.Module):
        return
    if any(getattr(m, "training", False) for m in net.modules()):  # frozen code has no mode
        warnings.warn(
            "the net, or a part of it, is in train mode, in which layers such as dropout and batch "
            "normalisation act otherwise: call net.eval() first, unless this is wanted",
            DoubtWarning,
            stacklevel=3,
        )
