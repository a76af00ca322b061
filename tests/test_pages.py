"""Every block of code on every page: run where that is cheap, read by the real parser where not.

A block that is neither stands below ``<!-- sketch: why -->``. test_pages_run.py runs all commands.
"""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from docs.rooms import FLOORS, arrows

import jeat
from jeat.cli import main
from jeat.cli._parser import Parser
from jeat.runs.asked import check_run

from . import foreign_nets

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(
        file
        for file in (ROOT / "docs").rglob("*")
        if file.suffix in (".md", ".ipynb") and "_build" not in file.parts
    ),
]
BLOCK = re.compile(r"(<!-- sketch: [^>]+ -->\n)?^```([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NO_CODE = ("text", "bibtex", "{eval-rst}", "{toctree}", "{include}", "{literalinclude}", "{only}")
ELSEWHERE = (r"\. \.venv/", r"python3 -m venv \.venv", r"pip install (-e \.|torch |jeat$)",
             "export [A-Z_]+=", "npm pack ")  # fmt: skip
RUNS = (
    "start.md", "other-images.md", "samples.md", "export.md", "sweeps.md",
    "coming-from.md",
)  # fmt: skip
# README.md runs in test_readme.py, your-data.md and data-sources.md in test_data_command.py,
# your-net.md in test_your_net.py, the cells of notebooks in test_site.py
SHORTER = {"epochs=20": "epochs=1", "torch.arange(500)": "torch.arange(60)"}

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))


class Parsed(BaseException):
    """Raised where a command has understood its words, and would begin to work."""


def text_of(page):
    """The text of a page; of a notebook, that of its cells that are no code."""
    if page.suffix != ".ipynb":
        return page.read_text()
    cells = json.loads(page.read_text())["cells"]
    return "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def blocks(page):
    """(language, code) of the blocks of a page that are no sketches."""
    found = BLOCK.findall(text_of(page))
    return [(kind.split()[0], code) for sketch, kind, code in found if not sketch]


def commands(text):
    """The commands of a block, one a line, without comments."""
    lines = text.replace("\\\n", " ").splitlines()
    return [s for line in lines if (s := re.sub(r"(^| +)#.*", "", line).strip())]


@pytest.fixture(scope="module")
def nets(tmp_path_factory):
    """runs/jeat and runs/judge, as the pages name them."""
    place = tmp_path_factory.mktemp("pages")
    o = jeat.Optimisation(epochs=0.3, evaluate_images=20)
    chains = {"steps": 2, "buffer_size": 300}
    plans = {
        "jeat": jeat.Plan("jeat", net="convnet-4", objective=chains, optimisation=o),
        "judge": jeat.Plan("normal", net="convnet-8", optimisation=o),
    }
    for name, plan in plans.items():
        for _ in jeat.fit(plan, place / "runs" / name):
            pass
    return place


def write_files_of_pages():
    """The files that pages write, here: blocks that begin ``# NAME``."""
    for page in PAGES:
        for _, code in blocks(page):
            if name := re.match(r"# ([\w.]+\.(py|yaml))\b", code):
                Path(name[1]).write_text(code)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder that has the files which pages write, and what their commands are told of."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    write_files_of_pages()
    plan, _ = check_run(jeat.Plan("jeat"), "runs/jeat", resume=False)
    Path("runs/jeat").mkdir(parents=True)
    Path("runs/jeat/run.json").write_text(json.dumps({"plan": asdict(plan)}))
    Path("runs/sweep").mkdir()
    Path("runs/sweep/best.yaml").write_text("lr: 1e-4\n")
    Path("runs/sweep/sweep.json").write_text(json.dumps({"method": "jem"}))
    yield tmp_path
    sys.modules.pop("mine", None)


def understood(words, monkeypatch):
    """Have a command read its words, and no more."""
    parse = Parser.parse

    def parse_only(self, given):
        parse(self, given)
        raise Parsed

    monkeypatch.setattr(Parser, "parse", parse_only)
    try:
        assert main(words) == 0  # help that a command prints itself
    except Parsed:
        pass
    except SystemExit as left:
        assert left.code == 0  # noqa: PT017


def targets():
    return re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)


SHELL = [(page, c) for page in PAGES for k, t in blocks(page) if k in ("sh", "bash")
         for c in commands(t)]  # fmt: skip


@every_page
def test_every_block_is_of_a_known_kind(page):
    kinds = {kind for kind, _ in blocks(page)}
    assert kinds <= {"sh", "bash", "yaml", "python", *NO_CODE}


