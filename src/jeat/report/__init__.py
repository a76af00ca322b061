"""What a person looks at: image grids, curves, tables and pages, from plain values."""

from jeat.report._summary import Cell, Summary, ordering, summarise
from jeat.report._table import table
from jeat.report.curves import energy_changes, per_epoch
from jeat.report.grid import grid, panels
from jeat.report.page import Column, Figure, Table, markdown, page, write_csv
from jeat.report.provenance import provenance

__all__ = [
    "Cell", "Column", "Figure", "Summary", "Table", "energy_changes", "grid", "markdown",
    "ordering", "page", "panels", "per_epoch", "provenance", "summarise", "table", "write_csv",
]  # fmt: skip
