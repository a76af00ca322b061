"""The house: imports point down, siblings stay apart, rooms stay small, names stay home.

``FLOORS`` and ``INSIDE`` are the plan of the house; docs/layout.md shows it (``python -m
docs.rooms``).
"""

import ast
import re
import subprocess
from collections import Counter

import pytest
from docs.rooms import FLOORS, INSIDE, SRC, imported, page, room_of

from jeat._support.plugins import known_parts

FLOOR = {room: i for i, floor in enumerate(FLOORS) for room in floor}
FILES = sorted(SRC.rglob("*.py"))
every_file = pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(SRC)))

# Words that are also the name of a part, and what they mean where they occur otherwise.
HOMONYMS = {
    "__init__.py": {"wrap": (1, "the function")},
    "_support/plugins.py": {"jeat": (1, "the package")},
    "_support/provenance.py": {"jeat": (1, "the package")},
    "_support/sealed.py": {"jeat": (3, "the package, in the header of files")},
    "_support/signatures.py": {
        "noise": (1, "a setting of chains"),
    },
    "runs/tracking.py": {"jeat": (1, "the project of trackers")},
    "training/flags.py": {"jeat": (1, "the command")},
    "app/attack.py": {"jeat": (1, "the command")},
    "app/landscape.py": {"jeat": (1, "the command"), "landscape": (1, "the command")},
    "app/page.py": {"jeat": (1, "the title")},
    "cli/__init__.py": {"jeat": (3, "the package")},
    "cli/_training.py": {"jeat": (1, "the command")},
    "cli/_parser.py": {"noise": (1, "a setting of chains")},
    "cli/_attacked.py": {"accuracy": (3, "a figure of energies, and the head of a column")},
    "cli/landscape.py": {
        "curvature": (1, "a column that it prints"),
        "jeat": (1, "the command"),
        "landscape": (1, "the command"),
    },
    "cli/completion.py": {"jeat": (1, "the command")},
    "cli/list.py": {"accuracy": (1, "a figure of a card")},
    "jobs/comparing.py": {"accuracy": (1, "a figure of a card")},
    "jobs/drawing.py": {"jeat": (1, "the command"), "noise": (1, "a setting of chains")},
    "jobs/measurement.py": {"jeat": (1, "the command")},
    "sampling/sample.py": {"noise": (2, "a setting of chains")},
    "metrics/energies.py": {"accuracy": (1, "a figure of its own")},
    "metrics/flatness.py": {"curvature": (3, "part of the names of its figures, and a label")},
    "metrics/gradient_masking.py": {"zero_gradient": (1, "part of the name of a sign of masking")},
    "metrics/out_of_distribution.py": {"uniform": (2, "noise, a kind of outside images")},
    "cli/sample.py": {"langevin": (1, "the default of a setting")},
    "exports/page.py": {"noise": (2, "a setting of chains")},
    "exports/hub_folder.py": {"jeat": (2, "the package")},
    "exports/pretrained.py": {"jeat": (1, "the package")},
    "nets/checkpoint.py": {
        "noise": (1, "a setting of chains"),
        "gaussian": (1, "the one start of version 0.1.0, whose files name none"),
    },
    "_support/shipped.py": {"jeat": (1, "the package")},
    "objectives/dat.py": {"normalized": (1, "the default of a setting")},
    "objectives/eb_jdat.py": {
        "clamped": (1, "the default of a setting"),
        "sharpness_aware": (1, "the step that it asks for"),
    },
    "objectives/sada_jem.py": {
        "clamped": (1, "the default of a setting"),
        "sharpness_aware": (1, "the step that it asks for"),
    },
    "objectives/igebm.py": {"clamped": (1, "the default of a setting")},
    "objectives/jeat.py": {"langevin": (1, "the default of a setting")},
    "objectives/jem.py": {"langevin": (1, "the default of a setting")},
    "samplers/_chain.py": {"langevin": (1, "the default of a setting")},
    "suites/cards.py": {"noise": (1, "a setting of chains"), "jeat": (1, "the package")},
    "training/evaluation.py": {
        "accuracy": (1, "a figure of the log"),
        "robust_accuracy": (1, "a figure of the log"),
    },
    "training/loop.py": {"accuracy": (2, "a figure of the log")},
    "training/followed.py": {"plain": (1, "the default of a setting")},
    "training/plan.py": {
        "convnet": (1, "the default of a setting"),
        "digits": (1, "the default of a setting"),
        "uniform": (1, "the default of a setting"),
    },
}
# Where names of methods, nets, metrics and figures may occur: the paper's experiments.
AT_HOME = ("recipes/",)


def test_every_room_has_a_floor():
    assert {room_of(f) for f in FILES} - {"__init__"} == set(FLOOR)


def test_the_root_holds_the_idea_and_nothing_else():
    files = {f.name for f in SRC.iterdir() if f.is_file()}
    assert files == {"__init__.py", "__main__.py", "energy.py", "py.typed"}


