"""Suites: a published experiment carried out: trained, drawn, measured, and written as a report.

``suite.py`` is the value that a recipe makes; ``work.py`` carries it out, task by task of
``tasks.py``; ``records.py`` has every number with its command; ``report.py`` and ``cards.py``
write; ``cost.py`` tells the cost before.
"""

from jeat.suites.cost import cost
from jeat.suites.smoke import smoke
from jeat.suites.suite import JUDGE, Comparison, Suite
from jeat.suites.tasks import LOCKS, Progress
from jeat.suites.work import help_with, reproduce

__all__ = [
    "JUDGE", "LOCKS", "Comparison", "Progress", "Suite", "cost", "help_with", "reproduce", "smoke",
]  # fmt: skip
