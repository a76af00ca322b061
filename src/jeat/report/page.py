"""One self-contained HTML page, and the same tables as CSV."""

import base64
import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jeat.report._paper import PAPER
from jeat.report._summary import Summary
from jeat.report._table import table as markdown_table

__all__ = ["Column", "Figure", "Table", "markdown", "page", "write_csv"]


@dataclass(frozen=True)
class Column:
    """A column: the figure's name, its heading, and the protocol behind it."""

    name: str
    label: str
    note: str


@dataclass(frozen=True)
class Table:
    """A table to show: its rows are methods, some of which only the paper has."""

    title: str
    note: str
    columns: Sequence[Column]
    methods: Sequence[str]


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
    orderings: Sequence[tuple[str, int, int]],
    figures: Sequence[Figure],
    made_with: Mapping[str, str],
) -> str:
    """The report: each number beside the paper's, its command below the table, figures within."""
    from jinja2 import Environment

    template = (Path(__file__).parent / "page.html").read_text()
    return Environment(autoescape=True).from_string(template).render(
        title=title, summary=about, protocol=protocol,
        tables=[_shown(table, summary) for table in tables], orderings=orderings,
        figures=[
            vars(f) | {"data": base64.b64encode(f.file.read_bytes()).decode()} for f in figures
        ],
        made_with=made_with,
    )  # fmt: skip


def _shown(table: Table, summary: Summary) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    commands: dict[str, list[str]] = {}
    for method in table.methods:
        cells = []
        for column in table.columns:
            cell = summary.get(method, {}).get(column.name)
            if cell is not None:
                first = cell.commands[min(cell.commands)]
                commands.setdefault(first, []).append(f"{method} {column.label}")
            paper = PAPER.get(column.name, {}).get(method)
            cells.append({
                "ours": "" if cell is None else str(cell),
                "paper": "" if paper is None else f"{paper:.4g}",
            })  # fmt: skip
        rows.append({"method": method, "cells": cells})
    seeds = [s for cells in summary.values() for cell in cells.values() for s in cell.values]
    return vars(table) | {"rows": rows, "commands": commands, "seed": min(seeds, default=0)}


def markdown(tables: Sequence[Table], summary: Summary) -> str:
    """The tables in Markdown, a section each; columns that nobody has are left out."""
    sections = []
    for table in tables:
        shown = _shown(table, summary)
        rows = [
            {"method": row["method"]}
            | {
                c.label: _beside(**cell)
                for c, cell in zip(table.columns, row["cells"], strict=True)
            }
            for row in shown["rows"]
        ]
        known = [k for k in rows[0] if any(row[k] for row in rows)]
        text = markdown_table([{k: row[k] for k in known} for row in rows])
        sections.append(f"## {table.title}\n\n{table.note}\n\n{text}\n")
    return "\n".join(sections)


def _beside(ours: str, paper: str) -> str:
    return f"{ours or '-'} (paper {paper})" if paper else ours


def write_csv(file: Path, tables: Sequence[Table], summary: Summary) -> None:
    """One line a number: table, method, column, mean, std, seeds, paper, command, note."""
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(
            ["table", "method", "column", "mean", "std", "seeds", "paper", "command", "note"]
        )
        for table in tables:
            for method in table.methods:
                for c in table.columns:
                    cell = summary.get(method, {}).get(c.name)
                    paper = PAPER.get(c.name, {}).get(method, "")
                    if cell is None and paper == "":
                        continue
                    ours = ["", "", 0, paper, "not run here"]
                    if cell is not None:
                        first = cell.commands[min(cell.commands)]
                        ours = [cell.mean, cell.std, len(cell.values), paper, first]
                    writer.writerow([table.title, method, c.name, *ours, c.note])
