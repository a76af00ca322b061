"""What a figure of a metric is called, and how it is read."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Column"]


@dataclass(frozen=True)
class Column:
    """A column of tables.

    Attributes:
        name: of the figure in records.
        label: its heading.
        note: what it is, in a few words.
        better: which direction is better; "" where neither is.
        by_count: whether it depends on the number of images, and compares at one number only.
    """

    name: str
    label: str
    note: str
    better: Literal["higher", "lower", ""] = ""
    by_count: bool = False

    @property
    def reading(self) -> str:
        """The note, and which direction is better."""
        return f"{self.note}, {self.better} is better" if self.better else self.note
