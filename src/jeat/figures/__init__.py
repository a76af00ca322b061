"""Pictures: one kind a file, each a function of plain values."""

from jeat.figures.image_grid import grid, panels

__all__ = ["grid", "panels"]
