"""Fig. 2 to 7 of the paper, from the runs and images of a suite's first seed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch import Tensor

from jeat import shards
from jeat.data import Data
from jeat.drawing import load_images
from jeat.landscape import draw, grid, plane
from jeat.metrics import nearest
from jeat.recipes._suite import Suite
from jeat.report import Figure, energy_changes, panels
from jeat.report import grid as image_grid
from jeat.sources import load_data
from jeat.subject import net_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MatplotlibFigure

__all__ = ["figures"]

SHOWN = 10  # classes and images of each in a grid
HYBRIDS = ("at", "prejeat", "jem", "jeat")


def figures(suite: Suite, out: Path) -> list[Figure]:
    """Draw them into ``out/figures``."""
    place, runs = out / "figures", out / "seed0"
    place.mkdir(exist_ok=True)
    data = load_data(suite.data)
    made = []

    def keep(name: str, title: str, caption: str, picture: Image.Image | None = None) -> None:
        file = place / f"{name}.png"
        if picture is not None:
            picture.save(file)
        made.append(Figure(title, caption, file, "images" if picture else "plot"))

    unselected = "A row a class, drawn as the protocol says, seed 0, nothing selected."
    _landscape(suite, data, runs).savefig(place / "fig2.png", dpi=100)
    shown = f"test image 0 (star), of class {data.classes[int(data.test.y[0])]}"
    keep(
        "fig2", "Fig. 2: energy around a test image",
        f"E(x, y) less that at {shown}, on a plane of two random directions (seed 0), out to "
        f"{suite.radius:g} in pixel L2, with the same levels in each panel; darker is lower, "
        "the cross is the lowest point. Its numbers, over many images, are in the table above.",
    )  # fmt: skip
    logs = {m: _log(runs / m) for m in ("at", "jeat")}
    energy_changes(logs).savefig(place / "fig3.png", dpi=100)
    keep(
        "fig3", "Fig. 3: what attack and optimiser step do to the energies (Eq. 15)",
        "Mean and standard deviation over images, by epoch (a training of one epoch or less by "
        "tenths of it), seed 0: the same example before and after the same optimiser step. It is "
        f"FGSM's from a random start on cross-entropy (eps {suite.eps:.3g}, net in eval mode) for "
        "every method.",
    )  # fmt: skip
    eq_16 = {"at, Eq. 16": runs / "at/eq16.safetensors"}
    eq_17 = {f"{m}, Eq. 17": file for m, file in _drawn(runs, "at", "prejeat").items()}
    keep(
        "fig4", "Fig. 4: Eq. 16 against Eq. 17",
        f"AT by both from the same starts; PreJEAT. {unselected}", _grids(eq_16 | eq_17),
    )  # fmt: skip
    if noises := _drawn(runs, "noise-24", "noise-16", "noise-8"):
        keep(
            "fig5", "Fig. 5: noise in training",
            f"Noise of 24, 16 and 8 / 255. {unselected}", _grids(noises),
        )  # fmt: skip
    keep(
        "fig6", "Fig. 6: robust classifiers and joint energy models", unselected,
        _grids(_drawn(runs, *HYBRIDS), columns=2),
    )  # fmt: skip
    keep(
        "fig7", "Fig. 7: JEAT's images and their nearest training images",
        "First column: the first image of each class; then its ten nearest training images in L2 "
        "(left block) and in SSIM (right block), nearest first.",
        _neighbours(
            runs / "jeat/eq17.safetensors", data.train.floats(suite.compared)[0]
        ),
    )  # fmt: skip
    return made


def _landscape(suite: Suite, data: Data, runs: Path) -> "MatplotlibFigure":
    images = data.test.to(shards.device())
    x, y = images.x[:1].float() / 255, images.y[:1]
    directions = plane(x, seed=0)
    energies = {
        m: grid(
            net_of(str(runs / m)),
            x,
            y,
            directions=directions,
            radius=suite.radius,
            points=suite.points,
        )[0]
        for m in _drawn(runs, "normal", *HYBRIDS)
    }
    return draw(energies, radius=suite.radius)


def _drawn(runs: Path, *methods: str) -> dict[str, Path]:
    """The images of those methods that the suite has."""
    files = {m: runs / m / "eq17.safetensors" for m in methods}
    return {m: file for m, file in files.items() if file.exists()}


def _log(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def _firsts(file: Path, number: int) -> Tensor:
    """The first ``number`` images of each of the first classes, class by class."""
    images, labels, _ = load_images(file)
    return torch.cat([images[labels == c][:number] for c in labels.unique()[:SHOWN]])


def _grids(files: Mapping[str, Path], columns: int = 3) -> Image.Image:
    def rows(file: Path) -> Image.Image:
        per_class = min(SHOWN, int(load_images(file)[1].bincount().max()))
        return image_grid(_firsts(file, per_class), columns=per_class)

    return panels({name: rows(file) for name, file in files.items()}, columns=columns)


def _neighbours(file: Path, train: Tensor) -> Image.Image:
    images, shown = _firsts(file, 1), min(SHOWN, len(train))
    blocks = {}
    for name, distance in (("L2", "l2"), ("SSIM", "ssim")):
        _, at = nearest(images, train, k=shown, distance=distance)  # type: ignore[arg-type]
        rows = [torch.cat([x[None], train[i]]) for x, i in zip(images, at, strict=True)]
        blocks[name] = image_grid(torch.cat(rows), columns=shown + 1)
    return panels(blocks, columns=2)
