"""What a figure of a metric is called, and how it is read."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

__all__ = ["Column"]


@dataclass(frozen=True)
class Column:
    """A column of tables.

    Attributes:
        name: of the figure in records; with ``*``, of all that fit, such as one a class.
        label: its heading.
        note: what it is, in a few words.
        better: which direction is better; "" where neither is.
        by_count: whether it depends on the number of images, and compares at one number only.
        share: whether it is a share of the images, k of n: an interval then stands beside it.
    """

    name: str
    label: str
    note: str
    better: Literal["higher", "lower", ""] = ""
    by_count: bool = False
    share: bool = False

    @property
    def reading(self) -> str:
        """The note, and which direction is better."""
        return f"{self.note}, {self.better} is better" if self.better else self.note

    def takes(self, figure: str) -> bool:
        """Whether a figure is one of its."""
        return fnmatchcase(figure, self.name)
