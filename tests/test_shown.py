"""What a reader sees is what the records hold: each place has a value of its own, and is read."""

import base64
import csv
import io
import json
import random
import re
import shlex
import shutil
import statistics
from dataclasses import asdict, dataclass, replace
from html.parser import HTMLParser
from importlib import import_module
from itertools import count, product
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from matplotlib.colors import to_rgba_array
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure as Plot
from PIL import Image, ImageDraw
from scipy import ndimage

import jeat
from jeat._support.plugins import known_parts
from jeat.attacks import fgsm_rs
from jeat.data import Data, Images, batches
from jeat.data.corruptions import KINDS
from jeat.energy import energy_of
from jeat.figures import panels
from jeat.figures._font import font
from jeat.jobs.drawing import Drawing
from jeat.jobs.image_files import save_images
from jeat.metrics import Column, columns_of, names, plane
from jeat.nets import Spec, build, save_net
from jeat.recipes.paper import FIGURES, Paper, Shown
from jeat.recipes.paper.numbers import PAPER
from jeat.report import summarise, table
from jeat.report.outcome import best_of as report_best_of
from jeat.report.outcome import outcome
from jeat.suites import Suite
from jeat.suites.cards import write_models
from jeat.suites.report import write
from jeat.suites.suite import drawings, measurements, runs
from jeat.training.plan import Optimisation, Plan

from .conftest import DIGITS

HIGHER = {
    "*", "accuracy", "apgd-ce", "apgd-ce+apgd-dlr+fab-t+square", "apgd-ce+fab-t+square",
    "auto_attack", "class_accuracy@*", "corruption_accuracy",
    *(f"corruption_{kind}" for kind in KINDS), "hop_skip_jump", "hop_skip_jump_distance",
    "judge_accuracy", "ood_auroc_confidence", "ood_auroc_energy", "ood_auroc_gradient",
    "robust_accuracy", "robust_accuracy@*", "robust_class_accuracy@*", "square_attack",
}  # fmt: skip
LOWER = {"bits_per_dimension", "cross_entropy", "ece", "jfs", "mfs", "targeted_success"}
for of in ("", "judge_", "lite0_"):
    HIGHER |= {of + name for name in ("is", "precision", "recall", "density", "coverage")}
    LOWER |= {of + name for name in ("fid", "kid", "swd")}
LOWER |= {f"{name}_{scale}" for name in ("jfs", "mfs") for scale in ("calibrated", "unit_spread")}


def reading(column):
    """What is said of a column: its note, and which direction is better."""
    return column.note + (f", {column.better} is better" if column.better else "")


def test_the_direction_of_a_figure_is_the_one_that_is_better():
    for better, known in (("higher", HIGHER), ("lower", LOWER)):
        columns = {c.name for name in names() for c in columns_of(name) if c.better == better}
        assert columns == known


FIG2, FIG2_OWN, FIG3, FIG4, FIG5, FIG6, FIG7, CURVES, COURSE = FIGURES
COLOURS = {"Fig. A": "red", "Fig. B": "lime", "Fig. C": "blue"}
METHODS = ("normal", "at", "prejeat", "jem")
SEEDS = 3
HELD = {"accuracy": 0, "pgd_20": 1, "jfs": 2, "mfs": 3}  # in so many seeds at is above jem
HOLES = {
    ("prejeat", "ece"), ("normal", "mfs_trace"), ("jem", "masking_scaled"),
    *(("normal", c.name) for c in columns_of("nearest")),  # a row that is left out
}  # fmt: skip
LEFT_OUT = (
    "kid", "judge_recall",
    *(c.name for c in columns_of("sample_quality") if re.search("0|error|swd", c.name)),
)  # fmt: skip
"""Columns that nobody has."""
CLAIMS = (
    *((column, "at > jem", f"claim on {column}") for column in HELD),
    ("pgd_20_few", "at > jem", "claim on one seed"),
    ("judge_fid", "at, Eq. 16 > at", "claim on Eq. 16"),
    ("judge_fid", "at > at, Eq. 16", "claim on Eq. 17"),
)


def _printed():
    """Numbers for the paper: no two alike, some where we have none."""
    numbers = count(1001)
    rows = {
        "Table 1": (("accuracy", "energy_fgsm", "pgd_20"), ("normal",)),
        "Table 2": (("jfs", "mfs_gradient", "fid", "judge_kid"), ("at", "at, Eq. 16", "jem")),
        "Table 3": (("accuracy", "pgd_20", "ece"), ("glow", "igebm", "prejeat", "jem")),
    }
    return {
        name: {c: {m: next(numbers) / 1e4 for m in methods} for c in columns}
        for name, (columns, methods) in rows.items()
    }


PRINTED = _printed()


def _picture(title):
    def picture(s):
        plain = Image.new("RGB", (9, 9), COLOURS[title])
        return s.keep(title[-1], title, f"caption of {title}", plain, lead=title == "Fig. B")

    return picture


def _plans(out, seed):
    o = Optimisation(seed=seed)
    return {m: Plan(m, net="convnet-1", optimisation=o) for m in METHODS}


SUITE = Suite(
    title="planted", about="about", data="digits", plans=_plans,
    judge=Plan("normal", net="convnet-1"),
    comparison=Paper(
        0.1, 10, 10, 10, eq_16=("at", "jem"), further=("energies",), claims_tested=CLAIMS,
        pictures=tuple(map(_picture, COLOURS)),
    ),
    chain={"steps": 2, "step_size": 0.25, "noise": 0.01}, per_class=1, shape=(1, 8, 8), classes=10,
    train_images=1437, models="toy", licence="none.",
)  # fmt: skip


