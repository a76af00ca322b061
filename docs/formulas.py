"""Mathematics as pictures in the page (SVG), made while the site is built.

A page then shows its formulas without a network, a script, or a font for mathematics.
"""

import re
from functools import cache
from typing import Any
from xml.etree import ElementTree

import ziamath
from docutils import nodes

__all__ = ["setup", "svg"]

SIZE = 16  # pixels of an em
MARGIN = 1.0
ziamath.config.precision = 2
ziamath.config.svg2 = False  # each picture stands alone, without ids

_OTHERWISE = {
    r"\\mathbb\s*E(?![A-Za-z])": "\N{MATHEMATICAL DOUBLE-STRUCK CAPITAL E}",
    r"\\epsilon": r"\\varepsilon",
    r"\\_": "_",
    r"\\sim(?![a-z])": r"\\,\\sim\\,",
    r"(?<!\\),\s+(?!\\q)": r"{,}\\,",
    r"(\\operatorname\{\w+\})\s*(?=[A-Za-z\\])": r"\1\\,",
    r"((?:^|[=(\[&]|,\}\\,|\\[;,]|\\in)\s*)-": r"\1{-}",  # a sign, and no difference
}
"""What ziamath sets badly, and the same in other words."""


@cache
def svg(tex: str, *, block: bool) -> str:
    """A formula as an ``<svg>`` that stands on the line, in the size and colour of the text.

    Raises:
        ValueError: a command is not known, and would be printed as it stands.
    """
    said = " ".join(tex.split())
    for pattern, other in _OTHERWISE.items():
        said = re.sub(pattern, other, said)
    made = ziamath.Latex(said, size=SIZE, inline=not block, color="currentColor", margin=MARGIN)
    if left := re.search(r"\\\S*", made.mathmlstr()):
        raise ValueError(f"{left[0]} of {tex!r} is not known to ziamath")
    picture = made.svgxml()
    sides = {side: float(picture.attrib.pop(side)) / SIZE for side in ("width", "height")}
    below = "" if block else f";vertical-align:{(made.getyofst() - MARGIN) / SIZE:.3f}em"
    style = ";".join(f"{side}:{length:.3f}em" for side, length in sides.items()) + below
    picture.attrib |= {"style": style, "role": "img", "aria-label": " ".join(tex.split())}
    return ElementTree.tostring(picture, encoding="unicode")


def _inline(writer: Any, node: nodes.math) -> None:
    writer.body.append(f'<span class="math">{svg(node.astext(), block=False)}</span>')
    raise nodes.SkipNode


def _block(writer: Any, node: nodes.math_block) -> None:
    writer.body.append(f'<div class="math">{svg(node.astext(), block=True)}</div>')
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, bool]:
    """Have Sphinx write mathematics by this file."""
    app.add_html_math_renderer("svg", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
