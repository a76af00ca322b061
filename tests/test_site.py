"""The site: generated pages are those of the code, notebooks run, pages need no network and fit.

What builds the site or runs a notebook is slow: ``make check-docs``.
"""

import ast
import csv
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from docs import commands, excerpts, gallery, hour, notebooks

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SRC = ROOT / "src/jeat"
LONGEST = 250  # lines of a page that a person writes and reads
GENERATED = ("layout.md", "cli/train-methods.md", "cifar10.md")  # the last from results, in part
every_notebook = pytest.mark.parametrize("file", notebooks.notebooks(), ids=lambda f: f.stem)


def test_pages_of_commands_are_those_of_the_parsers():
    """``python -m docs.commands`` makes them anew."""
    made = commands.pages()
    assert {f for f in made if f.parent == DOCS / "cli"} == {*(DOCS / "cli").iterdir()}
    for file, text in made.items():
        assert file.read_text() == text, file.name


def test_every_flag_of_a_command_is_on_its_page_or_shared():
    shared = (DOCS / "commands.md").read_text() + (DOCS / "cli/measure-metrics.md").read_text()
    for name, parser in commands.parsers().items():
        page = (DOCS / f"cli/{name}.md").read_text() + shared
        if "the flags of [](train.md)" in page:
            page += (DOCS / "cli/train.md").read_text()
        for action in commands.flags(parser):
            assert f"{commands.name_of(action, parser)} |" in page, (name, action.dest)


@pytest.mark.parametrize("name", excerpts.EXCERPTS)
def test_a_table_that_pages_show_is_cut_out_of_the_committed_results(name):
    """Written by `python -m docs.excerpts`; each number is that of ``tables.csv``, rounded."""
    suite, figures = excerpts.EXCERPTS[name]
    text = (excerpts.PLACE / f"{name}.md").read_text()
    assert text == excerpts.excerpt(suite, figures) + "\n"
    assert any(f"excerpts/{name}.md" in page.read_text() for page in DOCS.glob("*.md"))
    heads, _, *rows = [[c.strip() for c in line.split("|")[1:-1]] for line in text.splitlines()]
    assert len(heads) == 1 + len(figures)
    with (ROOT / "results" / suite / "tables.csv").open() as file:
        known = {(r["method"], r["column"]): r for r in csv.DictReader(file)}
    for name, *cells in rows:
        for figure, cell in zip(figures, cells, strict=True):
            row = known.get((name, figure))
            assert (row is None) == (cell == "")
            if row is not None:
                mean, _, deviation = cell.partition(" ± ")
                assert float(mean) == pytest.approx(float(row["mean"]), rel=6e-3, abs=6e-4)
                assert (deviation != "") == (row["seeds"] != "1")


def test_the_gallery_is_small_and_shows_what_was_drawn():
    assert (DOCS / "gallery.md").read_text() == gallery.page()
    sizes = {file.name: file.stat().st_size for file in gallery.PICTURES.iterdir()}
    assert {*sizes} == {one.shown for one in gallery.ENTRIES}
    assert max(sizes.values()) < 100_000
    assert sum(sizes.values()) < 800_000


def shown_by_the_hour():
    """What hour.md has: (kind, text) of its blocks."""
    return re.findall(r"```(\w+)\n(.*?)\n```", (DOCS / "hour.md").read_text(), re.DOTALL)


def test_the_first_hour_has_the_commands_of_the_readme_and_what_they_printed():
    asked = [(step.language, piece) for step in hour.STEPS for piece in step.pieces]
    assert [block for block in shown_by_the_hour() if block[0] != "text"] == asked
    readme = re.findall(r"^(?:jeat|for|net) .*", (ROOT / "README.md").read_text(), re.MULTILINE)
    said = "\n".join(piece for _, piece in asked)
    assert len([line for line in readme if line in said]) > 10
    printed = [text for kind, text in shown_by_the_hour() if kind == "text"]
    assert len(printed) == len(asked)
    assert not re.search(r"/(home|root|work|tmp)/", "\n".join(printed))
    named = {hour.picture(i, f) for i, step in enumerate(hour.STEPS) for f in step.shown}
    assert {file.name for file in hour.PICTURES.iterdir()} == named
    for name in named:
        assert f"(images/hour/{name})" in (DOCS / "hour.md").read_text()


