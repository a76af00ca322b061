"""Which columns of a data set of the library datasets hold images, labels and splits."""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from jeat._support.reading import Reading
from jeat.data.columns import label_column, say_others, usual
from jeat.data.images import SOURCES
from jeat.data.split_columns import is_like, rows_of, split_column
from jeat.data.splits import SPLIT_OF

__all__ = ["image_column", "label_of", "split_by_column"]

_TEXT = "string", "large_string"
_FLOATS = "float16", "float32", "float64"
_PLAIN = (
    *_TEXT, "bool", "int8", "int16", "int32", "int64", "uint8", "uint16",
    "uint32", "uint64",
)  # fmt: skip


def image_column(source: str, features: Any) -> str:
    """The column of images: of several the one with the usual name, else the first, which is said.

    Raises:
        ValueError: there is none.
    """
    import datasets

    names = [k for k, f in features.items() if isinstance(f, datasets.Image) or _holds_files(f)]
    if not names:
        kinds = ", ".join(f"{k} ({getattr(f, 'dtype', f)})" for k, f in features.items())
        raise ValueError(f"{source} has no column of images, it has: {kinds}; {SOURCES}")
    typed = [k for k in names if isinstance(features[k], datasets.Image)] or names
    chosen = "image" if "image" in typed else typed[0]
    others = [k for k in features if k != chosen and (k in typed or k == "image")]
    say_others(source, "images", chosen, others)
    return chosen


def _holds_files(feature: Any) -> bool:
    """Whether it is a column of image files that its writer did not call one."""
    if isinstance(feature, dict):
        return {*feature} == {"bytes", "path"}
    return getattr(feature, "dtype", None) in ("binary", "large_binary")


def label_of(source: str, features: Any, how: Reading, split: str | None) -> str:
    """The column of labels, classed or plain; errors as :func:`label_column`.

    Raises:
        ValueError: one with a usual name, or the one that is asked for, holds no labels.
    """
    import datasets

    kinds = {k: str(getattr(f, "dtype", f)) for k, f in features.items()}
    classed = [k for k, f in features.items() if isinstance(f, datasets.ClassLabel)]
    known = [how.label] if how.label in features else usual(features)
    columns = {
        k: kind
        for k, kind in kinds.items()
        if k in classed or kind in _PLAIN or (k in known and kind in _FLOATS)
    }
    odd = [k for k in known if k not in columns]
    if odd and not classed and columns.keys().isdisjoint(known):
        raise ValueError(
            f"column {odd[0]!r} of {source} holds {kinds[odd[0]]}: labels are one whole number or "
            "text an image; name another column by label=COLUMN"
        )
    return label_column(source, columns, how, classed=classed, split=split)


def split_by_column(
    source: str, splits: Mapping[str, Any], image: str, how: Reading
) -> tuple[Mapping[str, Any], str | None]:
    """The splits, which a column may name where files name none, and that column.

    Raises:
        ValueError: it names other splits than files do, or is in doubt.
    """
    (name, part), *others = splits.items()
    alone = not others and name not in ("validation", "test")

    columns = [
        k
        for k, f in part.features.items()
        if k != image and _may_name(k, f) and all(k in one.features for _, one in others)
    ]
    column = split_column(
        source, columns, lambda k: chain.from_iterable(_words(p, k) for p in splits.values()), how,
        alone=alone,
    )  # fmt: skip
    if column is None:
        return splits, None
    if alone:
        rows = rows_of(_words(part, column))
        return {k: part.select(at) for k, at in rows.items()}, column
    for k, one in splits.items():
        if odd := sorted({*rows_of(_words(one, column))} - {SPLIT_OF.get(str(k).lower(), k)}):
            raise ValueError(
                f"split {k!r} of {source} has rows of {odd[0]!r} by its column {column!r}: put "
                "them elsewhere, or take the column out"
            )
    return splits, column


def _may_name(name: str, feature: Any) -> bool:
    """Whether a column may hold words or numbers of splits."""
    kind = str(getattr(feature, "dtype", feature))
    return kind in _TEXT or (kind in (*_PLAIN, *_FLOATS) and is_like(name))


def _words(part: Any, column: str) -> Iterator[str]:
    """The values of a column as text, by their class names where they have some."""
    name = getattr(part.features[column], "int2str", str)
    for table in part.select_columns(column).with_format("arrow").iter(batch_size=1000):
        for value in table[column].to_pylist():
            yield "" if value is None or value == -1 else str(name(value))
