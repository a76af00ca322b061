"""One self-contained HTML page, and the same tables as CSV."""

import base64
import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jeat._support.table import table as as_markdown
from jeat.metrics import Column
from jeat.report.summary import Summary

__all__ = ["Column", "Figure", "Table", "markdown", "page", "write_csv"]


@dataclass(frozen=True)
class Table:
    """A table to show: its rows are methods, some of which only the paper has.

    Attributes:
        title, note: what stands above it.
        columns, methods: its columns and rows; those that nobody has a number for are left out.
        printed: the paper's numbers, ``{column: {method: value}}``.
    """

    title: str
    note: str
    columns: Sequence[Column]
    methods: Sequence[str]
    printed: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def paper(self, column: str, method: str) -> float | None:
        """The paper's number, if it has one."""
        return self.printed.get(column, {}).get(method)


@dataclass(frozen=True)
class Figure:
    """A picture file and what it shows; ``kind`` is ``plot`` or ``images``."""

    title: str
    caption: str
    file: Path
    kind: str


def page(
    *,
    title: str,
    about: str,
    protocol: Mapping[str, str],
    summary: Summary,
    tables: Sequence[Table],
    claims: Mapping[str, tuple[int, int]],
    warnings: Sequence[str],
    figures: Sequence[Figure],
    made_with: Mapping[str, str],
) -> str:
    """The report: each number beside the paper's, its command below the table, figures within.

    Args:
        title, about: what stands on top.
        protocol: how the numbers were obtained, by what they are.
        summary: of :func:`summarise`.
        tables, figures: in order.
        claims: the paper's orderings in words: in how many seeds they held, of how many.
        warnings: what makes numbers doubtful, a line each.
        made_with: versions and machine.
    """
    from jinja2 import Environment

    template = (Path(__file__).parent / "page.html").read_text()
    return Environment(autoescape=True).from_string(template).render(
        title=title, about=about, protocol=protocol,
        tables=_shown(tables, summary), claims=claims, warnings=warnings,
        figures=[
            vars(f) | {"data": base64.b64encode(f.file.read_bytes()).decode()} for f in figures
        ],
        made_with=made_with,
    )  # fmt: skip


def _shown(tables: Sequence[Table], summary: Summary) -> list[dict[str, Any]]:
    """The tables that have a row."""
    every = [_filled(table, summary) for table in tables]
    return [table for table in every if table["rows"]]


def _filled(table: Table, summary: Summary) -> dict[str, Any]:
    """A table's rows and columns that anybody has, and labels by command.

    The number of images stands in the heading of a column that depends on it, or in its cells,
    where they differ.
    """
    known = _single(table, summary)
    numbers = {c.name: _numbers(c, table.methods, summary) for c in known}

    def cell(method: str, column: Column) -> dict[str, str]:
        ours = summary.get(method, {}).get(column.name)
        paper = table.paper(column.name, method)
        n = ""
        if ours is not None and len(numbers[column.name]) > 1:
            n = f" (n = {', '.join(map(str, ours.images))})"
        return {
            "ours": "" if ours is None else f"{ours}{n}",
            "paper": "" if paper is None else f"{paper:.4g}",
        }

    def has(method: str, column: Column) -> bool:
        return any(cell(method, column).values())

    columns = [
        replace(c, label=f"{c.label}, n = {numbers[c.name][0]}")
        if len(numbers[c.name]) == 1 else c
        for c in known
        if any(has(m, c) for m in table.methods)
    ]  # fmt: skip
    methods = [m for m in table.methods if any(has(m, c) for c in columns)]
    commands: dict[str, list[str]] = {}
    for m in methods:
        for c in columns:
            ours = summary.get(m, {}).get(c.name)
            for command in () if ours is None else ours.commands.values():
                commands.setdefault(command, []).append(f"{m} {c.label}")
    rows = [{"method": m, "cells": [cell(m, c) for c in columns]} for m in methods]
    return vars(table) | {"columns": columns, "rows": rows, "commands": commands}


def _single(table: Table, summary: Summary) -> list[Column]:
    """The columns of a table, with one a figure for what stands for several."""
    names = {c.name for c in table.columns}
    figures = dict.fromkeys(k for m in table.methods for k in summary.get(m, {}) if k not in names)
    return [
        single
        for c in table.columns
        for single in (
            [replace(c, name=k, label=k) for k in figures if c.takes(k)] if "*" in c.name else [c]
        )
    ]


def _numbers(column: Column, methods: Sequence[str], summary: Summary) -> list[int]:
    """The numbers of images of a column that depends on them, each different one once."""
    if not column.by_count:
        return []
    cells = (summary.get(m, {}).get(column.name) for m in methods)
    return sorted({n for cell in cells if cell is not None for n in cell.images})


def markdown(tables: Sequence[Table], summary: Summary) -> str:
    """The tables in Markdown, a section each."""
    sections = []
    for shown in _shown(tables, summary):
        rows = [
            {"method": row["method"]}
            | {c.label: _beside(**v) for c, v in zip(shown["columns"], row["cells"], strict=True)}
            for row in shown["rows"]
        ]
        notes = "; ".join(f"{c.label}: {c.reading}" for c in shown["columns"])
        head = f"## {shown['title']}\n\n{shown['note']}"
        sections.append(f"{head}\n\n{as_markdown(rows)}\n\n{notes}.\n")
    return "\n".join(sections)


def _beside(ours: str, paper: str) -> str:
    return f"{ours or '-'} (paper {paper})" if paper else ours


def write_csv(file: Path, tables: Sequence[Table], summary: Summary) -> None:
    """One line a number: table, method, column, mean, std, seeds, images, paper, note, commands."""
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(
            [
                "table", "method", "column", "mean", "std", "seeds", "images", "paper", "note",
                "commands",
            ]
        )  # fmt: skip
        for table in tables:
            for method in table.methods:
                for c in table.columns:
                    cell = summary.get(method, {}).get(c.name)
                    paper = table.paper(c.name, method)
                    ours = ["", "", 0, ""]
                    if cell is not None:
                        std = "" if math.isnan(cell.std) else cell.std
                        images = " and ".join(map(str, cell.images))
                        ours = [cell.mean, std, len(cell.values), images]
                    elif paper is None:
                        continue
                    commands = "\n".join(cell.commands.values()) if cell else ""
                    writer.writerow(
                        [table.title, method, c.name, *ours, paper, c.reading, commands]
                    )