@dataclass(frozen=True)
class Planted:
    """A suite's folder, and what was put there.

    ``values`` are ``{(row, column): {seed: value}}``; commands and numbers of images go by file.
    """

    out: Path
    values: dict
    files: dict
    commands: dict
    images: dict
    minutes: dict
    tables: list

    def cells(self):
        """(title, row, column, values by seed, the paper's number) where anybody has one."""
        for t in self.tables:
            printed = PRINTED.get(t.title.split(":")[0], {})
            for row, column in product(t.methods, t.columns):
                ours = self.values.get((row, column.name), {})
                paper = printed.get(column.name, {}).get(row)
                if ours or paper is not None:
                    yield t.title, row, column, ours, paper

    def heading(self, title, column):
        """The label of a column, with the number of images where it depends on that."""
        (methods,) = (t.methods for t in self.tables if t.title == title)
        own = {
            self.images[f]
            for (m, c, _), f in self.files.items()
            if m in methods and c == column.name
        }
        return f"{column.label}, n = {own.pop()}" if column.by_count and own else column.label

    def notes(self, title, headings):
        """What is said of the columns of a table, below it."""
        columns = (c for t in self.tables if t.title == title for c in t.columns)
        notes = {self.heading(title, c): reading(c) for c in columns}
        return "; ".join(f"{heading}: {notes[heading]}" for heading in headings) + "."

    def command(self, row, column, seed):
        """What recomputes a number, images and all."""
        return self.commands[self.files[row, column, seed]]


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """A suite that was measured, it seems; its report and cards."""
    out = tmp_path_factory.mktemp("planted") / "out"
    values, files, commands, images, minutes, bases = {}, {}, {}, {}, {}, {}
    drawn = drawings(SUITE, out, seeds=SEEDS)
    spots, numbers, of_a_kind = [*range(1000, 9990, 30)], count(10), {}
    random.Random(0).shuffle(spots)
    for i, (name, plan) in enumerate(runs(SUITE, out, seeds=SEEDS).items()):
        (out / name / "figures").mkdir(parents=True)
        minutes[name] = 11.0 + i
        log = [{"iteration": 1, "seconds": 60 * minutes[name]}]
        (out / name / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in log))
        record = {"plan": asdict(plan), "data_sha256": "0"}
        (out / name / "run.json").write_text(json.dumps(record))
        net = build(Spec("convnet-1", 1, 8, DIGITS.classes))
        save_net(net, None, out / name / "net.safetensors", about=record)
    for file, m in measurements(SUITE, out, seeds=SEEDS).items():
        *place, method, _, stem = file.relative_to(out).with_suffix("").parts
        seed = int(place[0].removeprefix("seed")) if place else 0
        row = f"{method}, Eq. 16" if stem == "eq16" else method
        figures = {}
        for figure in (c.name for metric in m.metrics for c in columns_of(metric)):
            column = stem if figure == "robust_accuracy" else figure
            if column in LEFT_OUT or (row, column) in HOLES:
                continue
            if (row, column) not in bases:
                bases[row, column] = spots.pop()
            base = bases[row, column]
            value = base + (seed - 1) * (1 + base // 30 % 14)
            if column in HELD and row == "at":
                value = base + (5 + seed if seed < HELD[column] else -5 - seed)
            if column in HELD and row == "jem":
                value = bases["at", column] - 1 + seed
            figures[figure] = float(value)
            values.setdefault((row, column), {})[seed] = float(value)
            files[row, column, seed] = file
        if stem == "fisher":
            figures["fisher_probes"] = 0.0
        if stem == "masking":
            only = dict.fromkeys(("square", "scaled", "fgsm"), 0.0)
            figures |= {"masking_images": 100.0} | {f"masking_{k}_only": v for k, v in only.items()}
        kind = stem.removesuffix("16").removesuffix("17")  # both equations draw as many
        images[file] = of_a_kind[kind] = of_a_kind.get(kind) or next(numbers)
        steps = [drawn[Path(m.samples)].command(m.samples)] if m.samples else []
        commands[file] = " && ".join([*steps, m.command()])
        record = {
            "command": "as it was", "drawing": "as it was", "seed": seed, "figures": figures,
            "images": 5 if m.samples else images[file],
            "samples": images[file] if m.samples else None, "made_with": {"jeat": "0"},
        }  # fmt: skip
        file.write_text(json.dumps(record))
    every = [v for by_seed in values.values() for v in by_seed.values()]
    assert len(set(every)) == len(every)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PAPER, "cifar10", PRINTED)
        write(SUITE, out, seeds=SEEDS)
        write_models(SUITE, out)
        tables = [*SUITE.comparison.tables(SUITE, {})]
    return Planted(out, values, files, commands, images, minutes, tables)


def said(ours):
    """Values of a cell in words; they have no decimals."""
    if not ours:
        return ""
    numbers = [statistics.fmean(ours.values())]
    numbers += [statistics.stdev(ours.values())] if len(ours) > 1 else []
    return " ± ".join(f"{v:.0f}" for v in numbers)


# The page


class Node:
    """An element of a page: its attributes, and what is in it."""

    def __init__(self, tag, attrs=()):
        self.tag, self.attrs, self.inside = tag, dict(attrs), []

    def all(self, tag):
        found = [self] if self.tag == tag else []
        return found + [n for i in self.inside if isinstance(i, Node) for n in i.all(tag)]

    @property
    def text(self):
        return "".join(i if isinstance(i, str) else i.text for i in self.inside).strip()


class Page(HTMLParser):
    """What stands under each second heading of a page, and before the first."""

    def __init__(self, text):
        super().__init__()
        self.open = [Node("")]
        self.feed(text)
        (body,) = self.open[0].all("body")
        self.sections = {"": Node("")}
        for node in body.inside:
            if isinstance(node, Node) and node.tag == "h2":
                self.sections[node.text] = Node("")
            else:
                [*self.sections.values()][-1].inside.append(node)

    def handle_starttag(self, tag, attrs):
        node = Node(tag, attrs)
        self.open[-1].inside.append(node)
        if tag not in ("meta", "img", "br"):
            self.open.append(node)

    def handle_endtag(self, tag):
        assert self.open.pop().tag == tag

    def handle_data(self, data):
        self.open[-1].inside.append(data)


@pytest.fixture(scope="module")
def sections(planted):
    return Page((planted.out / "report.html").read_text()).sections


@pytest.fixture(scope="module")
def results(planted):
    return json.loads((planted.out / "results.json").read_text())


def tables_of(sections, planted):
    return {t.title: sections[t.title] for t in planted.tables if t.title in sections}


