"""Sweeps: one method at several settings and seeds, shared by processes, and what came of it.

``sweep.py`` is the value that a command makes; ``study.py`` keeps its trials in ``sweep.db`` and
finds new ones; ``work.py`` carries them out; ``result.py`` is the table and the best setting.
"""

from jeat.sweeps.result import Best, best, by_run, by_trial, in_order
from jeat.sweeps.sweep import PlanOf, Progress, Range, Sweep, axis_of
from jeat.sweeps.work import carried_out, check_sweep

__all__ = [
    "Best", "PlanOf", "Progress", "Range", "Sweep", "axis_of", "best", "by_run", "by_trial",
    "carried_out", "check_sweep", "in_order",
]  # fmt: skip
