"""Recipes: one published experiment per file, run by ``jeat reproduce FILE``.

Each file has ``reproduce(out, *, ...) -> Iterator[Progress]``, whose keyword-only arguments are its
flags; it writes what it finds into the folder ``out``, ending with ``results.json`` and
``table.md``.
"""

from jeat.recipes._progress import Progress

__all__ = ["Progress"]
