"""The plan of the house, and the page that shows it: ``python -m docs.rooms`` writes layout.md."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "jeat"

FLOORS = [
    ["_support"],
    ["energy", "data"],
    ["attacks", "samplers"],
    ["nets"],
    ["objectives", "metrics", "steps", "figures", "exports", "sampling"],
    ["training", "report"],
    ["runs"],
    ["jobs"],
    ["suites", "sweeps", "app"],
    ["recipes"],
    ["cli"],
    ["__main__"],
]
"""Rooms, from the ground up: a room imports only what is below it."""

INSIDE = {
    "_support": [
        "near", "checks", "intervals", "tensors", "evenly", "learning", "passes", "kinds", "table",
        "shipped", "files", "file_names", "reading", "hub",
        "words", "version", "moved", "stop", "processes", "locks", "sealed", "provenance", "source",
        "brought", "plugins", "own_code", "libraries", "signatures",
    ],
    "data": [
        "images", "overview", "labels", "batches", "dequantise", "sizes", "decode", "columns",
        "splits", "split_columns", "split_files", "folders", "sources", "pairs", "given", "names",
        "few_labels", "validation", "load", "loose",
    ],
    "attacks": ["balls", "pgd", "counterfactual"],
    "nets": [
        "modes", "spec", "wrap", "layouts", "places", "state_dicts", "foreign",
        "checkpoint", "weights",
    ],
    "metrics": ["curvature", "fisher_score"],
    "training": [
        "followed", "plan", "flags", "health", "iteration", "deltas", "evaluation", "given",
        "unsaved", "begin", "loop",
    ],
    "runs": [
        "folder", "checkpoints", "buffer", "log", "rollbacks", "drawn", "tracking", "beside",
        "asked", "record", "leftovers", "save", "run", "fit",
    ],
    "jobs": [
        "inputs", "one_image", "known", "drawing", "image_files", "chains", "pictures", "strips",
        "film", "needs", "measurement", "alike", "comparing",
    ],
    "app": [
        "turns", "given", "pieces", "chosen", "balls", "wiring", "generate", "attack", "landscape",
        "compare", "why", "page",
    ],
    "report": ["summary", "tables", "outcome", "page"],
    "suites": [
        "suite", "ended", "records", "cost", "smoke", "rehearsal", "cards", "report", "tasks",
        "work",
    ],
    "sweeps": ["sweep", "study", "work", "result"],
    "recipes": ["paper"],
    "recipes/paper": [
        "numbers", "words", "tables", "shown", "accuracies", "figures", "comparison", "variants",
        "steps",
    ],
    "figures": ["image_grid", "captioned"],
    "exports": ["hub_folder", "pretrained"],
}  # fmt: skip
"""Rooms whose files build on each other, in that order; files of other rooms do not."""


def room_of(file: Path) -> str:
    """The room of a file: its top folder, or its own name at the root."""
    return file.relative_to(SRC).parts[0].removesuffix(".py")


def imported(file: Path) -> list[str]:
    """The modules of the package that a file imports, at its top, in a function or by name."""
    here, found = ["jeat", *file.relative_to(SRC).with_suffix("").parts], []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = here[: -node.level] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            found += [f"{module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
            found += [v.value for v in node.args if isinstance(v, ast.Constant)]
    return [name for name in found if name.startswith("jeat.")]


def summary(file: Path) -> str:
    """The first line of a file's docstring."""
    return (ast.get_docstring(ast.parse(file.read_text())) or "").splitlines()[0]


def arrows() -> dict[str, set[str]]:
    """Room -> the rooms that it imports."""
    found: dict[str, set[str]] = {room: set() for floor in FLOORS for room in floor}
    for file in SRC.rglob("*.py"):
        room = room_of(file)
        if room != "__init__":
            others = {name.split(".")[1] for name in imported(file)}
            found[room] |= {other for other in others if other in found and other != room}
    return found


def picture() -> str:
    """The floors, from the top, and which rooms each room imports."""
    taken, width = arrows(), max(len(room) for floor in FLOORS for room in floor)
    lines = []
    for i, floor in reversed(list(enumerate(FLOORS))):
        for room in floor:
            below = [r for f in FLOORS for r in f if r in taken[room]]
            lines.append(
                f"{i:>2}  {room:<{width}}  {'-> ' if below else ''}{' '.join(below)}".rstrip()
            )
    return "\n".join(lines)


def table() -> str:
    """A row of the table a file, room by room, with the first line of its docstring."""
    rows = []
    for i, floor in enumerate(FLOORS):
        for room in floor:
            place = SRC / room
            files = [place.with_suffix(".py")] if not place.is_dir() else _files(place, room)
            for k, file in enumerate(files):
                name = file.relative_to(place if place.is_dir() else SRC)
                own = [str(i), f"`{room}`"] if k == 0 else ["", ""]
                rows.append(f"| {own[0]} | {own[1]} | `{name}` | {summary(file)} |")
    return "\n".join(rows)


def _files(place: Path, room: str) -> list[Path]:
    """The sign, the files in the room's own order, then the others."""
    order = INSIDE.get(room, [])
    files = sorted(f for f in place.rglob("*.py") if summary(f))
    rank = {name: i for i, name in enumerate(["__init__", *order])}
    return sorted(
        files,
        key=lambda f: (rank.get(f.relative_to(place).parts[0].removesuffix(".py"), 99), str(f)),
    )


def page() -> str:
    """docs/layout.md."""
    return (
        (ROOT / "docs/layout.template")
        .read_text()
        .replace("%PICTURE%", picture())
        .replace("%TABLE%", table())
    )


if __name__ == "__main__":
    (ROOT / "docs/layout.md").write_text(page())
