"""A first hour: ``python -m docs.hour`` runs its steps, and writes hour.md with what they print."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from docs.gallery import DOCS, keep

PICTURES = DOCS / "images/hour"
README = (DOCS.parent / "README.md").read_text()
LINES = 11  # of an answer
PROGRESS = re.compile(r"[\w ]+: [\d,]+ of [\d,]+\b")


@dataclass(frozen=True)
class Step:
    """A block of commands or of Python, and the pictures that it leaves, by what each shows."""

    title: str
    text: str
    code: str
    shown: dict[str, str]

    @property
    def language(self) -> str:
        return "python" if self.code.startswith("import ") else "bash"

    @property
    def pieces(self) -> list[str]:
        """Its commands, or its Python whole."""
        return [self.code] if self.language == "python" else re.split(r"(?<!\\)\n", self.code)


def of_readme(language: str, word: str) -> str:
    """The one block of the README that has a word, without what sets up the shell."""
    blocks = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    (found,) = [b for b in blocks if word in b]
    return str(found.replace(". .venv/bin/activate\n", "").strip())


STEPS = (
    Step(
        "Draw with a net that comes with the package",
        "`jeat list` shows the nets. Their cards are in [](models.md).",
        of_readme("bash", "jeat list"),
        {"ships.png": "Rows of small ships that cifar10-jeat drew"},
    ),
    Step(
        "Change one of those images",
        "A folder holds single images. The walk to the nearest image of another class is a "
        "[counterfactual](robustness.md#counterfactuals).",
        "jeat sample cifar10-jeat ships --class ship -n 1\n"
        "jeat sample cifar10-jeat walk.png --from ships/ship/00000.png --class truck",
        {"walk.png": "A ship, the same image changed into a truck, and the difference"},
    ),
    Step(
        "Train, draw, attack, measure",
        "On digits, which need no download: adversarial training, then JEAT from its weights.",
        of_readme("bash", "jeat train jeat"),
        {
            "digits.png": "Threes and eights that the net drew",
            "landscape.png": "Contours of the energy of both nets around a digit",
        },
    ),
    Step(
        "Put the two runs beside each other",
        "[](runs.md) has more.",
        "jeat compare runs/at runs/jeat\njeat plot runs/at runs/jeat course.png",
        {"course.png": "Curves of what both runs logged"},
    ),
    Step(
        "Try settings, on images that no training saw",
        "[](sweeps.md) says how to search more of them, by several processes.",
        "jeat sweep at --over.lr 1e-4 1e-3 --seeds 2 --validation 200 --epochs 3 --eps 0.1 \\\n"
        "    --objective.eps 0.1 --activation silu --out sweep",
        {},
    ),
    Step(
        "The same in Python",
        "Each name is in the [reference](api.md).",
        of_readme("python", "import jeat\n"),
        {"digits.png": "A row of the ten digits"},
    ),
)


def page(said: list[list[str]]) -> str:
    """hour.md, from what the pieces of the steps print."""
    parts = [
        "# A first hour",
        "The README's commands one after the other, with what each printed and drew. "
        "`python -m docs.hour` ran them on two cores\nand wrote this page. A terminal also shows a "
        "bar while a command works.",
    ]
    for number, (step, answers) in enumerate(zip(STEPS, said, strict=True)):
        parts += [f"## {step.title}", step.text]
        for piece, answer in zip(step.pieces, answers, strict=True):
            parts += [f"```{step.language}\n{piece}\n```"]
            parts += [f"```text\n{answer}\n```"] if answer else []
            parts += [
                f"![{alt}](images/hour/{picture(number, file)})"
                for file, alt in step.shown.items()
                if re.search(rf"\b{file}\b", piece)
            ]
    parts += [
        "## Click",
        "`jeat app` shows all this in a browser ([](app.md)); `jeat export cifar10-jeat page.html` "
        "puts a net into one file\nthat draws and attacks without Python "
        "([](export.md#a-page-without-python)).",
    ]
    return "\n\n".join(parts) + "\n"


def picture(number: int, file: str) -> str:
    """The name of a step's picture among those of the page."""
    return f"{number + 1}-{Path(file).stem}.webp"


def ran(piece: str, language: str) -> str:
    """What a piece of a step prints in this folder, cut, and without lines of progress.

    Raises:
        CalledProcessError: it fails.
    """
    shell = ["bash", "-ec"] if language == "bash" else [sys.executable, "-c"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [*shell, piece], env=os.environ | {"PATH": path}, text=True, check=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    lines = [line.rstrip() for line in done.stdout.replace(f"{DOCS.parent}/", "").splitlines()]
    return cut("\n".join(line for line in lines if not PROGRESS.match(line)).strip())


def cut(text: str) -> str:
    """The first lines, and how many more there are."""
    lines = text.splitlines()
    if len(lines) <= LINES + 1:
        return text
    return "\n".join([*lines[:LINES], f"... {len(lines) - LINES} more lines"])


def run() -> list[list[str]]:
    """What the pieces of each step print; its pictures are kept."""
    said = []
    with TemporaryDirectory() as place:
        os.chdir(place)
        for number, step in enumerate(STEPS):
            said.append([ran(piece, step.language) for piece in step.pieces])
            for file in step.shown:
                keep(Path(file), PICTURES / picture(number, file))
        os.chdir(DOCS)
    return said


if __name__ == "__main__":
    (DOCS / "hour.md").write_text(page(run()))
