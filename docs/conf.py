"""The site: MyST pages and notebooks, and the API from the docstrings. It needs no network."""

import sys
from pathlib import Path
from typing import Any

from docutils import nodes

import jeat

sys.path.insert(0, str(Path(__file__).parents[1]))

project = "jeat"
version = release = jeat.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "docs.formulas"]
exclude_patterns = ["_build", "excerpts"]  # the second are parts of pages
html_math_renderer = "svg"
smartquotes = False  # --flag is no dash
nb_execution_mode = "off"  # python -m docs.notebooks runs them and keeps what they show

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True  # 8 / 255, not 0.0313...
python_maximum_signature_line_length = 100
autodoc_inherit_docstrings = False  # else every forward() shows torch's
napoleon_use_param = False  # else "step_size, noise: ..." becomes noise of type step_size
napoleon_custom_sections = [("Attributes", "params_style")]  # likewise; types are in the signature

NARROW = 100  # letters of a line that fits beside the contents

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["jeat.css"]
# where make docs puts the page of a net
html_extra_path = [p for p in ("_build/pages",) if (Path(__file__).parent / p).is_dir()]
html_show_sourcelink = False
html_title = f"jeat {release}"


def tidy(*event: Any) -> tuple[str, str] | None:
    """Signatures that Sphinx prints raw: those with a default factory, and nn.Module's own."""
    arguments, returns = event[5:]
    if arguments is None:
        return None
    arguments = arguments.replace("~typing.", "").replace("<factory>", "...")
    return "()" if arguments == "(*args: Any, **kwargs: Any)" else arguments, returns


def fitted(app: Any, doctree: Any) -> None:
    """Lines wrap, but for those of tables; a page with a wide table has no contents beside it."""
    wide = False
    for block in doctree.findall(nodes.literal_block):
        lines = block.astext().splitlines()
        if rows := [line for line in lines if line.lstrip().startswith(("|", "+--"))]:
            wide |= max(map(len, rows)) > NARROW
        else:
            block["classes"].append("wraps")
    wide |= any(len(table.traverse(nodes.colspec)) > 5 for table in doctree.findall(nodes.table))
    if wide:
        app.env.metadata[app.env.docname]["hide-toc"] = True


def name_pages(app: Any, config: Any) -> None:
    """Tag the site by the pages of nets that it is given, ``{only} page_cifar10_jeat``: links to
    them are shown where they are.
    """
    for folder in config.html_extra_path:
        for page in Path(app.confdir, folder).glob("*.html"):
            app.tags.add(f"page_{page.stem.replace('-', '_')}")


def setup(app: Any) -> None:
    """Register what this file adds to Sphinx."""
    app.connect("config-inited", name_pages)
    app.connect("autodoc-process-signature", tidy)
    app.connect("doctree-read", fitted)
