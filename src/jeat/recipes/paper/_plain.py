"""A comparison that needs nothing at its end, and has neither pictures nor claims."""

from collections.abc import Sequence
from pathlib import Path

from jeat.report import Figure
from jeat.suites import Suite

__all__ = ["Plain"]


class Plain:
    """What comparisons of tables alone have in common."""

    def check(self, suite: Suite) -> None:
        """Nothing is needed at the end."""

    def claims(self, suite: Suite) -> Sequence[tuple[str, str, str]]:
        """None."""
        return ()

    def shows(self, seed: int) -> bool:
        """No."""
        return False

    def figures(self, suite: Suite, out: Path) -> list[Figure]:
        """None."""
        return []
