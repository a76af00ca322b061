"""Joint energy models from classifiers: adversarial training, Langevin sampling, JEAT.

Everything is imported when it is first used, so that ``jeat --help`` needs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jeat import attacks, data, energy, landscape, metrics, nets, objectives, report, samplers
    from jeat.checkpoint import load, shipped
    from jeat.generate import sample
    from jeat.plan import Optimisation, Plan
    from jeat.run import fit
    from jeat.sources import load_data

__version__ = "0.1.0"
__all__ = [
    "Optimisation", "Plan", "attacks", "data", "energy", "fit", "landscape", "load", "load_data",
    "metrics", "nets", "objectives", "report", "sample", "samplers", "shipped",
]  # fmt: skip

_HOMES = {
    "Optimisation": "jeat.plan",
    "Plan": "jeat.plan",
    "fit": "jeat.run",
    "load": "jeat.checkpoint",
    "load_data": "jeat.sources",
    "sample": "jeat.generate",
    "shipped": "jeat.checkpoint",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in __all__:
        return import_module(f"jeat.{name}")
    raise AttributeError(f"module 'jeat' has no attribute {name!r}")
