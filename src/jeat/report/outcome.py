"""What came out, in three sentences: the best of each column, the orders that held, the doubts."""

import math
from collections.abc import Mapping, Sequence

from jeat.metrics import Column
from jeat.report.summary import Cell, Summary

__all__ = ["best_of", "outcome"]


def best_of(column: Column, methods: Sequence[str], summary: Summary) -> list[str]:
    """The method with the best mean of a column, and those that cannot be told from it.

    These are printed alike, or lie within two standard errors of the difference of the means.
    Figures that were found on different numbers of images are not compared.

    Returns:
        The best first; nothing where the column has no better direction, fewer than two methods
        have it, or all of them are alike.
    """
    cells = {m: cell for m in methods if (cell := summary.get(m, {}).get(column.name)) is not None}
    apart = column.by_count and len({cell.images for cell in cells.values()}) > 1
    if not column.better or len(cells) < 2 or apart:
        return []
    choose = max if column.better == "higher" else min
    first = choose(cells, key=lambda m: cells[m].mean)
    found = [first, *(m for m in cells if m != first and _alike(cells[m], cells[first]))]
    return found if len(found) < len(cells) else []


def _alike(a: Cell, b: Cell) -> bool:
    """Whether two figures cannot be told apart."""
    if str(a) == str(b):
        return True
    error = math.hypot(*(c.std / math.sqrt(len(c.values)) for c in (a, b)))
    return abs(a.mean - b.mean) <= 2 * error  # never of one seed, whose error is not known


def outcome(
    columns: Sequence[Column],
    methods: Sequence[str],
    summary: Summary,
    claims: Mapping[str, tuple[int, int]],
    warnings: Sequence[str],
) -> list[str]:
    """At most three sentences.

    Args:
        columns, methods: of the table in short.
        summary: of :func:`jeat.report.summarise`.
        claims: orderings in words: in how many seeds they held, of how many.
        warnings: what makes numbers doubtful.
    """
    of = max((len(cell.values) for row in summary.values() for cell in row.values()), default=0)
    said = [_best_in_words(columns, methods, summary, of)] if len(methods) > 1 else []
    if claims:
        whole = sum(held == seeds for held, seeds in claims.values())
        none = sum(held == 0 for held, _ in claims.values())
        tested = f"Of {len(claims)} orderings that were tested"
        said.append(
            f"{tested}, {whole} held in every seed, {none} in none, and "
            f"{len(claims) - whole - none} in some."
            if of > 1
            else f"{tested} on one seed, {whole} held and {none} did not."
        )
    said.append(
        "No net shows signs of gradient masking, and nothing else is to be warned of."
        if not warnings
        else f"There are {len(warnings)} warnings below: read them before you quote a number."
        if len(warnings) > 1
        else "There is a warning below: read it before you quote a number."
    )
    return said


def _best_in_words(
    columns: Sequence[Column], methods: Sequence[str], summary: Summary, seeds: int
) -> str:
    """Which methods are best in which columns."""
    found = [(c, names) for c in columns if (names := best_of(c, methods, summary))]
    if not found:
        return "No method is best in any column: all are alike."
    best = [
        f"{c.label.partition(', n = ')[0]} {summary[names[0]][c.name]} ({', '.join(names)})"
        for c, names in found
    ]
    how = f"means over {seeds} seeds" if seeds > 1 else "of one seed"
    alike = any(len(names) > 1 for _, names in found)
    return f"Best of the methods, {how}: {', '.join(best)}." + (
        " Methods that are named together cannot be told apart." if alike else ""
    )