def test_each_number_of_the_page_stands_under_its_heading_in_its_row(sections, planted):
    found = {}
    blocks = [(t, b) for t, s in tables_of(sections, planted).items() for b in s.all("table")]
    for title, block in blocks:
        head, *rows = (tr.inside for tr in block.all("tr"))
        headings, *rows = ([n for n in r if isinstance(n, Node)] for r in (head, *rows))
        assert len({h.text for h in headings}) == len(headings) <= 9  # so that none needs scrolling
        for row in rows:
            assert any(cell.text for cell in row[1:])
            for heading, cell in zip(headings[1:], row[1:], strict=True):
                paper = "".join(s.text for s in cell.all("span"))
                ours = cell.text.removesuffix(paper)
                assert (title, row[0].text, heading.text) not in found
                if cell.text:
                    found[title, row[0].text, heading.text] = ours, paper
    assert found == {
        (title, row, planted.heading(title, column)): (
            said(ours),
            "" if paper is None else f"paper {paper}",
        )
        for title, row, column, ours, paper in planted.cells()
    }


def test_each_heading_of_the_page_has_its_own_note(sections, planted):
    for title, section in tables_of(sections, planted).items():
        about, notes = (p.text for p in section.all("p"))
        (shown,) = (t for t in planted.tables if t.title == title)
        assert about == shown.note
        headings = [th.text for block in section.all("table") for th in block.all("th")[1:]]
        assert notes == planted.notes(title, headings)


def test_each_command_of_the_page_has_the_labels_of_its_numbers(sections, planted):
    for title, section in tables_of(sections, planted).items():
        known = {}
        for kind, row, column, ours, _ in planted.cells():
            for seed in ours if kind == title else ():
                command = planted.command(row, column.name, seed)
                heading = planted.heading(title, column)
                known.setdefault(command, []).append(f"{row} {heading}")
        (details,) = (d for d in section.all("details") if d.attrs["class"] == "commands")
        found = {}
        for item in details.all("li"):
            (code,) = item.all("code")
            assert code.text not in found
            found[code.text] = item.text.removesuffix(code.text)
        words = {k: sorted(", ".join(v).split(", ")) for k, v in known.items()}
        assert {k: sorted(v.split(", ")) for k, v in found.items()} == words


def test_each_picture_of_the_page_stands_under_its_title_over_its_caption(sections):
    for title, colour in COLOURS.items():
        (image,), (caption,) = (sections[title].all(tag) for tag in ("img", "figcaption"))
        kind, data = image.attrs["src"].split(",", 1)
        assert kind == "data:image/png;base64"
        picture = Image.open(io.BytesIO(base64.b64decode(data)))
        assert picture.getpixel((4, 4)) == Image.new("RGB", (1, 1), colour).getpixel((0, 0))
        assert image.attrs["alt"] == title
        assert caption.text == f"caption of {title}"


def test_the_protocol_has_the_judges_own_accuracy_and_the_time_of_all_runs(sections, planted):
    told = {}
    for row in sections["Protocol"].all("tr"):
        (name,), (value,) = row.all("th"), row.all("td")
        told[name.text] = value.text
    images = planted.images[planted.files["judge", "accuracy", 0]]
    accuracy = planted.values["judge", "accuracy"][0]
    assert f"accuracy {accuracy:.4f} on {images} test images" in told["judge"]
    assert told["time"].startswith(f"{sum(planted.minutes.values()):.3g} minutes ")


def best_of(planted, column, rows):
    """The rows with the best mean of a column, the first in words: those within two errors, too."""
    ours = {row: v for row in rows if (v := planted.values.get((row, column.name)))}
    numbers = {
        tuple({planted.images[planted.files[row, column.name, s]] for s in v})
        for row, v in ours.items()
    }
    if not column.better or len(ours) < 2 or (column.by_count and len(numbers) > 1):
        return None
    sign = 1 if column.better == "higher" else -1
    mean = {row: statistics.fmean(v.values()) for row, v in ours.items()}
    row = max(ours, key=lambda row: sign * mean[row])

    def error(v):
        return statistics.variance(v.values()) / len(v) if len(v) > 1 else 0.0

    alike = {
        other for other, v in ours.items()
        if abs(mean[other] - mean[row]) <= 2 * (error(v) + error(ours[row])) ** 0.5
        or said(v) == said(ours[row])
    }  # fmt: skip
    return (alike, said(ours[row])) if len(alike) < len(ours) else None


def test_the_best_of_each_column_is_marked_and_no_other(sections, planted):
    marked = {}
    for title, section in tables_of(sections, planted).items():
        for block in section.all("table"):
            head, *rows = block.all("tr")
            _, *headings = (th.text for th in head.all("th"))
            for row in rows:
                name, *cells = row.all("td")
                for heading, cell in zip(headings, cells, strict=True):
                    if cell.attrs.get("class") == "best":
                        marked.setdefault((title, heading), set()).add(name.text)
    known = {
        (t.title, planted.heading(t.title, c)): best[0]
        for t in planted.tables for c in t.columns
        if (best := best_of(planted, c, t.methods)) and t.title in sections
    }  # fmt: skip
    assert marked == known
    assert {len(rows) for rows in known.values()} >= {1, 2}


def test_a_reader_first_sees_what_came_out(sections, planted):
    top, *_ = sections[""].all("ul")
    best, orders, doubts = (item.text for item in top.all("li"))
    short = planted.tables[0]
    assert short.title == "In short"
    known = [(c, best_of(planted, c, short.methods)) for c in short.columns]
    found = re.findall(r"([^,:]+?) (-?[\d.]+(?: ± [\d.]+)?) \(([^)]*)\)", best)
    told = [(label.strip(), mean, {*names.split(", ")}) for label, mean, names in found]
    assert told == [(c.label, row[1], row[0]) for c, row in known if row]
    assert best.startswith(f"Best of the methods, means over {SEEDS} seeds: ")
    several = any(len(row[0]) > 1 for _, row in known if row)
    assert best.endswith("named together cannot be told apart.") == several
    held = held_of(planted).values()
    whole, none = sum(k == n for k, n in held), sum(k == 0 for k, _ in held)
    assert orders == (
        f"Of {len(held)} orderings that were tested, {whole} held in every seed, {none} in none, "
        f"and {len(held) - whole - none} in some."
    )
    count = len(sections["Warnings"].all("li"))
    assert doubts == f"There are {count} warnings below: read them before you quote a number."
    titles = [*sections]
    assert titles[1:5] == ["Fig. B", "In short", "The paper's orderings", "Warnings"]
    assert titles[-1] == "Protocol"


