"""The site: MyST pages, and the API from the docstrings."""

from typing import Any

import jeat

project = "jeat"
version = release = jeat.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True  # 8 / 255, not 0.0313...
python_maximum_signature_line_length = 100
autodoc_inherit_docstrings = False  # else every forward() shows torch's
napoleon_use_param = False  # else "step_size, noise: ..." becomes noise of type step_size
napoleon_custom_sections = [("Attributes", "params_style")]  # likewise; types are in the signature

html_theme = "furo"
html_title = f"jeat {release}"


def tidy(*event: Any) -> tuple[str, str] | None:
    """Signatures that Sphinx prints raw: those with a default factory, and nn.Module's own."""
    arguments, returns = event[5:]
    if arguments is None:
        return None
    arguments = arguments.replace("~typing.", "").replace("<factory>", "...")
    return "()" if arguments == "(*args: Any, **kwargs: Any)" else arguments, returns


def setup(app: Any) -> None:
    """Register what this file adds to Sphinx."""
    app.connect("autodoc-process-signature", tidy)