@every_file
def test_imports_point_down(file):
    room, parts = room_of(file), file.relative_to(SRC).with_suffix("").parts
    if room == "__init__":
        return
    for name in imported(file):
        other, *inside = name.split(".")[1:]
        if other not in FLOOR:  # the package's own names, such as jeat.load, stand above all
            assert room == "cli", f"{file.name} imports {name}"
        elif other != room:
            assert FLOOR[other] < FLOOR[room], f"{file.name} imports {name}, not below it"
            private = [word for word in inside if word.startswith("_")]
            assert not private, f"{file.name} imports the private {name}"
        elif len(parts) > 1 and parts[-1] != "__init__":
            assert _is_below(room, parts[1:], inside), f"{file.name} imports its sibling {name}"


def _is_below(room, here, there):
    """Whether a file of a room may import another one of it, by the room's own order."""
    if len(here) > 1 and len(there) > 1 and here[0] == there[0]:  # of one folder in it
        return _is_below(f"{room}/{here[0]}", here[1:], there[1:])
    order = INSIDE.get(room, [])
    files = {f.name.removesuffix(".py") for f in (SRC / room).iterdir()}
    if not there or there[0].startswith("_") or there[0] not in files:
        return True  # what is private to the room, or its sign
    if there[0] not in order or here[0] not in order:
        return here[0] not in order and there[0] in order  # a part may import what parts share
    return order.index(there[0]) <= order.index(here[0])


@every_file
def test_rooms_are_small(file):
    assert len(file.read_text().splitlines()) <= 240
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef):
            doc = len((ast.get_docstring(node, clean=False) or "").splitlines())
            assert node.end_lineno - node.lineno + 1 - doc <= 48, node.name


@every_file
def test_no_name_of_a_part_is_a_string_outside_its_file(file):
    """So that another method, net, metric or figure is another file, and no edit of this one."""
    here = file.relative_to(SRC).as_posix()
    if here.startswith(AT_HOME):
        return
    folders = (
        "objectives", "nets", "metrics", "figures", "samplers", "samplers/starts", "steps",
        "data/sources",
    )  # fmt: skip
    names = {n: f"{folder}/{n}.py" for folder in folders for n in known_parts(folder)}
    tree = ast.parse(file.read_text())
    exports = [n.value for n in tree.body if isinstance(n, ast.Assign) and _is_all(n)]
    exported = {id(node) for value in exports for node in ast.walk(value)}
    found = Counter(
        word
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and id(node) not in exported
        for word in _named(node.value, names)
        if names[word] != here
    )
    assert found == {word: n for word, (n, _) in HOMONYMS.get(here, {}).items()}


def _named(text, names):
    """Parts that a string names: by itself, as one of several words, or with a number."""
    words = text.split() if isinstance(text, str) else []
    parts = [re.sub(r"-[\d-]+$", "", word) for word in words]
    return parts if parts and all(part in names for part in parts) else []


@pytest.mark.parametrize(
    ("place", "line", "caught"),
    [
        ("_support/table.py", "import_module('jeat.cli.train')", ["jeat.cli.train"]),
        ("metrics/accuracy.py", "from ..training.plan import Plan", ["jeat.training.plan.Plan"]),
        ("data/sources/digits.py", "from .npz import reads", ["jeat.data.sources.npz.reads"]),
        ("data/sources/digits.py", "from . import npz", ["jeat.data.sources.npz"]),
    ],
)
def test_imports_are_seen_however_they_are_written(tmp_path, monkeypatch, place, line, caught):
    monkeypatch.setattr("docs.rooms.SRC", tmp_path)
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).write_text(line)
    assert imported(tmp_path / place) == caught


def test_files_of_a_folder_in_a_room_are_siblings_too():
    assert not _is_below("data", ("sources", "digits"), ("sources", "npz", "reads"))
    assert _is_below("nets", ("layouts", "trades"), ("layouts", "_found", "Found"))


@pytest.mark.parametrize(
    ("text", "named"),
    [("jeat", ["jeat"]), ("convnet-8", ["convnet"]), ("at jem prejeat", ["at", "jem", "prejeat"]),
     ("wrn-16-2-2", ["wrn"]), ("at the end", []), ("convnet-x", []), ("", [])],
)  # fmt: skip
def test_names_are_seen_in_other_clothes(text, named):
    names = [*known_parts("objectives"), *known_parts("nets")]
    assert _named(text, names) == named


def _is_all(node):
    return any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets)


def test_the_page_on_the_layout_is_generated_from_the_house():
    assert (SRC.parents[1] / "docs/layout.md").read_text() == page()


def test_a_plan_enters_few_rooms_on_its_way_from_the_command_to_the_checkpoint():
    """Rooms that take a plan or make one; those below see only what it says of them."""
    takes = {
        room_of(f)
        for f in FILES
        if any(name in ("jeat.training.plan.Plan", "jeat.Plan") for name in imported(f))
    }
    assert takes - {"__init__"} == {"cli", "training", "runs", "suites", "sweeps", "recipes"}


def test_no_file_of_the_package_is_ignored_by_git():
    found = subprocess.run(
        ["git", "check-ignore", *map(str, FILES)],
        cwd=SRC,
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode == 128:
        pytest.skip("this is no checkout")
    assert found.stdout == ""