def automodules(page):
    return re.findall(r"^\.\. automodule:: (\S+)$", page.read_text(), re.MULTILINE)


def test_every_room_is_on_one_page_of_the_api():
    pages = sorted((DOCS / "api").glob("*.md"))
    listed = (DOCS / "api.md").read_text()
    assert all(f"\napi/{page.stem}\n" in listed for page in pages)
    named = Counter(name for page in pages for name in automodules(page))
    assert {name for name, n in named.items() if n > 1} == set()
    for name in named:
        place = SRC.parent / name.replace(".", "/")
        assert place.is_dir() or place.with_suffix(".py").exists(), name
    rooms = {f.stem for f in SRC.iterdir() if f.suffix == ".py" or (f / "__init__.py").exists()}
    private = {"__init__", "__main__", "_support", "_moved", "cli", "weights"}
    assert {f"jeat.{room}" for room in rooms - private if not room.startswith("_")} <= {*named}


def test_no_page_is_longer_than_a_person_reads():
    for page in DOCS.rglob("*.md"):
        if "_build" not in page.parts and str(page.relative_to(DOCS)) not in GENERATED:
            assert len(page.read_text().splitlines()) <= LONGEST, page


@every_notebook
def test_a_notebook_shows_what_its_cells_gave(file):
    """It was run from top to bottom, without an error, and names no place of who ran it."""
    cells = [c for c in json.loads(file.read_text())["cells"] if c["cell_type"] == "code"]
    assert [c["execution_count"] for c in cells] == [*range(1, len(cells) + 1)]
    for cell in cells:
        assert all(
            o["output_type"] != "error" and o.get("name") != "stderr" for o in cell["outputs"]
        )
        source = "".join(line for line in cell["source"] if not line.startswith("%"))
        ast.parse(source)
    shown = json.dumps([c["outputs"] for c in cells])
    assert not re.search(r"/(home|root|work|tmp)/", shown)
    assert shown.count("image/png") >= 1


@pytest.mark.slow
@every_notebook
def test_a_notebook_runs_and_shows_the_same_kinds_of_things(file):
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    kept = json.loads(file.read_text())["cells"]
    for before, cell in zip(kept, notebooks.ran(file).cells, strict=True):
        was = [o["output_type"] for o in before.get("outputs", ())]
        assert [o["output_type"] for o in cell.get("outputs", ())] == was


def test_a_formula_stands_on_the_line_in_the_colour_of_the_text():
    svg = pytest.importorskip("docs.formulas").svg
    low, high = svg("x_y", block=False), svg("x", block=False)
    depths = [float(re.search(r"vertical-align:(-?[\d.]+)em", s)[1]) for s in (low, high)]
    assert depths[0] < depths[1] <= 0  # what reaches below the line is let down by as much
    assert 'fill="currentColor"' in low
    assert "vertical-align" not in svg("x", block=True)
    assert "E(x, y)" in svg("E(x, y)", block=True)  # for who cannot see


