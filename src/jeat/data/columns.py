"""Which column of a table holds labels, and classes where they have no names: their values."""

import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from jeat._support.checks import SettingError, quoted
from jeat._support.reading import Reading
from jeat.data.labels import as_number

__all__ = ["is_missing", "label_column", "named", "say_others", "usual"]

_USUAL = (
    "label", "labels", "class", "class_name", "class_id", "category", "target", "fine_label", "y",
)  # fmt: skip
_NUMBER = re.compile("0|-?[1-9][0-9]*")
_NOTHING = {"nan", "<na>", "na", "n/a", "none", "null", "nil", "empty", "?"}


def usual(columns: Iterable[str]) -> list[str]:
    """Those with a usual name for labels, the most usual first."""
    return [k for name in _USUAL for k in columns if k.lower() == name]


def label_column(
    source: str,
    columns: Mapping[str, str],
    how: Reading,
    *,
    classed: Sequence[str] = (),
    split: str | None = None,
) -> str:
    """The column that labels are of: the one asked for, else one whose classes have names.

    Of several, the one with the usual name, else the first; what is not taken is said. Of columns
    without class names, one with a usual name or the only one is taken.

    Args:
        source: how the user named the data set.
        columns: those that may hold labels, with their kinds.
        how: with the label that is asked for.
        classed: those of them whose classes have names.
        split: the column that names splits, which is none of them.

    Raises:
        ValueError: there is none, or none can be told from the others; SettingError where the one
            that is asked for is not there.
    """
    shown = ", ".join(f"{k} ({kind})" for k, kind in columns.items()) or "none"
    if how.label is not None:
        if how.label not in columns:
            raise SettingError(f"{source} has no column {how.label!r} of labels, it has: {shown}")
        return how.label
    if not columns and split is not None:
        raise ValueError(
            f"{source} has no column of labels beside {split!r}, which names splits: add one, or "
            f"name it by label={split} where it holds labels"
        )
    known = usual(columns)
    if classed:
        chosen = next((k for k in known if k in classed), classed[0])
        others = [k for k in columns if k != chosen and (k in classed or k.lower() == "label")]
    else:
        if not known and len(columns) != 1:
            raise ValueError(
                f"{source} needs a column of labels, it has: {shown}: name the one by label=COLUMN"
            )
        chosen = known[0] if known else next(iter(columns))
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
    """Whether it stands for no label: null, NaN, nothing, or -1, as a number or in text."""
    return label in (None, "", -1) or label != label or as_number(str(label)) == -1


def named(
    columns: Mapping[str, Sequence[Any]], where: Callable[[str], str]
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Labels by split as numbers, and the classes: all values, sorted, numbers by their size.

    Text that may stand for a missing label, such as ``nan``, is a class, and warned of. Where all
    other labels are numbers, text such as ``1.0`` is one, as a float is.

    Args:
        columns: split -> numbers or text.
        where: what an error names, by the split.

    Raises:
        ValueError: a label is missing, or no whole number, or every row has one of its own; one
            number is written in several ways.
    """
    texts = {split: _texts(values, where(split)) for split, values in columns.items()}
    found, first = {k for values in texts.values() for k in values}, where(next(iter(texts)))
    _check_once(found, first)
    if all(as_number(k) is not None or _is_nothing(k) for k in found):
        texts = {split: _whole(values, where(split)) for split, values in texts.items()}
        found = {k for values in texts.values() for k in values}
    rows = sum(map(len, texts.values()))
    if rows > 2 and len(found) == rows:
        raise ValueError(
            f"{first}: every row has a label of its own: name the column of classes by label=COLUMN"
        )
    for split, values in texts.items():
        _say_nothing(values, where(split))
    numbers = all(map(_NUMBER.fullmatch, found))
    classes = tuple(sorted(found, key=int) if numbers else sorted(found))
    at = {name: i for i, name in enumerate(classes)}
    return {
        split: np.array([at[k] for k in values], dtype=np.int64) for split, values in texts.items()
    }, classes


def _texts(labels: Sequence[Any], where: str) -> list[str]:
    """Labels as text.

    Raises:
        ValueError: one is missing, or a number that is not whole.
    """
    found = []
    for i, label in enumerate(labels):
        if is_missing(label):
            raise ValueError(
                f"{where}: a label is missing in row {i}: give it one, or remove the row; -1 "
                "stands for none"
            )
        if isinstance(label, float) and not label.is_integer():
            raise ValueError(_not_whole(label, i, where))
        found.append(str(int(label) if isinstance(label, float) else label))
    return found


def _whole(labels: Sequence[str], where: str) -> list[str]:
    """Numbers as text, those such as ``1.0`` and ``1e1`` without point and exponent.

    Raises:
        ValueError: one is not whole.
    """
    found = []
    for i, label in enumerate(labels):
        number = None if label.lstrip("+-").isdigit() else as_number(label)
        if number is not None and number != number.to_integral_value():
            raise ValueError(_not_whole(label, i, where))
        found.append(label if number is None else str(int(number)))
    return found


def _not_whole(label: object, row: int, where: str) -> str:
    return (
        f"{where}: the label in row {row} is {quoted(label)}: labels are whole numbers or text; "
        "number the classes from 0, or name them"
    )


def _check_once(labels: Iterable[str], where: str) -> None:
    """Refuse one number that is written in several ways."""
    one: dict[Decimal, str] = {}
    for text in sorted(labels, key=lambda k: (len(k), k)):
        number = as_number(text)
        if number is not None and (other := one.setdefault(number, text)) != text:
            raise ValueError(
                f"{where}: labels {other!r} and {text!r} are one number: write it in one way"
            )


def _is_nothing(label: str) -> bool:
    return label.strip().casefold() in _NOTHING


def _say_nothing(labels: Sequence[str], where: str) -> None:
    """Warn of text that may stand for a missing label."""
    if odd := [k for k in labels if _is_nothing(k)]:
        listed = ", ".join(map(repr, dict.fromkeys(odd)))
        warnings.warn(
            f"{where}: {len(odd)} label{'s are' if odd[1:] else ' is'} {listed}, likely missing: "
            "they are taken as classes; remove the rows where they are none",
            stacklevel=1,
        )
