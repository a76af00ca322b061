"""Pictures: one kind a file, each a function of plain values."""

from jeat.figures._font import legible
from jeat.figures._trial import check_drawing
from jeat.figures.captioned import Cell, captioned, text_width
from jeat.figures.image_grid import fitting, grid, panels, rows

__all__ = [
    "Cell",
    "captioned",
    "check_drawing",
    "fitting",
    "grid",
    "legible",
    "panels",
    "rows",
    "text_width",
]
