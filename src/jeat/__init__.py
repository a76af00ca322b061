"""Joint energy models from classifiers: adversarial training, Langevin sampling, JEAT.

Everything is imported when it is first used, so that ``jeat --help`` needs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from jeat._support.moved import find_moved_modules, is_moved
from jeat._support.version import __version__

if TYPE_CHECKING:
    from jeat import (
        attacks,
        data,
        energy,
        exports,
        figures,
        metrics,
        nets,
        objectives,
        report,
        samplers,
    )
    from jeat._support.shipped import shipped
    from jeat.data import load_data
    from jeat.exports import export
    from jeat.exports.pretrained import Pretrained
    from jeat.nets import load, wrap
    from jeat.runs.fit import fit
    from jeat.sampling import sample
    from jeat.training.plan import Optimisation, Plan, Recovery

__all__ = [
    "Optimisation",
    "Plan",
    "Pretrained",
    "Recovery",
    "__version__",
    "attacks",
    "data",
    "energy",
    "export",
    "exports",
    "figures",
    "fit",
    "load",
    "load_data",
    "metrics",
    "nets",
    "objectives",
    "report",
    "sample",
    "samplers",
    "shipped",
    "wrap",
]  # fmt: skip

_HOMES = {
    "Optimisation": "jeat.training.plan",
    "Plan": "jeat.training.plan",
    "Pretrained": "jeat.exports.pretrained",
    "Recovery": "jeat.training.plan",
    "export": "jeat.exports",
    "fit": "jeat.runs.fit",
    "load": "jeat.nets",
    "load_data": "jeat.data",
    "sample": "jeat.sampling",
    "shipped": "jeat._support.shipped",
    "wrap": "jeat.nets",
}

find_moved_modules()


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in __all__ or is_moved(name):
        return import_module(f"jeat.{name}")
    raise AttributeError(f"module 'jeat' has no attribute {name!r}")
