"""Optimiser steps: which gradient the optimiser follows, one way a file.

A step is a function ``(gradient, net, *, ...) -> figures`` whose keyword-only arguments are its
settings. ``gradient()`` puts the gradient of the iteration's loss at the net's weights into
``.grad`` and returns the loss's figures; asked again, it takes it at the same points (x_adv,
x_neg). A step leaves in ``.grad`` what the optimiser shall follow, and the weights as they were.
The constant ``passes`` of its file says how often it asks.
"""

from collections.abc import Callable
from functools import partial

from torch import nn

from jeat._support.plugins import Part, find, name_of, settings_of
from jeat._support.signatures import check_takes, complete

__all__ = ["Figures", "Gradient", "Step", "step_of"]

Figures = dict[str, float]
Gradient = Callable[[], Figures]
Step = Callable[[Gradient, nn.Module], Figures]


def step_of(part: Part) -> Step:
    """A step by name, with its settings bound.

    Raises:
        SettingError: no such step, or a setting that it does not take.
    """
    function = find("steps", name_of(part), "step")
    own = dict(settings_of(part))
    settings = complete(function, own, whose=f"step {name_of(part)!r}", group="step")
    check_takes(function, f"step {name_of(part)!r}", "gradient", "net", **settings)
    return partial(function, **settings)