@pytest.mark.parametrize(
    ("values", "best"),
    [
        ({"a": [0.5], "b": [0.5], "c": [0.4]}, ["a", "b"]),  # a tie
        ({"a": [0.5], "b": [0.5001], "c": [0.4]}, ["b", "a"]),  # printed alike
        ({"a": [0.5], "b": [0.51], "c": [0.4]}, ["b"]),
        ({"a": [0.5], "b": [0.5]}, []),
        ({"a": [0.5]}, []),
        ({"a": [0.5, 0.7], "b": [0.55, 0.75], "c": [0.1, 0.1]}, ["b", "a"]),  # within errors
        ({"a": [0.5, 0.502], "b": [0.55, 0.552], "c": [0.1, 0.1]}, ["b"]),
    ],
)
def test_methods_that_cannot_be_told_apart_share_the_first_place(values, best):
    summary = summarise(
        {"method": m, "seed": seed, "column": "acc", "value": v, "command": "c"}
        for m, of in values.items() for seed, v in enumerate(of)
    )  # fmt: skip
    column = Column("acc", "clean", "", "higher")
    assert report_best_of(column, [*values], summary) == best
    first, *_ = outcome([column], [*values], summary, {}, [])
    names = re.findall(r"\(([^)]*)\)", first)
    assert names == ([", ".join(best)] if best else [])


def test_one_seed_is_not_every_seed():
    claims = {"a": (1, 1), "b": (0, 1), "c": (1, 1)}
    summary = summarise([{"method": "a", "seed": 0, "column": "x", "value": 1, "command": "c"}])
    assert "on one seed, 2 held and 1 did not" in outcome([], ["a"], summary, claims, [])[0]


