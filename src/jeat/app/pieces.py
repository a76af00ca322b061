"""Pieces of the page as HTML: pictures, bars, curves. Whatever others wrote is escaped here."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image
from torch import Tensor

from jeat._support.checks import plain
from jeat._support.tensors import check_pixels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "bars", "block", "download", "drawn", "energy_table", "joint", "note", "picture", "pictures",
    "refusal", "why",
]  # fmt: skip


def picture(x: Tensor, name: str, below: str = "") -> str:
    """An image (C, H, W) in [0, 1] with its name, and a line below it, enlarged by the page."""
    pixels = (check_pixels(x[None])[0].detach() * 255).round().byte().cpu()
    array = pixels.expand(3, -1, -1).permute(1, 2, 0).numpy()
    line = f"<small>{escape(below)}</small>" if below else ""
    return (
        f'<figure><img src="{_png(Image.fromarray(array))}" alt="{escape(name)}">'
        f"<figcaption>{escape(name)}{line}</figcaption></figure>"
    )


def pictures(figures: Iterable[str], *, across: int | None = None) -> str:
    """Pictures beside each other: ``across`` of them at any width, or as many as fit."""
    kind = f' style="grid-template-columns: repeat({across}, minmax(0, 1fr))"' if across else ""
    return f'<div class="jeat-pictures"{kind}>{"".join(figures)}</div>'


def block(title: str, *inside: str) -> str:
    """Pieces under a title."""
    return f'<section class="jeat-block"><h3>{escape(title)}</h3>{"".join(inside)}</section>'


def note(text: str) -> str:
    """A line of text."""
    return f'<p class="jeat-note">{escape(text)}</p>'


def refusal(error: BaseException, name: str = "") -> str:
    """What was wrong, in one line, and with what of that name."""
    said = f"{plain(name)}: {why(error)}" if name else why(error)
    return f'<p class="jeat-refusal" role="alert">{escape(said)}</p>'


def why(error: BaseException) -> str:
    """What was wrong, as one line of text."""
    said = plain(str(error))
    if isinstance(error, MemoryError) or "allocate memory" in said or "out of memory" in said:
        said = "this takes more memory than there is: ask for less, or for smaller images"
    elif not isinstance(error, ValueError | OSError) or not said:
        said = f"{type(error).__name__}: {said}"
    return said[:1000]


def bars(shares: Mapping[str, Sequence[float]], columns: Sequence[str]) -> str:
    """A row a name, a bar a share in [0, 1], under the names of the columns."""
    cells = {
        name: "".join(
            f'<td><span class="jeat-bar"><i style="width: {100 * p:.1f}%"></i></span>{p:.1%}</td>'
            for p in row
        )
        for name, row in shares.items()
    }
    return _table("p(y|x)", columns, cells)


def energy_table(energies: Mapping[str, Sequence[float]], columns: Sequence[str]) -> str:
    """A row an energy, under the names of the columns."""
    cells = {name: "".join(f"<td>{_said(E)}</td>" for E in row) for name, row in energies.items()}
    return _table("energy", columns, cells)


def joint(E: float) -> str:
    """The line below a picture that says its energy."""
    return f"E(x, y) = {_said(E)}"


def drawn(wide: "Figure", narrow: "Figure | None" = None, *, name: str) -> str:
    """A figure of matplotlib, and another for narrow screens."""
    source = f'<source media="(max-width: 700px)" srcset="{_plot(narrow)}">' if narrow else ""
    return (
        f'<picture class="jeat-drawn">{source}<img src="{_plot(wide)}" alt="{escape(name)}">'
        "</picture>"
    )


def download(image: Image.Image, file: str, said: str) -> str:
    """A link that saves an image."""
    return (
        f'<a class="jeat-download" download="{escape(file)}" href="{_png(image)}">'
        f"{escape(said)}</a>"
    )


def _said(E: float) -> str:
    return f"{E:.2f}".replace("-", "\N{MINUS SIGN}")


def _table(corner: str, columns: Sequence[str], cells: Mapping[str, str]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    rows = "".join(f"<tr><th>{escape(name)}</th>{row}</tr>" for name, row in cells.items())
    return (
        f'<table class="jeat-table"><thead><tr><th>{escape(corner)}</th>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def _png(image: Image.Image) -> str:
    held = BytesIO()
    image.save(held, "PNG", compress_level=1)
    return _uri(held.getvalue())


def _plot(figure: "Figure") -> str:
    held = BytesIO()
    figure.savefig(held, format="png")
    return _uri(held.getvalue())


def _uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
