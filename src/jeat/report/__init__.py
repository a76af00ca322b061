"""What a person looks at: image grids and tables, from plain values."""

from jeat.report.grid import grid, panels
from jeat.report.provenance import provenance
from jeat.report.table import table

__all__ = ["grid", "panels", "provenance", "table"]
