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

from jeat._checks import SettingError, check_kind
from jeat.objectives.at import AT
from jeat.objectives.jeat import JEAT
from jeat.objectives.jem import JEM
from jeat.objectives.noise import Noise
from jeat.objectives.normal import Normal
from jeat.objectives.prejeat import PreJEAT

__all__ = ["AT", "JEAT", "JEM", "Noise", "Normal", "PreJEAT", "complete", "make"]


def make(method: str, restart: Callable[[int], Tensor], settings: dict[str, Any]) -> nn.Module:
    """The objective of the file ``method``, with ``settings`` for its keyword-only arguments.

    Raises:
        ValueError: an unknown method, or a setting it does not take.
    """
    cls = _class_of(method)
    settings = complete(method, settings)
    chained = "restart" in inspect.signature(cls).parameters
    objective: nn.Module = cls(restart, **settings) if chained else cls(**settings)
    return objective


def complete(method: str, settings: dict[str, Any]) -> dict[str, Any]:
    """``settings`` of a method, with the defaults of those that are not given.

    Raises:
        ValueError: an unknown method, or a setting it does not take or of another kind.
    """
    takes = inspect.signature(_class_of(method)).parameters.values()
    own = [p for p in takes if p.kind is inspect.Parameter.KEYWORD_ONLY]
    defaults, kinds = {p.name: p.default for p in own}, {p.name: p.annotation for p in own}
    if unknown := set(settings) - set(defaults):
        names, known = ", ".join(map(str, unknown)), ", ".join(defaults) or "none"
        raise SettingError(f"method {method!r} has no setting {names}; it has {known}")
    for name, value in settings.items():
        check_kind(f"objective.{name}", value, kinds[name])
    return defaults | settings


def _class_of(method: str) -> type[nn.Module]:
    methods = sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name[0] != "_")
    if method not in methods:
        raise SettingError(f"unknown method {method!r}: methods are {', '.join(methods)}")
    module = import_module(f"{__name__}.{method}")
    cls: type[nn.Module] = getattr(module, module.__all__[0])
    return cls