@pytest.mark.parametrize(("page", "command"), SHELL, ids=lambda v: getattr(v, "name", v))
def test_every_command_that_a_page_shows_is_one(page, command, here, monkeypatch):
    if command.startswith("make "):
        assert command.split()[1] in targets()
    elif ours := re.search(r"(?:^|-m (?:-- )?)jeat (.*)", command):
        understood(shlex.split(ours[1]), monkeypatch)
    else:
        assert any(re.match(pattern, command) for pattern in ELSEWHERE), command


def of_another_project():
    """What coming-from.md takes to be there: a checkpoint of robustness, a module, and images."""
    mean, std = [0.49, 0.48, 0.45], [0.25, 0.24, 0.26]
    theirs = foreign_nets.Robustness(foreign_nets.Kuangliu(18, 4), mean, std)
    torch.save({"model": theirs.state_dict()}, "cifar_l2_0_5.pt")
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3072, 10))
    return {"model": model, "x": torch.rand(8, 3, 32, 32), "y": torch.arange(8)}


GIVEN = {"coming-from.md": of_another_project}


@pytest.mark.parametrize("name", RUNS)
def test_the_python_of_a_page_runs_from_top_to_bottom(name, nets, monkeypatch, capsys):
    monkeypatch.chdir(nets)
    names = GIVEN.get(name, dict)()
    for kind, code in blocks(ROOT / "docs" / name):
        if kind == "python":
            for long, short in SHORTER.items():
                code = code.replace(long, short)
            exec(code, names)
    assert names
    assert capsys.readouterr().out


def test_the_script_of_equal_runs_runs(here):
    done = subprocess.run(
        [sys.executable, "deterministic.py", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"jeat {jeat.__version__}\n"


def test_python_that_runs_nowhere_is_shown_nowhere():
    """Of each page, where its blocks of Python run."""
    tested = {*RUNS, "README.md", "CONTRIBUTING.md", "scale.md", "your-data.md", "your-net.md"}
    tested |= {"data-sources.md", "hour.md"}  # the last is of README.md
    shown = {page.name for page in PAGES for kind, _ in blocks(page) if kind == "python"}
    assert shown <= tested


INLINE = sorted({
    c.replace("\n", " ")
    for page in PAGES
    for c in re.findall(r"(?<!`)`(jeat [a-z][^`]*)`(?!`)", text_of(page))
    if re.search(r" -", c) and not re.search(r"\*|\.\.\.|\bNAME\b|mine:|mine$|tests\.", c)
})  # fmt: skip


@pytest.mark.parametrize("command", INLINE)
def test_every_command_within_a_sentence_is_one(command, here, monkeypatch, capsys):
    words = shlex.split(command.replace("METHOD", "at"))[1:]
    words = ["runs/jeat" if word in ("FOLDER", "RUN") else word for word in words]
    if len(words) == 2 and words[1] != "--help":  # a flag of a command
        with pytest.raises(SystemExit):
            main([words[0], "--help"])
        assert f" {words[1]} " in capsys.readouterr().out
    else:
        understood(words, monkeypatch)


def test_make_demo_writes_where_the_pages_say():
    (command,) = re.findall(r"jeat reproduce digits --out (\S+)", (ROOT / "Makefile").read_text())
    for page in PAGES:
        for sentence in re.findall(r"`make demo`[^.]*?(runs/\w+)", text_of(page)):
            assert sentence == command, page.name


def test_every_extra_is_said_to_be_for_something():
    about = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {*about["optional-dependencies"]} - {"docs", "test"}
    table = (ROOT / "docs/start.md").read_text().partition("| extra |")[2].partition("\n\n")[0]
    listed = re.findall(r"^\| (.*?) \|", table, re.MULTILINE)
    assert {name for cell in listed for name in re.findall("`([a-z]+)`", cell)} == extras


def test_rooms_import_only_rooms_above_them_in_the_list_of_the_readme():
    (listed,) = re.findall(
        r"^energy\.py .*?(?=^```)", (ROOT / "README.md").read_text(), re.M | re.S
    )
    rooms = [line.split()[0].strip("/").removesuffix(".py") for line in listed.splitlines()]
    assert {*rooms} == {r for floor in FLOORS for r in floor} - {"_support", "__main__"}
    for room, below in arrows().items():
        for other in below & {*rooms}:
            assert room == "__main__" or rooms.index(other) < rooms.index(room), (room, other)
