"""Tables of figures beside the paper's: which rows and columns anybody has a number for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from jeat.metrics import Column
from jeat.report.summary import Summary

__all__ = ["Table", "filled"]


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


def filled(tables: Sequence[Table], summary: Summary) -> list[dict[str, Any]]:
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
        for single in ([_named(c, k) for k in figures if c.takes(k)] if "*" in c.name else [c])
    ]


def _named(column: Column, figure: str) -> Column:
    """A column of one of the figures that it stands for, headed by what the * is there."""
    before, after = column.name.split("*")
    part = figure.removeprefix(before).removesuffix(after)
    label = column.label.replace("*", part) if "*" in column.label else figure
    return replace(column, name=figure, label=label)


def _numbers(column: Column, methods: Sequence[str], summary: Summary) -> list[int]:
    """The numbers of images of a column that depends on them, each different one once."""
    if not column.by_count:
        return []
    cells = (summary.get(m, {}).get(column.name) for m in methods)
    return sorted({n for cell in cells if cell is not None for n in cell.images})
