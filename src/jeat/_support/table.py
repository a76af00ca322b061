"""Tables in Markdown."""

from collections.abc import Mapping, Sequence

__all__ = ["table"]


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """One line a row, one column a key of the first row; floats with three decimals."""
    keys = list(rows[0])
    cells = [
        [_cell(key) for key in keys],
        *([_cell(row.get(key, "")) for key in keys] for row in rows),
    ]
    widths = [max(len(line[i]) for line in cells) for i in range(len(keys))]
    lines = [
        "| " + " | ".join(f"{c:<{w}}" for c, w in zip(line, widths, strict=True)) + " |"
        for line in cells
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]])


def _cell(value: object) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|")