@pytest.mark.slow
def test_no_table_of_the_page_needs_scrolling_and_links_lead_somewhere(planted):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    browser = shutil.which("chromium") or pytest.skip("there is no Chromium")
    with playwright.sync_playwright() as p:
        page = p.chromium.launch(executable_path=browser, args=["--no-sandbox"]).new_page(
            viewport={"width": 1200, "height": 900}
        )
        page.goto((planted.out / "report.html").as_uri())
        assert page.evaluate("document.querySelectorAll('details.fold').length") > 1
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        wide = "[...document.querySelectorAll('.wide')].map(e => e.scrollWidth - e.clientWidth)"
        assert max(page.evaluate(wide)) <= 0
        assert page.evaluate("document.documentElement.scrollWidth") <= 1200
        lost = (
            "[...document.querySelectorAll('nav a')].filter(a => !document.querySelector(a.hash))"
        )
        assert page.evaluate(f"{lost}.length") == 0
        page.set_viewport_size({"width": 390, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


# The same in Markdown, CSV and JSON


def markdown_sections(text):
    return dict(part.split("\n", 1) for part in f"\n{text}".split("\n## ")[1:])


def markdown_rows(text):
    """The rows of a section's table, without the line below its headings."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    split = (re.split(r"(?<!\\)\|", line)[1:-1] for line in lines)
    rows = [[c.strip().replace("\\|", "|") for c in line] for line in split]
    assert all(set(c) == {"-"} for c in rows.pop(1))
    return rows


def test_each_number_stands_under_its_heading_in_markdown(planted):
    found = {}
    parts = markdown_sections((planted.out / "tables.md").read_text())
    for t in planted.tables:
        if t.title not in parts:
            continue
        (_, *headings), *rows = markdown_rows(parts[t.title])
        for name, *cells in rows:
            for heading, cell in zip(headings, cells, strict=True):
                assert (t.title, name, heading) not in found
                if cell:
                    found[t.title, name, heading] = cell
        *about, _, notes = parts[t.title].strip().split("\n\n")
        assert "".join(about) == t.note
        assert notes == planted.notes(t.title, headings)
    assert found == {
        (title, row, planted.heading(title, c)): (
            f"{said(ours) or '-'} (paper {paper})" if paper else said(ours)
        )
        for title, row, c, ours, paper in planted.cells()
    }


def test_a_markdown_cell_stands_under_its_key_whatever_the_order_of_a_row():
    rows = [{"a": 1, "b": 2, "c": 3}, {"c": 6, "a": 4, "b": 5}, {"b": 8, "c": 9}]
    assert markdown_rows(table(rows)) == [
        ["a", "b", "c"], ["1", "2", "3"], ["4", "5", "6"], ["", "8", "9"],
    ]  # fmt: skip


def test_each_line_of_the_csv_is_a_cell_with_its_paper_note_and_commands(planted):
    found = {}
    for line in csv.DictReader((planted.out / "tables.csv").open(newline="")):
        key = line["table"], line["method"], line["column"]
        assert key not in found
        numbers = [float(line[k]) if line[k] else None for k in ("mean", "std", "paper")]
        found[key] = (*numbers, int(line["seeds"]), line["note"], line["commands"].splitlines())
        files = {f for (*cell, _), f in planted.files.items() if cell == [*key[1:]]}
        assert line["images"] == " and ".join({str(planted.images[f]) for f in files})
    known = {}
    for title, row, c, ours, paper in planted.cells():
        mean = pytest.approx(statistics.fmean(ours.values())) if ours else None
        std = pytest.approx(statistics.stdev(ours.values())) if len(ours) > 1 else None
        commands = [planted.command(row, c.name, seed) for seed in ours]
        known[title, row, c.name] = mean, std, paper, len(ours), reading(c), commands
    assert found == known


def test_a_command_measures_the_net_of_its_row_and_seed_and_draws_its_images(planted):
    """Images of Eq. 16 are drawn by cross-entropy, E(x, y) - E(x), and no others."""
    owner = {c.name: metric for metric in names() for c in columns_of(metric)}
    for row, column, seed in planted.files:
        method = row.removesuffix(", Eq. 16")
        net = str(planted.out / ("judge" if row == "judge" else f"seed{seed}/{method}"))
        *drawing, command = planted.command(row, column, seed).split(" && ")
        assert shlex.split(command)[:3] == ["jeat", "measure", net]
        assert owner.get(column, "robust_accuracy") in shlex.split(command)
        assert (f"--seed {seed}" in command) == (seed > 0)
        if column not in owner:
            assert ("--robust_accuracy.loss energy" in command) == column.startswith("energy_")
            assert ("--robust_accuracy.steps 1 " in command) == column.endswith("fgsm")
        if "--samples" in command:
            by_16 = row != method
            images = f"{net}/{'eq16' if by_16 else 'eq17'}.safetensors"
            assert shlex.split(*drawing)[:4] == ["jeat", "sample", net, images]
            assert ("--energy cross-entropy" in drawing[0]) == by_16
            assert f"--samples {images}" in command
        else:
            assert not drawing


def test_the_records_are_those_of_the_files(results, planted):
    found = {}
    for r in results["records"]:
        key = r["method"], r["column"], r["seed"]
        assert key not in found
        both = " && ".join(filter(None, (r["drawing"], r["command"])))
        found[key] = r["value"], r["images"], both, r["file"]
    assert {k: v for k, v in found.items() if k in planted.files} == {
        (row, column, seed): (
            planted.values[row, column][seed], planted.images[file],
            planted.command(row, column, seed), str(file.relative_to(planted.out)),
        )
        for (row, column, seed), file in planted.files.items()
    }  # fmt: skip


def test_the_summary_is_that_of_the_records(results, planted):
    found = {(m, c): v for m, row in results["summary"].items() for c, v in row.items()}
    for key, ours in planted.values.items():
        std = pytest.approx(statistics.stdev(ours.values())) if len(ours) > 1 else None
        images = sorted({planted.images[planted.files[*key, seed]] for seed in ours})
        mean = pytest.approx(statistics.fmean(ours.values()))
        assert found[key] == {"mean": mean, "std": std, "images": images}
    own = {(r["method"], r["column"]) for r in results["records"]}
    assert found.keys() == own >= planted.values.keys()


@pytest.mark.parametrize("name", known_parts("recipes"))
def test_no_row_or_heading_of_a_table_stands_twice(name):
    suite = import_module(f"jeat.recipes.{name}").suite()
    for t in suite.comparison.tables(suite, {}):
        for those in (t.methods, [c.label for c in t.columns]):
            assert len({*those}) == len(those), t.title


# What is said of the numbers


def held_of(planted):
    """{claim: (in how many seeds it held, of how many)}"""
    known = {}
    for column, order, what in CLAIMS:
        a, b = (planted.values[m, column] for m in order.split(" > "))
        known[f"{what}: {order}"] = sum(a[s] > b[s] for s in a), len(a)
    assert [*known.values()][:4] == [(held, SEEDS) for held in HELD.values()]
    return known


def test_each_claim_stands_beside_the_seeds_in_which_it_held(sections, results, planted):
    known = held_of(planted)
    said = [f"{claim}: held in {k} of {n} seeds" for claim, (k, n) in known.items()]
    items = sections["The paper's orderings"].all("li")
    assert [item.text for item in items] == said
    for item, (k, n) in zip(items, known.values(), strict=True):
        assert item.attrs["class"] == ("held" if k == n else "" if k else "failed")
    parts = markdown_sections((planted.out / "tables.md").read_text())
    assert parts["The paper's orderings"].split("\n- ")[1:] == [*said[:-1], f"{said[-1]}\n"]
    assert results["claims"] == {c: {"held": k, "seeds": n} for c, (k, n) in known.items()}


def test_each_warning_names_the_run_that_it_is_of(sections, results, planted):
    said = {
        f"{row}, seed {seed}: gradients look masked: the gradient is exactly zero at "
        f"{value * 100:.0f} of 100 images"
        for (row, column), by_seed in planted.values.items() if column == "masking_zero_gradient"
        for seed, value in by_seed.items()
    }  # fmt: skip
    assert len(said) == len(METHODS) * SEEDS  # no two nets have the same value
    parts = markdown_sections((planted.out / "tables.md").read_text())
    for told in (
        results["warnings"],
        [item.text for item in sections["Warnings"].all("li")],
        [line.removeprefix("- ") for line in parts["Warnings"].splitlines()],
    ):
        assert {t for t in told if "exactly zero" in t} == said


# The cards


@pytest.mark.parametrize("method", [*METHODS, "judge"])
def test_a_card_has_the_figures_and_commands_of_its_net(method, planted):
    name = f"toy-{method}"
    card = ModelCard.load(planted.out / f"models/{name}.md")
    own = {c: v[0] for (row, c), v in planted.values.items() if row == method}
    assert card.data.model_name == name
    told = {r.metric_type: r.metric_value for r in card.data.eval_results}
    assert {k: v for k, v in told.items() if k in own} == own
    notes = {}
    for c in (c for t in planted.tables for c in t.columns):
        notes.setdefault(c.name, set()).add(f"{c.label}: {reading(c)}")
    parts = markdown_sections(card.text)
    head, *rows = markdown_rows(parts["Figures"])
    assert head == ["figure", "value", "images", "what"]
    assert {row[0] for row in rows} == told.keys() >= own.keys()
    for figure, value, images, what in rows:
        if figure in own:
            assert float(value) == own[figure]
            assert int(images) == planted.images[planted.files[method, figure, 0]]
        assert what in notes.get(figure, {""})
    files = {planted.files[method, c, 0] for c in own}
    known = set()
    for file, m in measurements(SUITE, planted.out, seeds=1).items():
        if file in files:
            judge, samples = m.judge and "toy-judge", m.samples and Path(m.samples).name
            known.add(replace(m, net=name, judge=judge, samples=samples).command())
            if m.samples:
                drawing = drawings(SUITE, planted.out, seeds=1)[Path(m.samples)]
                known.add(replace(drawing, net=name).command(samples))
    found = parts["Figures"].split("Found by\n\n```\n")[1].split("\n```")[0].splitlines()
    assert len(found) == len(known)
    assert {*found} == known
    run = "judge" if method == "judge" else f"seed0/{method}"
    made = f"run `{method}`, seed 0, {planted.minutes[run]:.3g} minutes"
    assert made in parts["How it was made"]


# Pictures


@pytest.fixture
def plots(monkeypatch):
    """The plots that are saved."""
    found = []
    monkeypatch.setattr(Plot, "savefig", lambda figure, *_, **__: found.append(figure))
    return found


def shown(place, *methods, data=DIGITS):
    (place / "pictures").mkdir()
    return Shown(
        runs=place, methods=methods, data=data, place=place / "pictures", eps=0.1, norm="linf",
        radius=2.0, points=7, compared=None,
    )  # fmt: skip


@pytest.mark.parametrize("own", [False, True])
def test_each_panel_of_fig_2_has_the_energies_of_its_net_along_u_and_v(own, tmp_path, plots):
    s, nets = shown(tmp_path, "normal", "at", "jem"), {}
    x, y = DIGITS.test.x[:1].float() / 255, DIGITS.test.y[:1]
    for i, method in enumerate(s.methods):
        nets[method] = build(Spec("convnet-2", 1, 8, DIGITS.classes)).eval()
        with torch.no_grad():
            nets[method][-1].weight *= 20 * (i + 1)
        (tmp_path / method).mkdir()
        save_net(nets[method], None, tmp_path / method / "net.safetensors", about={})
        (tmp_path / method / "eq17.safetensors").touch()
    made = (FIG2_OWN if own else FIG2)(s)
    assert f"of class {DIGITS.classes[int(y)]}" in made.caption
    (figure,) = plots
    u, v = plane(x, seed=0)
    t = np.linspace(-s.radius, s.radius, s.points)
    panels_of = {ax.get_title(loc="left"): ax for ax in figure.axes if ax.get_title(loc="left")}
    assert panels_of.keys() == nets.keys()
    for method, ax in panels_of.items():
        E_of = energy_of(nets[method], y)
        E = {(a, b): E_of(x + a * u + b * v).item() for a, b in product(t, t)}
        (filled,) = (c for c in ax.collections if isinstance(c, QuadContourSet) and c.filled)
        line = f", a line every {filled.levels[1] - filled.levels[0]:.2g}" if own else ""
        assert ax.get_title(loc="right") == f"E = {E[0, 0]:.2f}{line}"
        (cross,) = (line for line in ax.lines if line.get_marker() == "X")
        assert (*cross.get_xdata(), *cross.get_ydata()) == pytest.approx(min(E, key=E.get))
        for at in product(t[1:-1], t[1:-1]):
            low, high = band(ax, at)
            assert low - 1e-3 <= E[at] - E[0, 0] <= high + 1e-3, (method, at)
    assert figure.get_supxlabel().startswith("along u")
    assert figure.get_supylabel().startswith("along v")


def band(ax, at):
    """The levels between which a point is drawn: it lies inside of an odd number of lines."""
    (filled,) = (c for c in ax.collections if isinstance(c, QuadContourSet) and c.filled)
    at = np.add(at, 1e-6)  # off the lines of the grid
    for low, high, path in zip(filled.levels, filled.levels[1:], filled.get_paths(), strict=True):
        if sum(inside(line, at) for line in path.to_polygons()) % 2:
            return low, high
    raise AssertionError(f"nothing is drawn at {at}")


def inside(line, at):
    (x0, y0), (x1, y1) = line.T[:, :-1], line.T[:, 1:]
    crossed = (y0 > at[1]) != (y1 > at[1])
    where = x0 + (at[1] - y0) / np.where(crossed, y1 - y0, 1) * (x1 - x0)
    return (crossed & (where > at[0])).sum() % 2


def test_each_line_of_fig_3_is_what_its_panel_and_legend_say(tmp_path, plots):
    numbers, logs = count(1), {}
    names = [f"delta_{what}_{E}" for what in ("x", "theta") for E in ("E_y", "E")]
    for method in ("at", "jeat"):
        logs[method] = [
            {"epoch": e} | {f"{n}{end}": 1.0 * next(numbers) for n in names for end in ("", "_std")}
            for e in (1.0, 2.0, 3.0)
        ]
        (tmp_path / method).mkdir()
        log = "".join(json.dumps(row) + "\n" for row in logs[method])
        (tmp_path / method / "log.jsonl").write_text(log)
    FIG3(shown(tmp_path, "at", "jeat"))
    (figure,) = plots
    (legend,) = (legend for ax in figure.axes if (legend := ax.get_legend()))
    words = {"attack": "delta_x", "optimiser step": "delta_theta"}
    colours = {
        rgb(handle.get_color()): words[text.get_text().split(": ")[1]]
        for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=True)
    }
    seen = set()
    for ax in figure.axes:
        method, energy = ax.get_title().split(": ")
        E = {"E(x, y)": "E_y", "E(x)": "E"}[energy]
        for drawn in ax.containers:
            line, _, (bars,) = drawn
            what = words[drawn.get_label().split(": ")[1]]
            assert colours[rgb(line.get_color())] == what
            means, stds = (
                [row[f"{what}_{E}{end}"] for row in logs[method]] for end in ("", "_std")
            )
            assert line.get_xdata().tolist() == [1, 2, 3]
            assert line.get_ydata() == pytest.approx(means)
            halves = [(bar[1, 1] - bar[0, 1]) / 2 for bar in bars.get_segments()]
            assert halves == pytest.approx(stds)
            seen.add((method, E, what))
    assert seen == {*product(logs, ("E_y", "E"), words.values())}


def rgb(colour):
    return tuple(to_rgba_array(colour)[0])


def rendered(name, size=20):
    canvas = Image.new("RGB", (400, 60), "white")
    ImageDraw.Draw(canvas).text((9, 9), name, fill="black", font=font(size))
    return inked(np.asarray(canvas))


def inked(picture):
    """A picture without its white margins."""
    ink = (picture != 255).any(2)
    (top, *_, bottom), (left, *_, right) = (np.flatnonzero(ink.any(axis)) for axis in (1, 0))
    return picture[top : bottom + 1, left : right + 1]


def panels_under(canvas, names):
    """The pictures on a white canvas by the names that stand above them."""
    canvas = np.asarray(canvas)
    boxes = ndimage.find_objects(ndimage.label((canvas != 255).any(2))[0])
    boxes = [b for b in boxes if min(canvas[b].shape[:2]) > 30]  # no letters
    found = {}
    for rows, columns in boxes:
        above = (b[0].stop for b in boxes if b[1] == columns and b[0].stop < rows.start)
        left = columns.start - 4  # a j begins further left than its picture
        title = inked(canvas[max(above, default=0) : rows.start, left : columns.stop])
        (name,) = (n for n in names if np.array_equal(rendered(n), title))
        found[name] = canvas[rows, columns]
    return found


def cells(panel, columns):
    """The images of a grid, [row, column, y, x], without the grey between them."""
    grey = (panel == 96).all(2)
    inner = panel[~grey.all(1)][:, ~grey.all(0)]
    side = inner.shape[1] // columns
    return inner.reshape(-1, side, columns, side, 3).swapaxes(1, 2)


def test_the_name_above_a_picture_is_its_own():
    colours = {f"panel {name}": name for name in ("red", "lime", "blue", "gold", "navy")}
    pictures = {name: Image.new("RGB", (160, 40), colour) for name, colour in colours.items()}
    found = panels_under(panels(pictures, columns=2), colours)
    assert found.keys() == pictures.keys()
    for name, picture in pictures.items():
        assert np.array_equal(found[name], np.asarray(picture))


OWN = {"fig5": FIG5, "fig6": FIG6}
PANELS = {
    "fig5": {f"noise-{n}": f"noise-{n}/eq17" for n in (24, 16, 8)} | {"normal": "normal/eq17"},
    "fig6": {m: f"{m}/eq17" for m in ("at", "prejeat", "jem", "jeat", "mine")},
}
PICTURED = ("normal", "noise-8", "noise-16", "noise-24", "at", "prejeat", "jem", "jeat", "mine")


def named_rows(picture):
    """The rows of images on white, and what stands before each."""
    boxes = ndimage.find_objects(ndimage.label((picture != 255).any(2))[0])
    boxes = [b for b in boxes if min(picture[b].shape[:2]) > 30]  # no letters
    return [
        (inked(picture[rows, : columns.start]), picture[rows, columns]) for rows, columns in boxes
    ]


@pytest.fixture
def coloured(tmp_path):
    """Eleven images of eleven classes a file, each of its own colour; ten of ten are shown."""
    files = [*(f"{m}/eq17" for m in PICTURED), "at/eq16"]
    step = torch.arange(11, dtype=torch.uint8) * 20 + 10
    colours = {}
    for i, file in enumerate(files):
        first = torch.full((11, 11), 15 + 20 * i, dtype=torch.uint8)
        colours[file] = torch.stack([first, *torch.meshgrid(step, step, indexing="ij")], 2)
        plant(tmp_path / f"{file}.safetensors", colours[file].flatten(0, 1)[:, :, None, None])
    return colours


@pytest.mark.parametrize("name", PANELS)
def test_each_panel_has_the_images_of_its_method_a_row_a_class(name, coloured, tmp_path):
    s = shown(tmp_path, *PICTURED)
    assert OWN[name](s).file == s.place / f"{name}.png"
    canvas = np.asarray(Image.open(s.place / f"{name}.png"))
    gap, title = 8, 28
    down = -(-len(PANELS[name]) // 2)
    width, height = (canvas.shape[1] - gap) // 2, (canvas.shape[0] - gap) // down
    for i, (method, file) in enumerate(PANELS[name].items()):
        top, left = gap + (i // 2) * height, gap + (i % 2) * width
        panel = canvas[top : top + height - gap, left - 4 : left + width - gap]  # a j hangs over
        assert np.array_equal(inked(panel[:title]), rendered(method))
        found = named_rows(panel[title:])
        assert len(found) == 10
        for k, (of, row) in enumerate(found):
            assert np.array_equal(of, rendered(DIGITS.classes[k], 14))
            assert (cells(row, 10)[0] == coloured[file][k, :10, None, None].numpy()).all()
            assert cells(row, 10).shape[2] == 64


@pytest.mark.parametrize(
    ("classes", "at"), [(DIGITS.classes, 0), (("cat", "ship", *"cdefghij"), 1)]
)
def test_fig_4_has_ten_images_of_one_class_by_both_equations(classes, at, coloured, tmp_path):
    s = shown(tmp_path, *PICTURED, data=Data(DIGITS.train, DIGITS.test, classes))
    assert f"of class {classes[at]} by each" in FIG4(s).caption
    found = named_rows(np.asarray(Image.open(s.place / "fig4.png")))
    files = {"at, Eq. 16": "at/eq16", "at, Eq. 17": "at/eq17", "prejeat, Eq. 17": "prejeat/eq17"}
    for (of, row), (name, file) in zip(found, files.items(), strict=True):
        assert np.array_equal(of, rendered(name, 14))
        assert (cells(row, 10)[0] == coloured[file][at, :10, None, None].numpy()).all()


def test_the_curves_are_those_that_were_measured(tmp_path, plots):
    values = {"normal": [0.9, 0.2, 0.1], "at": [0.7, 0.6, 0.5]}
    for method, shares in values.items():
        (tmp_path / method / "figures").mkdir(parents=True)
        names = [f"robust_accuracy@{eps:.4g}" for eps in (0, 4 / 255, 8 / 255)]
        kept = {
            "figures": dict(zip(names, shares, strict=True)), "images": 321,
            "intervals": {k: [v - 0.05, v + 0.04] for k, v in zip(names, shares, strict=True)},
        }  # fmt: skip
        (tmp_path / method / "figures/curve.json").write_text(json.dumps(kept))
    assert "321 test images" in CURVES(shown(tmp_path, "normal", "at", "jem")).caption
    (figure,) = plots
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert lines.keys() == values.keys()
    for method, line in lines.items():
        assert line.get_ydata() == pytest.approx(values[method])
        assert line.get_xdata() == pytest.approx([0, 4, 8], abs=0.01)


def test_without_curves_there_is_no_picture_of_them(tmp_path):
    assert CURVES(shown(tmp_path, "at")) is None


def test_the_course_of_a_training_is_what_its_log_says_beside_all_that_were_measured(
    tmp_path, plots
):
    for method, clean, robust in (("normal", 0.9, 0.1), ("at", 0.7, 0.5)):
        (tmp_path / method / "figures").mkdir(parents=True)
        for kind, figure in (
            ("clean", {"accuracy": clean}),
            ("pgd_20", {"robust_accuracy": robust}),
        ):
            file = tmp_path / method / f"figures/{kind}.json"
            file.write_text(json.dumps({"figures": figure}))
    lines = [
        {"iteration": 1, "loss": 2.0},
        {"iteration": 2, "test_accuracy": 0.4, "test_robust_accuracy": 0.2},
        {"iteration": 3, "test_accuracy": 0.6, "test_robust_accuracy": 0.3},
    ]
    (tmp_path / "at/log.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "normal/log.jsonl").write_text(json.dumps(lines[1]))
    assert "Seed 0" in COURSE(shown(tmp_path, "normal", "at")).caption
    (figure,) = plots
    found = {
        line.get_label(): [*zip(line.get_xdata(), line.get_ydata(), strict=True)]
        for line in figure.axes[0].lines
    }
    assert found == {
        "at, by epoch": [(0.4, 0.2), (0.6, 0.3)], "normal": [(0.9, 0.1)], "at": [(0.7, 0.5)],
    }  # fmt: skip


def test_without_a_course_there_is_no_picture_of_it(tmp_path):
    assert COURSE(shown(tmp_path, "at")) is None


def plant(file, images):
    """Keep uint8 images of classes that follow each other, eleven images each or one."""
    images = images.expand(-1, -1, 8, 8)
    file.parent.mkdir(exist_ok=True)
    (net := file.with_suffix(".net")).touch()
    labels = torch.arange(len(images)) // (11 if len(images) == 121 else 1)
    save_images(file, images.float() / 255, labels, Drawing(str(net)))


def test_each_block_of_fig_7_has_the_nearest_by_its_own_distance(tmp_path):
    """Near in L2: another weak texture. Near in SSIM: the same texture s times as strong.

    Of zero-mean textures, SSIM is 2 s / (1 + s^2), which falls as s grows.
    """
    wide, textures = [], torch.randint(0, 2, (3, 8, 8)) * 2 - 1
    levels = torch.tensor([70, 128, 186])[:, None, None]
    images = levels + 10 * textures
    alike = levels[:, None] + torch.arange(25, 35)[:, None, None] * textures[:, None]
    weak = levels[:, None] + torch.randint(-6, 7, (3, 10, 8, 8))
    train = torch.cat([alike.flatten(0, 1), weak.flatten(0, 1)])
    train = train[torch.randperm(len(train))]
    other = torch.randint(0, 256, (3, 8, 8))
    for method, drawn in (("at", other), ("jeat", images)):
        plant(tmp_path / f"{method}/eq17.safetensors", drawn[:, None].byte())
    labelled = Images(train[:, None].byte(), torch.arange(len(train)) % 10)
    s = shown(tmp_path, "jeat", "at", data=Data(labelled, DIGITS.test, DIGITS.classes))
    assert "JEAT's images" in FIG7(s).title
    found = panels_under(Image.open(s.place / "fig7.png"), ("L2", "SSIM"))
    assert [*found] == ["L2", "SSIM"]  # from left to right, as the caption says
    for i, image in enumerate(images):
        squares = (train - image).square().sum((1, 2))
        by_l2 = train[squares.argsort(stable=True)[:10]]
        wide.append(not torch.equal(by_l2.sort(0).values, alike[i].sort(0).values))
        for name, known in (("L2", by_l2), ("SSIM", alike[i])):
            row = torch.from_numpy(cells(found[name], 11)[i, :, ::4, ::4, 0].astype(int))
            assert torch.equal(row, torch.cat([image[None], known])), (name, i)
    assert all(wide)


# Eq. 15


def test_eq_15_is_logged_of_the_weights_before_and_after_the_step(tmp_path):
    o = Optimisation(
        epochs=4 / 22, batch_size=64, lr=0.01, deltas_every=1, save_every=1, evaluate_images=1
    )
    plan = Plan("normal", net="convnet-2", eps=0.1, optimisation=o)
    before, logged = None, []
    every = zip(jeat.fit(plan, tmp_path), batches(DIGITS.train, 64, seed=0, epoch=0), strict=False)
    for log, batch in every:
        state = torch.get_rng_state()
        with torch.random.fork_rng():
            after = jeat.load(tmp_path)
            if before is not None:
                old, at_that_time = before
                torch.set_rng_state(at_that_time)
                x_adv = fgsm_rs(old, batch.x, batch.y, eps=plan.eps)
                for name, y in (("E_y", batch.y), ("E", None)):
                    E, E_after = energy_of(old, y), energy_of(after, y)
                    with torch.no_grad():
                        step, attack = E_after(x_adv) - E(x_adv), E(x_adv) - E(batch.x)
                    for what, change in (("theta", step), ("x", attack)):
                        found = log.metrics[f"delta_{what}_{name}"]
                        assert abs(found) > 1e-5
                        std = log.metrics[f"delta_{what}_{name}_std"]
                        known = [float(change.mean()), float(change.std(correction=0))]
                        assert [found, std] == pytest.approx(known, rel=1e-3, abs=1e-7)
        logged.append(log.metrics)
        before = after, state
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert len(rows) == 4
    for i, (row, metrics) in enumerate(zip(rows, logged, strict=True), 1):
        del row["seconds"]
        assert row == {"iteration": i} | metrics
