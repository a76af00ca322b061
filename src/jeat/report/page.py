"""One self-contained HTML page, and the same tables as CSV."""

import base64
import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jeat._support.table import table as as_markdown
from jeat.report.outcome import best_of, outcome
from jeat.report.summary import Summary
from jeat.report.tables import Table, filled

__all__ = ["Figure", "markdown", "page", "write_csv"]

WIDE = 8  # columns that a page of 1,200 pixels holds


@dataclass(frozen=True)
class Figure:
    """A picture file and what it shows.

    Attributes:
        title, caption: what stands above and below it.
        file: PNG.
        kind: ``plot`` or ``images``.
        lead: whether it is what a reader comes for, and stands first.
    """

    title: str
    caption: str
    file: Path
    kind: str
    lead: bool = False


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
    """The report: what came out, pictures, each number beside the paper's and its command.

    Wide tables are cut into blocks of columns that a page of 1,200 pixels holds; those of more than
    one block fold, and so do protocol and commands. Printing opens what is folded, but commands.

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
    shown = [
        _in_blocks(t, summary) | {"id": f"table-{i}"} for i, t in enumerate(filled(tables, summary))
    ]
    drawn = [
        vars(f) | {"data": base64.b64encode(f.file.read_bytes()).decode(), "id": f"figure-{i}"}
        for i, f in enumerate(figures)
    ]
    first, *others = shown or [{"columns": [], "methods": []}]
    sections = [*(f for f in drawn if f["lead"]), *shown[:1]]
    places = {s["id"]: s["title"] for s in sections}
    places |= {"orderings": "The paper's orderings"} if claims else {}
    places |= {"warnings": "Warnings"}
    places |= {s["id"]: s["title"] for s in [*(f for f in drawn if not f["lead"]), *others]}
    return Environment(autoescape=True).from_string(template).render(
        title=title, about=about, protocol=protocol, tables=shown, figures=drawn, claims=claims,
        warnings=warnings, made_with=made_with, places=places | {"protocol": "Protocol"},
        outcome=outcome(first["columns"], first["methods"], summary, claims, warnings),
    )  # fmt: skip


def _in_blocks(table: dict[str, Any], summary: Summary) -> dict[str, Any]:
    """A filled table with its columns in blocks, in each of which are the rows that have a number,
    and the best of a column are marked.
    """
    columns = table["columns"]
    best = [best_of(c, table["methods"], summary) for c in columns]
    number = -(-len(columns) // WIDE)
    blocks = []
    for i in range(number):
        at = range(i * len(columns) // number, (i + 1) * len(columns) // number)
        rows = [
            {
                "method": row["method"],
                "cells": [row["cells"][k] | {"best": row["method"] in best[k]} for k in at],
            }
            for row in table["rows"]
            if any(any(row["cells"][k].values()) for k in at)
        ]
        blocks.append({"columns": [columns[k] for k in at], "rows": rows})
    return table | {"blocks": blocks, "long": number > 1}


def markdown(tables: Sequence[Table], summary: Summary) -> str:
    """The tables in Markdown, a section each."""
    sections = []
    for shown in filled(tables, summary):
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
