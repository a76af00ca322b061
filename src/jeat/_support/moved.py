"""Modules of version 0.1.0 under their old names, for a release: importing one warns."""

import sys
import warnings
from collections.abc import Iterable
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["find_moved_modules", "is_moved"]

_HOMES = {  # a module, and the modules that have its names today
    "jeat.balls": ("jeat.attacks.balls",),
    "jeat.buffer": ("jeat.samplers",),
    "jeat.checkpoint": ("jeat.nets.checkpoint", "jeat.nets.places"),
    "jeat.deltas": ("jeat.training.deltas",),
    "jeat.drawing": ("jeat.jobs.drawing", "jeat.jobs.image_files"),
    "jeat.evaluation": ("jeat.training.evaluation",),
    "jeat.generate": ("jeat.sampling",),
    "jeat.health": ("jeat.training.health",),
    "jeat.landscape": ("jeat.figures.landscape", "jeat.metrics"),
    "jeat.measurement": ("jeat.jobs.measurement",),
    "jeat.plan": ("jeat.training.plan",),
    "jeat.rollbacks": ("jeat.runs.rollbacks", "jeat.runs.leftovers"),
    "jeat.run": ("jeat.runs.fit",),
    "jeat.shards": ("jeat._support.processes",),
    "jeat.sources": ("jeat.data.load", "jeat.data.names"),
    "jeat.state": ("jeat.runs.checkpoints", "jeat.runs.buffer", "jeat.runs.save"),
    "jeat.step": ("jeat.training.iteration",),
    "jeat.subject": ("jeat.jobs.inputs",),
    "jeat.train": ("jeat.training.loop",),
}


class _Old(MetaPathFinder, Loader):
    """Finds a module that moved, and fills it with the names of where they are now."""

    def find_spec(
        self, name: str, path: Iterable[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name in _HOMES else None

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        homes = _HOMES[name]
        warnings.warn(
            f"{name} is {' and '.join(homes)} now; the old name goes with the next release",
            DeprecationWarning,
            stacklevel=2,
        )
        for home in reversed(homes):
            found = import_module(home)
            vars(module).update({k: getattr(found, k) for k in found.__all__})
        if name == "jeat.landscape":
            module.grid = module.energy_on_plane  # type: ignore[attr-defined]


def is_moved(name: str) -> bool:
    """Whether ``jeat.NAME`` was a module of version 0.1.0."""
    return f"jeat.{name}" in _HOMES


def find_moved_modules() -> None:
    """Have ``import`` find them."""
    if not any(isinstance(finder, _Old) for finder in sys.meta_path):
        sys.meta_path.append(_Old())
