"""The house: imports point down only, siblings never import each other, rooms stay small."""

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "jeat"
FLOORS = [
    {"_checks", "_sealed"},
    {
        "energy",
        "balls",
        "data",
        "nets",
        "plan",
        "shards",
        "_files",
        "_hub",
        "_images",
        "_signature",
        "_words",
    },
    {"attacks", "samplers", "buffer", "sources", "landscape", "health", "_stop"},
    {"objectives", "metrics", "generate", "checkpoint", "report", "deltas"},
    {"step", "subject"},
    {"train", "state", "_place", "_ready", "evaluation"},
    {"rollbacks"},
    {"run", "drawing"},
    {"measurement"},
    {"recipes"},
    {"cli"},
    {"__main__"},
]
FLOOR = {room: i for i, floor in enumerate(FLOORS) for room in floor}
FILES = sorted(SRC.rglob("*.py"))


def imported(file: Path) -> list[str]:
    """The modules of this package that a file imports, at its top or inside a function."""
    found = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return [name for name in found if name.startswith("jeat.")]


def test_every_room_has_a_floor():
    rooms = {f.relative_to(SRC).parts[0].removesuffix(".py") for f in FILES} - {"__init__"}
    assert rooms == set(FLOOR)


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(SRC)))
def test_imports_point_down(file):
    parts = file.relative_to(SRC).with_suffix("").parts
    room = parts[0]
    if room == "__init__":
        return
    for name in imported(file):
        words = name.split(".")
        other = words[1]
        if other not in FLOOR:  # the package's own names, such as jeat.load, stand above all
            assert room == "cli", f"{file.name} imports {name}"
        elif other != room:
            assert FLOOR[other] < FLOOR[room], f"{file.name} imports {name}, not below it"
        elif parts[-1] != "__init__" and len(parts) > 1:  # in one folder: its _private files only
            assert words[2].startswith("_"), f"{file.name} imports its sibling {name}"


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(SRC)))
def test_rooms_are_small(file):
    assert len(file.read_text().splitlines()) <= 220
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno <= 70, node.name
