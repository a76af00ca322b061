"""The letters of pictures: Latin, Greek, Cyrillic and more, of a font that matplotlib brings."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import ImageFont

__all__ = ["font", "legible"]

_FILE = "mpl-data/fonts/ttf/DejaVuSans.ttf"
_NO_LETTER = "\U0010ffff"  # no font has it: what is drawn in its place is a box


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """DejaVu Sans, found without importing matplotlib; Pillow's own where it is not there."""
    found = find_spec("matplotlib")
    file = Path((found and found.origin) or "nowhere").parent / _FILE
    return ImageFont.truetype(file, size) if file.is_file() else ImageFont.load_default(size)


def legible(classes: Sequence[str]) -> tuple[str, ...]:
    """The names of classes as pictures have them, each another.

    Where the font lacks a letter of a name, the number of the class stands beside it.
    """
    names = [unicodedata.normalize("NFC", name) for name in classes]
    times = Counter(names)
    return tuple(
        name if times[name] == 1 and _can_be_read(name) else f"{_printable(name)} ({k})"
        for k, name in enumerate(names)
    )


def _can_be_read(name: str) -> bool:
    return bool(name.strip()) and name.isprintable() and all(map(_is_there, name))


@cache
def _is_there(letter: str) -> bool:
    """Whether the font has a letter: it is not drawn as the box of one that no font has."""
    drawn, box = (font(20).getmask(c) for c in (letter, _NO_LETTER))
    return drawn.size != box.size or bytes(drawn) != bytes(box)


def _printable(name: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
