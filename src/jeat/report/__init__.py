"""What a person looks at: tables and pages, from plain values. It knows no method by name."""

from jeat._support.table import in_csv, in_latex, table
from jeat.figures import grid, panels
from jeat.metrics import Column
from jeat.report.page import Figure, markdown, page, write_csv
from jeat.report.summary import Cell, Summary, ordering, summarise
from jeat.report.tables import Table

__all__ = [
    "Cell", "Column", "Figure", "Summary", "Table", "grid", "in_csv", "in_latex", "markdown",
    "ordering", "page", "panels", "summarise", "table", "write_csv",
]  # fmt: skip
