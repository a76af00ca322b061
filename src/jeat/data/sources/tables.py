"""A table in text (.csv, .tsv) of the paths of images, beneath its folder, and their labels.

::

    path,label,split
    cats/1.png,cat,train
    dogs/7.png,dog,test

A column ``split``, or of another usual name, may be there or not.
"""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jeat._support.files import stamp
from jeat._support.reading import Reading
from jeat.data.columns import label_column
from jeat.data.decode import checked, coloured, decoded, line
from jeat.data.images import Data
from jeat.data.split_columns import rows_of, split_column
from jeat.data.splits import Part, data_of_parts

__all__ = ["key", "read", "reads"]

has_columns = True

_PATHS = (
    "path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "img",
    "img_path", "image_file",
)  # fmt: skip
_FORM = "its first line names its columns, such as path,label; each other one is an image"


@dataclass(frozen=True)
class _Table:
    """Rows of text below a header.

    Attributes:
        header: names of columns.
        rows: cells.
        lines: where in the file each row is.
    """

    header: list[str]
    rows: list[list[str]]
    lines: list[int]

    def column(self, name: str) -> list[str]:
        """The cells of a column."""
        at = self.header.index(name)
        return [row[at] for row in self.rows]


def reads(source: str, path: Path) -> bool:
    """Whether it is a file named like such a table."""
    return path.suffix.lower() in (".csv", ".tsv") and path.is_file()


def key(source: str, path: Path) -> str:
    """A key of the table, and of the stamps of its images."""
    table = _table(path)
    files = [Path(file["path"]) for file in _files(path, table, _paths(path, table))]
    return json.dumps([str(path.resolve()), table.header, table.rows, [*map(stamp, files)]])


def read(source: str, path: Path, how: Reading) -> Data:
    """Every image that it names.

    Raises:
        ValueError: a table without a header, a column of paths or one of labels; a row that is
            short, has no label, or a path that is no image beneath the table's folder, or is there
            twice; a column of splits with other words, or of another name.
    """
    table = _table(path)
    paths = _paths(path, table)
    others = [k for k in table.header if k != paths]
    split = split_column(source, others, table.column, how)
    plain = {k: "text" for k in others if k != split}
    label = label_column(source, plain, how, split=split)
    labels = table.column(label)
    for cell, at in zip(labels, table.lines, strict=True):
        if not cell:
            raise ValueError(f"line {at} of {path} has no label: add it, or remove it")
    rows = rows_of(["train"] * len(labels) if split is None else table.column(split))
    files = _files(path, table, paths)
    pixels = coloured(
        [
            decoded(checked([files[i] for i in at], paths, path.parent), how, len(files))
            for at in rows.values()
        ]
    )
    parts = {
        name: Part(
            x, np.array([labels[i] for i in at]), f"split {name!r} (column {label!r})", axis=-1
        )
        for (name, at), x in zip(rows.items(), pixels, strict=True)
    }
    return data_of_parts(source, parts)


def _table(path: Path) -> _Table:
    """The table, commas, semicolons or tabs being between its cells.

    Raises:
        ValueError: it is damaged, empty, or has rows of other lengths than its header.
    """
    rows, lines = [], []
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            first = text.readline()
            text.seek(0)
            between = max(",;\t", key=first.count)
            for row in (reader := csv.reader(text, delimiter=between, strict=True)):
                if row:
                    rows.append([cell.strip() for cell in row])
                    lines.append(reader.line_num)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is no table in UTF-8: {line(error)}: save it anew") from error
    if len(rows) < 2:
        raise ValueError(f"{path} has {'no rows' if rows else 'nothing in it'}: {_FORM}")
    header = rows[0]
    if len({*header}) < len(header):
        raise ValueError(f"{path} names a column twice: {', '.join(header)}: rename one")
    for row, at in zip(rows, lines, strict=True):
        if any("\0" in cell for cell in row):
            raise ValueError(
                f"line {at} of {path} holds a NUL byte, which no text has: save it anew"
            )
        if len(row) != len(header):
            raise ValueError(
                f"line {at} of {path} has {len(row)} cells, its header {len(header)}: quote a cell "
                "with a comma in it"
            )
    return _Table(header, rows[1:], lines[1:])


def _paths(path: Path, table: _Table) -> str:
    """The column of paths: one with a usual name, else the one whose first cell is a file.

    Raises:
        ValueError: there is none, or there are several.
    """
    if any((path.parent / k).is_file() for k in table.header):
        raise ValueError(f"{path} has no header: {_FORM}")
    usual = [k for k in table.header if k.lower() in _PATHS]
    first = dict(zip(table.header, table.rows[0], strict=True))
    found = usual or [k for k, cell in first.items() if cell and _place(path, cell).is_file()]
    if len(found) == 1:
        return found[0]
    said = "columns of paths " + ", ".join(found) if found else f"columns {', '.join(table.header)}"
    raise ValueError(f"{path} has the {said}: name the one of paths 'path', and only it")


def _files(path: Path, table: _Table, paths: str) -> list[dict[str, Any]]:
    """The files of a table's rows.

    Raises:
        ValueError: one is not there, not beneath the table's folder, or there twice.
    """
    files, lines = [], dict[tuple[int, int], int]()
    for cell, at in zip(table.column(paths), table.lines, strict=True):
        file = _file(path, cell, at)
        of = Path(file["path"]).stat()
        if (first := lines.setdefault((of.st_dev, of.st_ino), at)) != at:
            raise ValueError(
                f"{cell!r} in line {at} of {path} is the file of line {first} again: no image may "
                "be in two splits, or twice in one: remove one of them"
            )
        files.append(file)
    return files


def _file(table: Path, cell: str, at: int) -> dict[str, Any]:
    """The file of a cell.

    Raises:
        ValueError: it is not there, or not beneath the table's folder.
    """
    folder, said = table.parent, f"{cell!r} in line {at} of {table}"
    try:
        place = _place(table, cell)
        if not place.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"{said} does not lie beneath {folder}: put it there, and name it so")
        if not cell or not place.is_file():
            raise ValueError(f"{said} is no file: paths are from {folder}")
    except OSError as error:  # no name of a file
        raise ValueError(f"{said} is no file: {line(error)}") from error
    return {"bytes": None, "path": str(place)}


def _place(table: Path, cell: str) -> Path:
    """Where a cell's file lies; backslashes, as of Windows, are slashes where none is named so."""
    place = table.parent / cell
    return place if place.is_file() else table.parent / cell.replace("\\", "/")