def test_a_formula_that_is_not_understood_is_refused():
    svg = pytest.importorskip("docs.formulas").svg
    with pytest.raises(ValueError, match=r"\\nonesuch"):
        svg(r"x + \nonesuch", block=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site as ``make docs`` builds it, where a warning is an error."""
    for name in ("sphinx", "myst_nb", "furo", "ziamath"):
        pytest.importorskip(name)
    out = tmp_path_factory.mktemp("site")
    words = ["-W", "--keep-going", "-q", "-b", "html", str(DOCS), str(out)]
    subprocess.run([sys.executable, "-m", "sphinx", *words], check=True, cwd=ROOT)
    return out


@pytest.mark.slow
def test_no_page_of_the_site_takes_anything_from_elsewhere(site):
    """Links for readers may lead away; scripts, styles, fonts and pictures may not."""
    taken = r"""<(?:script|img|iframe|source)[^>]*\ssrc=["']?(?:https?:)?//"""
    styles = r"""<link[^>]*rel=["']?(?:stylesheet|preload|icon)[^>]*href=["']?(?:https?:)?//"""
    for page in site.rglob("*.html"):
        assert not re.search(f"{taken}|{styles}", page.read_text()), page
    for style in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(?:https?:)?//|@import", style.read_text()), style


@pytest.mark.slow
def test_every_link_into_the_site_leads_to_a_file_of_it(site):
    for page in site.rglob("*.html"):
        for link in re.findall(r"""<a [^>]*href=["']?([^"'#?\s>:]+)["'#?\s>]""", page.read_text()):
            assert (page.parent / unquote(link)).exists(), (page, link)


@pytest.mark.slow
@pytest.mark.parametrize("there", [True, False])
def test_the_page_of_a_net_is_linked_where_the_site_has_it(there, tmp_path):
    pytest.importorskip("myst_nb")
    for name in ("source", "pages"):
        (tmp_path / name).mkdir()
    (tmp_path / "source/index.md").write_text((DOCS / "export.md").read_text())
    if there:
        (tmp_path / "pages/cifar10-jeat.html").write_text("<p>a page")
    words = ["-q", "-b", "html", "-c", str(DOCS), "-D", f"html_extra_path={tmp_path / 'pages'}"]
    words += [str(tmp_path / "source"), str(tmp_path / "site")]
    subprocess.run([sys.executable, "-m", "sphinx", *words], check=True, cwd=ROOT)
    assert (tmp_path / "site/cifar10-jeat.html").exists() == there
    assert ('href="cifar10-jeat.html"' in (tmp_path / "site/index.html").read_text()) == there


def test_the_page_of_a_net_is_made_before_the_site_which_is_published_with_test_images():
    made = (ROOT / "Makefile").read_text().partition("\ndocs:")[2].partition("\n\n")[0]
    assert made.index("jeat export cifar10-jeat docs/_build/pages/") < made.index("sphinx-build")
    assert "HF_HUB_OFFLINE=$${HF_HUB_OFFLINE:-1}" in made
    assert 'HF_HUB_OFFLINE: "0"' in (ROOT / ".github/workflows/docs.yml").read_text()


TOO_WIDE = """() => {
  const article = document.querySelector('article') ?? document.body, found = [];
  const boxed = e => e !== article
    && (/auto|scroll/.test(getComputedStyle(e).overflowX) || boxed(e.parentElement));
  const edge = Math.min(article.getBoundingClientRect().right + 8, innerWidth);
  for (const e of article.querySelectorAll('*'))
    if (e.getBoundingClientRect().right > edge && !boxed(e.parentElement))
      found.push(`${e.tagName} ${e.textContent.slice(0, 60)}`);
  if (document.documentElement.scrollWidth > innerWidth) found.push('the page');
  return found;
}"""
"""What reaches beyond the text, and does not scroll in a box of its own."""


OFFLINE = {"file", "data", "blob"}  # blob: what a page made itself, as the worker of a demo
SCROLLS = """() => [...document.querySelectorAll('article pre, article .table-wrapper')]
  .filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent.slice(0, 60))"""


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_every_page_fits_and_asks_no_network(site, width):
    api = pytest.importorskip("playwright.sync_api")
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs Chromium")
    with api.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": width, "height": 900})
        asked, wide = [], []
        page.on("request", lambda request: asked.append(request.url))
        for file in sorted(site.rglob("*.html")):
            page.goto(file.as_uri(), wait_until="domcontentloaded")
            wide += [(file.name, text) for text in page.evaluate(TOO_WIDE)]
            if width == 1280:  # on a desk nothing needs scrolling sideways
                wide += [(file.name, text) for text in page.evaluate(SCROLLS)]
        chromium.close()
    assert [url for url in asked if urlsplit(url).scheme not in OFFLINE] == []
    assert wide == []
