"""Suites: a published experiment carried out: trained, drawn, measured, and written as a report.

``suite.py`` is the value that a recipe makes; ``work.py`` carries it out; ``records.py`` has every
number with its command; ``report.py`` and ``cards.py`` write; ``cost.py`` tells the cost before.
"""

from jeat.suites.cost import cost
from jeat.suites.smoke import smoke
from jeat.suites.suite import JUDGE, Comparison, Suite
from jeat.suites.work import Progress, reproduce

__all__ = ["JUDGE", "Comparison", "Progress", "Suite", "cost", "reproduce", "smoke"]
