"""How a data set is read: at which size, with which labels, on which colour; its name says so.

::

    photos?size=32&background=white       the folder photos, read so

The part after the question mark is a URL's query. So one string names a data set completely, in a
plan, in ``run.json``, on a card and in the command that finds a figure again.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from jeat._support.checks import SettingError, quoted
from jeat._support.files import expanded

__all__ = ["Reading", "reading_of"]

_COLOURS = {"white": "ffffff", "black": "000000"}
_LARGEST = 16384


@dataclass(frozen=True, init=False)
class Reading:
    """How images and labels of a source are taken.

    Attributes:
        size: (H, W) that images are brought to: shrunk or enlarged until they cover it, then cut to
            it at the centre. None leaves them as they are. Given as 32, ``"32"``, ``"32x48"``
            (height x width) or a pair, it is kept as a pair.
        label: the column that labels are of; None is the one there is, or the usual one.
        background: colour behind transparent pixels: white, black, or #rrggbb. None is black, which
            is warned of.
        labels_per_class: how many labelled images of each class there are to train on, the same
            ones every time; None is all.
        validation: how many of the training images are held out to be tested on in the place of the
            test split; None is none.
    """

    size: tuple[int, int] | None
    label: str | None
    background: str | None
    labels_per_class: int | None
    validation: int | None

    def __init__(
        self,
        size: int | str | Sequence[int] | None = None,
        label: str | None = None,
        background: str | None = None,
        labels_per_class: int | str | None = None,
        validation: int | str | None = None,
    ) -> None:
        object.__setattr__(self, "size", _size(size))
        object.__setattr__(self, "label", label)
        object.__setattr__(self, "background", _colour(background))
        for name, given in (("labels_per_class", labels_per_class), ("validation", validation)):
            object.__setattr__(self, name, _number(name, given))
        if label is not None and (not isinstance(label, str) or not label):
            raise SettingError(f"label must name a column, got {quoted(label)}")

    @property
    def rgb(self) -> tuple[int, int, int]:
        """The background's red, green and blue, 0..255; black where none is stated."""
        name = self.background or "black"
        red, green, blue = bytes.fromhex(_COLOURS.get(name, name.lstrip("#")))
        return red, green, blue

    def of(self, source: str) -> str:
        """The whole name of ``source`` as it is read so; ``source`` where all is at its default."""
        height, width = self.size or (0, 0)
        words = {
            "size": f"{height}" if height == width else f"{height}x{width}",
            "label": self.label,
            "background": (self.background or "").lstrip("#"),
            "labels_per_class": self.labels_per_class,
            "validation": self.validation,
        }
        query = urlencode({k: words[k] for k, v in asdict(self).items() if v}, quote_via=quote)
        return f"{source}?{query}" if query else source


def reading_of(name: str, **given: Any) -> tuple[str, Reading]:
    """The source in a data set's whole name, and how it is read.

    Args:
        name: a source, with or without ``?size=...&label=...`` and the other settings. A path that
            exists as it stands is a source.
        given: settings of :class:`Reading` beside the name; None is none.

    Raises:
        SettingError: a name with an unknown key, or one that is given twice; a setting that means
            nothing.
    """
    given = {k: v for k, v in given.items() if v is not None}
    source, mark, query = name.rpartition("?")
    if not mark or _exists(name):
        return name, Reading(**given)
    pairs = parse_qsl(query, keep_blank_values=True)
    known = [*Reading.__dataclass_fields__]
    odd = [k for k, _ in pairs if k not in known] or [query] * (not pairs)
    if odd:
        raise SettingError(
            f"{name} has no key {odd[0]!r}: after the ? of a data set come {', '.join(known)}, as "
            "in photos?size=32&background=white"
        )
    keys = [k for k, _ in pairs] + [*given]
    if twice := [k for k in known if keys.count(k) > 1]:
        raise SettingError(f"{twice[0]} of {name} is given twice: leave one out")
    words: dict[str, Any] = dict(pairs)
    return source, Reading(**words | given)


def _exists(name: str) -> bool:
    try:
        return expanded(name).exists()
    except (OSError, ValueError):  # no name of a file
        return False


def _size(given: Any) -> tuple[int, int] | None:
    """A size as (H, W)."""
    if given is None:
        return None
    size = given
    if isinstance(size, str) and re.fullmatch(r"[0-9]{1,5}(x[0-9]{1,5})?", size):
        size = tuple(map(int, size.split("x")))
    pair = tuple(size) if isinstance(size, list | tuple) else (size,)
    pair = pair * 2 if len(pair) == 1 else pair
    if len(pair) != 2 or not all(type(n) is int and 1 <= n <= _LARGEST for n in pair):
        raise SettingError(
            f"size must be a number of pixels from 1 to {_LARGEST}, such as 32, or HEIGHTxWIDTH, "
            f"such as 32x48, got {quoted(given)}"
        )
    return pair


def _colour(given: Any) -> str | None:
    """A colour by its name, or as #rrggbb."""
    if given is None or given in (*_COLOURS,):
        return given  # type: ignore[no-any-return]
    found = re.fullmatch(r"#?([0-9a-fA-F]{6})", given) if isinstance(given, str) else None
    if found is None:
        raise SettingError(f"background must be white, black or #rrggbb, got {quoted(given)}")
    return f"#{found[1].lower()}"


def _number(name: str, given: Any) -> int | None:
    """A number of images."""
    if given is None:
        return None
    number = int(given) if isinstance(given, str) and re.fullmatch("[0-9]{1,9}", given) else given
    if type(number) is not int or not 1 <= number < 10**9:
        raise SettingError(f"{name} must be a number of images, at least 1, got {quoted(given)}")
    return number
