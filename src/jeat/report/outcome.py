"""What came out, in three sentences: the best of each column, the orders that held, the doubts."""

from collections.abc import Mapping, Sequence

from jeat.metrics import Column
from jeat.report.summary import Cell, Summary

__all__ = ["best_of", "outcome"]


def best_of(column: Column, methods: Sequence[str], summary: Summary) -> tuple[str, Cell] | None:
    """The method with the best mean of a column, and its cell; the first of several alike.

    Figures that were found on different numbers of images are not compared.

    Returns:
        None where the column has no better direction, or fewer than two methods have it.
    """
    cells = {m: cell for m in methods if (cell := summary.get(m, {}).get(column.name)) is not None}
    apart = column.by_count and len({cell.images for cell in cells.values()}) > 1
    if not column.better or len(cells) < 2 or apart:
        return None
    choose = max if column.better == "higher" else min
    name = choose(cells, key=lambda m: cells[m].mean)
    return name, cells[name]


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
    found = [(c, best_of(c, methods, summary)) for c in columns]
    best = [f"{c.label.partition(', n = ')[0]} {top[1]} ({top[0]})" for c, top in found if top]
    of = max((len(cell.values) for row in summary.values() for cell in row.values()), default=0)
    said = []
    if best:
        seeds = f"means over {of} seeds" if of > 1 else "of one seed"
        said.append(f"Best of the methods, {seeds}: {', '.join(best)}.")
    if claims:
        whole = sum(held == seeds for held, seeds in claims.values())
        none = sum(held == 0 for held, _ in claims.values())
        said.append(
            f"Of {len(claims)} orderings that were tested, {whole} held in every seed, {none} in "
            f"none, and {len(claims) - whole - none} in some."
        )
    said.append(
        "No net shows signs of gradient masking, and nothing else is to be warned of."
        if not warnings
        else f"There are {len(warnings)} warnings below: read them before you quote a number."
        if len(warnings) > 1
        else "There is a warning below: read it before you quote a number."
    )
    return said
