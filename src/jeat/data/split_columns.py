"""Which column of a table names the split of each row: one of words such as train and test."""

import re
import warnings
from collections.abc import Callable, Iterable, Sequence

from jeat._support.reading import Reading
from jeat.data.columns import say_others
from jeat.data.splits import SPLIT_OF, split_named

__all__ = ["is_like", "rows_of", "split_column"]

_NAMES = {
    "split", "splits", "subset", "partition", "set", "fold", "phase", "usage", "stage", "dataset",
    "mode", "group", "purpose",
}  # fmt: skip
_ASIDE = {*SPLIT_OF, "holdout", "heldout"}
_FLAGS = {"0", "1", "0.0", "1.0", "true", "false", "yes", "no", "t", "f", "y", "n"}
_GIVE = "give train, validation or test"
_LONG = 3  # words of a split's name, such as test_2 or PublicTest
_MOST = 20  # numbers of splits or folds; a column of more counts something else


def split_column(
    source: str,
    names: Sequence[str],
    values: Callable[[str], Iterable[object]],
    how: Reading,
    *,
    alone: bool = True,
) -> str | None:
    """The column whose values all are words of splits, and whose name is one of a split; or None.

    Args:
        source: how the user named the data set.
        names: of columns that may be it.
        values: of such a column, each once.
        how: with the label that is asked for, whose column it is not.
        alone: whether files name no splits, so that a column in doubt is refused or said.

    Raises:
        ValueError: some values only are words of splits, or all are, but the name is another's.
    """
    found = []
    for name in names:
        if name == how.label:
            continue
        texts = [*dict.fromkeys("" if k is None else str(k).strip() for k in values(name))]
        known = all(text.lower() in SPLIT_OF for text in texts)
        if known and texts and is_like(name):
            found.append(name)
        elif alone and known:
            _check_name(source, name, texts, how)
        elif alone and is_like(name):
            _check_words(source, name, texts)
    if not found:
        return None
    chosen = next((k for k in found if k.lower() == "split"), found[0])
    say_others(source, "splits", chosen, [k for k in found if k != chosen])
    return chosen


def rows_of(words: Iterable[object]) -> dict[str, list[int]]:
    """Split -> its rows, of a column that :func:`split_column` chose."""
    found: dict[str, list[int]] = {}
    for i, word in enumerate(words):
        found.setdefault(SPLIT_OF[str(word).strip().lower()], []).append(i)
    return found


def is_like(name: str) -> bool:
    """Whether a column is named as those of splits are, such as ``data_split`` or ``isTest``."""
    return not _words(name).isdisjoint(_NAMES | _ASIDE)


def _words(name: str) -> set[str]:
    return {*re.findall("[a-z]+", _apart(name).lower())}


def _apart(text: str) -> str:
    """``PublicTest`` as ``Public_Test``."""
    return re.sub("(?<=[a-z])(?=[A-Z])", "_", text)


def _check_name(source: str, name: str, texts: Sequence[str], how: Reading) -> None:
    """Refuse a column of splits that is named otherwise; where labels are named, it is said.

    Raises:
        ValueError: as above.
    """
    if {SPLIT_OF[text.lower()] for text in texts} <= {"train"}:
        return
    said = f"column {name!r} of {source} holds words of splits only ({', '.join(texts[:5])})"
    rename = "rename it to 'split' where they are splits"
    if how.label is None:
        raise ValueError(f"{said}: {rename}, or name it by label={name} where they are labels")
    warnings.warn(f"{said}, and is not read: {rename}", stacklevel=1)


def _check_words(source: str, name: str, texts: Sequence[str]) -> None:
    """Refuse values of which some are no splits, or warn that they may be.

    Raises:
        ValueError: the column is ``split``, or all are like words of splits, or missing.
    """
    said = f"column {name!r} of {source}"
    odd = [text for text in texts if text.lower() not in SPLIT_OF]
    like = [text for text in texts if split_named(_apart(text)) and len(_words(text)) <= _LONG]
    if (name.lower() == "split" and any(texts)) or (like and {*texts} <= {*like, ""}):
        if "" in odd:
            raise ValueError(f"{said} has rows without a split: {_GIVE}")
        raise ValueError(f"{said} has the split {odd[0]!r}: {_GIVE}")
    flags = not _words(name).isdisjoint(_ASIDE) and {text.lower() for text in texts} <= _FLAGS
    numbers = len(texts) <= _MOST and all(re.fullmatch("[0-9]+", text) for text in texts)
    if like or flags or numbers:
        warnings.warn(
            f"{said} may say which rows are to test on, and is not read as that: write it as a "
            "column 'split' of train, validation and test, or take those rows out",
            stacklevel=1,
        )
