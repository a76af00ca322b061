"""Names of version 0.1.0 still import, for a release, and say where they are now."""

import importlib
import sys

import pytest

NAMES = {
    "jeat.buffer": ("ReplayBuffer",),
    "jeat.checkpoint": ("load", "load_net", "newest", "save_net", "shipped"),
    "jeat.evaluation": ("evaluate",),
    "jeat.landscape": ("axis", "draw", "grid", "plane"),
    "jeat.plan": ("Optimisation", "Plan", "Recovery"),
    "jeat.run": ("fit",),
    "jeat.sources": ("load_data",),
    "jeat.state": ("load_buffer", "load_state", "save_state"),
    "jeat.step": ("iterate", "prepare"),
    "jeat.subject": ("net_of", "subject_of"),
    "jeat.train": ("Log", "train"),
}


@pytest.mark.parametrize("module", NAMES)
def test_a_module_that_moved_is_found_with_a_warning(module):
    sys.modules.pop(module, None)
    with pytest.warns(DeprecationWarning, match=rf"{module} is jeat\."):
        found = importlib.import_module(module)
    for name in NAMES[module]:
        assert callable(getattr(found, name))


def test_what_never_was_is_not_found():
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("jeat.checkpoints")
