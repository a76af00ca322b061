"""What was meant by a word that is misspelt."""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["near"]


def near(word: str, among: Iterable[str]) -> str:
    """``": did you mean images?"`` of what is near to a word; "" where nothing is."""
    found = get_close_matches(word, list(among), 1)
    return f": did you mean {found[0]}?" if found else ""
