"""Objectives: ``(net, batch) -> (loss, metrics)``, the loss to minimise and named figures to log.

One method per file; the file's name is the method's name on the command line and its class's
keyword-only arguments are the method's flags, so adding a method is one new file here. A class
whose first argument is ``restart`` (n -> n first states of chains) is given the run's. An objective
owns its replay buffer, never the net, and decides train/eval mode: attacks and chains run in eval
mode, the forward pass of the loss in the mode it finds. Where ``batch.logged``, the metrics also
hold clean accuracy and mean energies (``E`` is E(x), ``E_y`` is E(x, y)) of data, adversarial
examples and negatives, and their gaps.
"""

import inspect
import pkgutil
from collections.abc import Callable
from importlib import import_module
from typing import Any

from torch import Tensor, nn

from jeat.objectives.at import AT
from jeat.objectives.jeat import JEAT
from jeat.objectives.jem import JEM
from jeat.objectives.noise import Noise
from jeat.objectives.normal import Normal
from jeat.objectives.prejeat import PreJEAT

__all__ = ["AT", "JEAT", "JEM", "Noise", "Normal", "PreJEAT", "make"]


def make(method: str, restart: Callable[[int], Tensor], settings: dict[str, Any]) -> nn.Module:
    """The objective of the file ``method``, with ``settings`` for its keyword-only arguments.

    Raises:
        ValueError: an unknown method, or a setting it does not take.
    """
    methods = sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name[0] != "_")
    if method not in methods:
        raise ValueError(f"unknown method {method!r}: methods are {', '.join(methods)}")
    module = import_module(f"{__name__}.{method}")
    cls = getattr(module, module.__all__[0])
    takes = inspect.signature(cls).parameters
    if unknown := set(settings) - set(takes):
        raise ValueError(f"method {method!r} has no setting {', '.join(sorted(unknown))}")
    objective: nn.Module = cls(restart, **settings) if "restart" in takes else cls(**settings)
    return objective
