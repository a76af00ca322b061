"""Packages as an installer lays them out: modules, and a .dist-info with their entry points."""

import shutil
import tomllib
from pathlib import Path

EXAMPLE = Path(__file__).parents[1] / "examples/plugin"


def install_example(site):
    """``pip install --target SITE examples/plugin``, without pip."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    (package,) = (EXAMPLE / "src").iterdir()
    shutil.copytree(package, site / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    install(site, project["name"], project["entry-points"], version=project["version"])


def install(site, name, groups, *, version="1.0", **modules):
    """A package of entry points ``{group: {name: value}}`` and of modules, by their text."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [f"[{g}]\n" + "".join(f"{k} = {v}\n" for k, v in e.items()) for g, e in groups.items()]
    (info / "entry_points.txt").write_text("\n".join(lines))
    for module, text in modules.items():
        (site / f"{module}.py").write_text(text)
