"""The gallery: ``python -m docs.gallery`` draws its pictures and writes gallery.md.

It needs CIFAR-10 in ``$JEAT_DATA/cifar10`` for landscapes and curves; the rest needs no data set.
"""

import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

DOCS = Path(__file__).parent
PICTURES = DOCS / "images/gallery"
WIDE, LARGEST = 1000, 95_000  # pixels and bytes of a picture on the page
FRONT = ("cifar10-normal", "cifar10-at", "cifar10-jem", "cifar10-jeat")


@dataclass(frozen=True)
class Entry:
    """A picture: the last word of its commands that names one is its file."""

    title: str
    text: str
    commands: str
    file: str
    alt: str

    @property
    def shown(self) -> str:
        return f"{Path(self.file).stem}.webp"


ENTRIES = (
    Entry(
        "Images of chosen classes",
        "Langevin chains descend $E(x, y)$ from blurred noise. No image is selected.",
        "jeat sample cifar10-jeat drawn.webp -n 8 --class airplane horse ship truck",
        "drawn.webp",
        "Four rows of small images: airplanes, horses, ships and trucks",
    ),
    Entry(
        "The same from a normal classifier",
        "Its energy is not that of images: chains end at coloured lines that it is sure of.",
        "jeat sample cifar10-normal normal.webp -n 8 --class airplane horse ship truck",
        "normal.webp",
        "Four rows of shapes made of coloured lines",
    ),
    Entry(
        "Eq. 16 in place of Eq. 17",
        "Chains descend $E(x, y) - E(x)$, which is cross-entropy.",
        "jeat sample cifar10-at eq16.webp -n 8 --class airplane horse --energy cross-entropy",
        "eq16.webp",
        "Two rows of small images drawn by cross-entropy",
    ),
    Entry(
        "Energy around a test image",
        "All panels have the same plane and the same levels, so few lines mean a flat energy.",
        "jeat landscape cifar10-normal cifar10-at cifar10-jeat landscape.png --class ship",
        "landscape.png",
        "Contours of the energy of three nets: many for the normal one, few for JEAT",
    ),
    Entry(
        "The shape of a flat energy",
        "Each panel has levels of its own. They say nothing of how flat it is beside others.",
        "jeat landscape cifar10-at cifar10-jeat shapes.png --class ship --levels own",
        "shapes.png",
        "Contours of the energy of two nets, each with its own levels",
    ),
    Entry(
        "Accuracy over the radius of an attack",
        "Bands are intervals of 95 %. [](robustness.md#robustness-curves) says how to read them.",
        "jeat curve cifar10-normal cifar10-at cifar10-jeat radius.png -n 200 --steps 10",
        "radius.png",
        "Accuracy of three nets over eps; the normal one falls to 0 first",
    ),
    Entry(
        "A run, from its log",
        "Two short runs on digits. [](runs.md#comparing-runs) has more of `jeat plot`.",
        "jeat train at --out runs/at --activation silu --eps 0.1 --objective.eps 0.1 --epochs 20 "
        "--log_every 5\n"
        "jeat train jeat --out runs/jeat --init runs/at --activation silu --eps 0.1 "
        "--objective.eps 0.1 --epochs 20 --lr 2e-4 --clip 1 --objective.noise 0.03 "
        "--objective.clamp true --objective.buffer_size 1000 --log_every 5\n"
        "jeat plot runs/at runs/jeat course.png --figures loss E_clean E_neg-E_clean",
        "course.png",
        "Curves of the loss and of energies of two runs",
    ),
    Entry(
        "Digits from that run",
        "By the JEAT net of the run above.",
        "jeat sample runs/jeat digits.webp -n 10 --class 0 3 5 8 --noise 0.01",
        "digits.webp",
        "Four rows of handwritten digits that a net drew",
    ),
    Entry(
        "A data set, as it was understood",
        "[](your-data.md) walks through your own images.",
        "jeat data digits --out data.png",
        "data.png",
        "A grid of scanned digits, a row a class",
    ),
)  # fmt: skip


def page() -> str:
    """gallery.md."""
    said = [
        "# Gallery",
        "What the tool draws, each picture below the command that drew it. The nets come with the "
        "package\n([](models.md)). `python -m docs.gallery` makes the pictures and this page.",
    ]
    for one in ENTRIES:
        said += [f"## {one.title}", one.text, f"```bash\n{_folded(one.commands)}\n```"]
        said += [f"![{one.alt}](images/gallery/{one.shown})"]
    said += [
        "Tables and figures of whole experiments are in [](digits.md) and [](cifar10.md).",
    ]
    return "\n\n".join(said) + "\n"


def _folded(commands: str) -> str:
    """Commands with their lines broken before a flag, so that none is wider than a page."""
    lines = []
    for command in commands.splitlines():
        line = ""
        for word in command.replace(" -", "\n-").split("\n"):
            if line and len(line) + len(word) > 90:
                lines.append(f"{line} \\")
                line = f"    {word}"
            else:
                line = f"{line} {word}".strip() if not line.startswith("    ") else f"{line} {word}"
        lines.append(line)
    return "\n".join(lines)


def keep(file: Path, out: Path) -> None:
    """A picture as a small .webp: no wider than the page, and without loss where that is small."""
    from PIL import Image

    picture = Image.open(file).convert("RGB")
    if picture.width > WIDE:
        size = WIDE, round(picture.height * WIDE / picture.width)
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    out.parent.mkdir(parents=True, exist_ok=True)
    for how in ({"lossless": True}, *({"quality": q} for q in (90, 80, 70, 60, 50))):
        picture.save(out, method=6, **how)  # type: ignore[arg-type]
        if out.stat().st_size <= LARGEST:
            return


def front(out: Path) -> None:
    """The first page's picture: an image of each class by four nets, by each one's own chain."""
    import torch

    import jeat
    from jeat.figures import rows

    torch.manual_seed(0)
    drawn = {name: jeat.sample(jeat.load(name), torch.arange(10)) for name in FRONT}
    rows({k.removeprefix("cifar10-"): x for k, x in drawn.items()}, gap=4, least=64).save(out)


def draw() -> None:
    """Every picture."""
    from jeat.cli import main

    with TemporaryDirectory() as place:
        os.chdir(place)
        front(Path("front.png"))
        keep(Path("front.png"), DOCS / "images/front.webp")
        for one in ENTRIES:
            for command in one.commands.splitlines():
                if main(shlex.split(command)[1:]):
                    sys.exit(f"failed: {command}")
            keep(Path(one.file), PICTURES / one.shown)


if __name__ == "__main__":
    (DOCS / "gallery.md").write_text(page())
    if sys.argv[1:] != ["page"]:
        draw()
