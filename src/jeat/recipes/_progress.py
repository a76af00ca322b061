"""What a recipe yields while it works."""

from typing import NamedTuple

__all__ = ["Progress"]


class Progress(NamedTuple):
    """``done`` of ``total`` of a named stage, and what is being done."""

    stage: str
    done: int
    total: int
    note: str = ""
