"""Tables in Markdown, CSV and LaTeX."""

import csv
import io
import re
from collections.abc import Mapping, Sequence

__all__ = ["in_csv", "in_latex", "table"]

_SPECIAL = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "±": r"$\pm$", "<": r"$<$", ">": r"$>$",
}  # fmt: skip


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """One line a row, one column a key of the first row; floats with three decimals."""
    cells = [[_cell(value).replace("|", "\\|") for value in line] for line in _lines(rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    lines = [
        "| " + " | ".join(f"{c:<{w}}" for c, w in zip(line, widths, strict=True)) + " |"
        for line in cells
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]])


def in_csv(rows: Sequence[Mapping[str, object]]) -> str:
    """The same as comma-separated values."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(_lines(rows))
    return text.getvalue().rstrip("\n")


def in_latex(rows: Sequence[Mapping[str, object]], caption: str = "") -> str:
    """The same as a tabular of LaTeX's package booktabs; with a caption, in a table."""
    head, *body = [" & ".join(_latex(_cell(v)) for v in line) for line in _lines(rows)]
    lines = [rf"{line} \\" for line in body]
    begin = rf"\begin{{tabular}}{{{'l' * len(_lines(rows)[0])}}}"
    tabular = [
        begin, r"\toprule", rf"{head} \\", r"\midrule", *lines, r"\bottomrule", r"\end{tabular}"
    ]  # fmt: skip
    if caption:
        above = [r"\begin{table}", r"\centering", rf"\caption{{{_latex(caption)}}}"]
        tabular = [*above, *tabular, r"\end{table}"]
    return "\n".join(tabular)


def _latex(text: str) -> str:
    return re.sub(r"[\\&%$#_{}~^±<>]", lambda c: _SPECIAL[c[0]], text)


def _lines(rows: Sequence[Mapping[str, object]]) -> list[list[object]]:
    """The keys of the first row, then the values of each."""
    keys = list(rows[0])
    return [[*keys], *([row.get(key, "") for key in keys] for row in rows)]


def _cell(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
