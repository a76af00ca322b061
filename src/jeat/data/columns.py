"""Which column of a table holds labels, and classes where they have no names: their values."""

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from jeat._support.checks import SettingError
from jeat._support.reading import Reading

__all__ = ["is_missing", "label_column", "named", "say_others"]

_USUAL = (
    "label", "labels", "class", "class_name", "class_id", "category", "target", "fine_label", "y",
)  # fmt: skip
_NUMBER = re.compile("0|-?[1-9][0-9]*")


def label_column(
    source: str, columns: Mapping[str, str], how: Reading, *, classed: Sequence[str] = ()
) -> str:
    """The column that labels are of: the one asked for, else one whose classes have names.

    Of several, the one with the usual name, else the first; what is not taken is said. Of columns
    without class names, one with a usual name or the only one is taken.

    Args:
        source: how the user named the data set.
        columns: those that may hold labels, with their kinds.
        how: with the label that is asked for.
        classed: those of them whose classes have names.

    Raises:
        ValueError: there is none, or none can be told from the others; SettingError where the one
            that is asked for is not there.
    """
    shown = ", ".join(f"{k} ({kind})" for k, kind in columns.items()) or "none"
    if how.label is not None:
        if how.label not in columns:
            raise SettingError(f"{source} has no column {how.label!r} of labels, it has: {shown}")
        return how.label
    usual = [k for name in _USUAL for k in columns if k.lower() == name]
    if classed:
        chosen = next((k for k in usual if k in classed), classed[0])
        others = [k for k in columns if k != chosen and (k in classed or k.lower() == "label")]
    else:
        if not usual and len(columns) != 1:
            raise ValueError(
                f"{source} needs a column of labels, it has: {shown}: name the one by label=COLUMN"
            )
        chosen = usual[0] if usual else next(iter(columns))
        others = [k for k in columns if k != chosen]
    say_others(source, "labels", chosen, others)
    return chosen


def say_others(source: str, what: str, chosen: str, others: Sequence[str]) -> None:
    """Warn of columns that may hold labels or images, too, and are not taken."""
    if others:
        warnings.warn(
            f"{source}: {what} are of column {chosen!r}, not of {', '.join(map(repr, others))}",
            stacklevel=1,
        )


def is_missing(label: object) -> bool:
    """Whether it stands for no label: null, nothing, or -1, as a number or in text."""
    return label in (None, "", -1, "-1")


def named(
    columns: Mapping[str, Sequence[Any]], where: Callable[[str], str]
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Labels by split as numbers, and the classes: all values, sorted, numbers by their size.

    Args:
        columns: split -> numbers or text.
        where: what an error names, by the split.

    Raises:
        ValueError: a label is missing, or every row has one of its own.
    """
    for split, values in columns.items():
        if missing := [i for i, k in enumerate(values) if is_missing(k)]:
            raise ValueError(
                f"{where(split)}: a label is missing in row {missing[0]}: give it one, or "
                "remove the row; -1 stands for none"
            )
    found = {str(k) for values in columns.values() for k in values}
    rows = sum(map(len, columns.values()))
    if rows > 2 and len(found) == rows:
        raise ValueError(
            f"{where(next(iter(columns)))}: every row has a label of its own: name the "
            "column of classes by label=COLUMN"
        )
    numbers = all(map(_NUMBER.fullmatch, found))
    classes = tuple(sorted(found, key=int) if numbers else sorted(found))
    at = {name: i for i, name in enumerate(classes)}
    return {
        split: np.array([at[str(k)] for k in values], dtype=np.int64)
        for split, values in columns.items()
    }, classes
