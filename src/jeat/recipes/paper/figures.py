"""Fig. 2 to 7 of the paper, from the runs and images of a suite's first seed."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from jeat._support import processes
from jeat.figures import energy_changes, image_grid, landscape, legible
from jeat.jobs.image_files import load_images
from jeat.jobs.inputs import net_of
from jeat.metrics import energy_on_plane, nearest, plane
from jeat.recipes.paper.accuracies import course, curves
from jeat.recipes.paper.shown import Shown
from jeat.report import Figure
from jeat.runs.log import rows

__all__ = ["FIGURES"]

SHOWN = 10  # classes and images of each in a grid
LARGE = 64  # pixels of the shorter side of an image in a grid
PAPERS_CLASS = "ship"  # that of Fig. 4
HYBRIDS = ("at", "prejeat", "jem", "jeat")
UNSELECTED = "A row a class, drawn as the protocol says, seed 0, nothing selected."


def fig2(s: Shown) -> Figure | None:
    """Energy around a test image."""
    energies, shown = _on_a_plane(s)
    return s.keep(
        "fig2", "Fig. 2: energy around a test image",
        f"E(x, y) minus that at {shown}, on a plane of two random directions (seed 0), out to "
        f"{s.radius:g} in pixel L2, with the same levels in each panel; darker is lower, "
        "the cross is the lowest point. Its numbers, over many images, are in the table above.",
        landscape.draw(energies, radius=s.radius),
    )  # fmt: skip


def fig2_own(s: Shown) -> Figure | None:
    """The same by each panel's own levels."""
    energies, shown = _on_a_plane(s)
    return s.keep(
        "fig2_own", "Fig. 2 by each panel's own levels",
        f"The same energies around {shown}: their shapes, which the same levels would hide where "
        "one net is much flatter. How flat they are is not to be read from this.",
        landscape.draw(energies, radius=s.radius, own_levels=True),
    )  # fmt: skip


def _on_a_plane(s: Shown) -> tuple[dict[str, Tensor], str]:
    """E(x, y) around the first test image by each method, and what that image is."""
    methods = [*s.images("normal", *HYBRIDS)] or [*s.images(*s.methods)]
    images = s.data.test.to(processes.device())
    x, y = images.x[:1].float() / 255, images.y[:1]
    directions = plane(x, seed=0)
    energies = {
        m: energy_on_plane(
            net_of(str(s.runs / m)), x, y, directions=directions, radius=s.radius, points=s.points
        )[0]
        for m in methods
    }
    return energies, f"test image 0 (star), of class {s.data.classes[int(s.data.test.y[0])]}"


def fig3(s: Shown) -> Figure | None:
    """What attack and optimiser step do to the energies."""
    logs = {m: rows(s.runs / m) for m in ("at", "jeat") if m in s.methods}
    if not logs:
        return None
    return s.keep(
        "fig3", "Fig. 3: what attack and optimiser step do to the energies (Eq. 15)",
        "Mean and standard deviation over images, by epoch (a training of one epoch or less by "
        "tenths of it), seed 0: the same example before and after the same optimiser step. It is "
        f"FGSM's from a random start on cross-entropy (eps {s.eps:.3g} in {s.norm}, net in eval "
        "mode) for every method.",
        energy_changes.draw(logs),
    )  # fmt: skip


def fig4(s: Shown) -> Figure | None:
    """Eq. 16 against Eq. 17, of one class as in the paper."""
    eq_16 = {f"{m}, Eq. 16": f for m, f in s.images(*s.methods, equation="eq16").items()}
    eq_17 = {f"{m}, Eq. 17": file for m, file in s.images("at", "prejeat").items()}
    if not eq_16 or not eq_17:
        return None
    name = PAPERS_CLASS if PAPERS_CLASS in s.data.classes else s.data.classes[0]
    images = {
        of: _of_class(file, s.data.classes.index(name)) for of, file in (eq_16 | eq_17).items()
    }
    return s.keep(
        "fig4", "Fig. 4: Eq. 16 against Eq. 17",
        f"The first {SHOWN} images of class {name} by each. Images by both equations begin at the "
        "same starts. Drawn as the protocol says, seed 0, nothing selected.",
        image_grid.rows(images, least=LARGE),
    )  # fmt: skip


def fig5(s: Shown) -> Figure | None:
    """Noise in training, beside none."""
    noises = s.images("noise-24", "noise-16", "noise-8")
    if not noises:
        return None
    return s.keep(
        "fig5", "Fig. 5: noise in training",
        f"Noise of 24, 16, 8 and 0 / 255. {UNSELECTED}",
        grids(noises | s.images("normal"), s.data.classes, columns=2),
    )  # fmt: skip


def fig6(s: Shown) -> Figure | None:
    """Robust classifiers and joint energy models; methods of one's own after the paper's."""
    others = [m for m in s.methods if m not in HYBRIDS and not m.startswith(("normal", "noise"))]
    if not (files := s.images(*HYBRIDS, *others)):
        return None
    return s.keep(
        "fig6", "Fig. 6: robust classifiers and joint energy models", UNSELECTED,
        grids(files, s.data.classes, columns=2), lead=True,
    )  # fmt: skip


def fig7(s: Shown) -> Figure | None:
    """The nearest training images of JEAT's images, or of those of the last method."""
    if not (files := s.images(*s.methods)):
        return None
    method, file = ("jeat", files["jeat"]) if "jeat" in files else [*files.items()][-1]
    whose = "JEAT" if method == "jeat" else method
    return s.keep(
        "fig7", f"Fig. 7: {whose}'s images and their nearest training images",
        "First column: the first image of each class; then its ten nearest training images in L2 "
        "(left block) and in SSIM (right block), nearest first.",
        neighbours(file, s.data.train.floats(s.compared)[0]),
    )  # fmt: skip


FIGURES: tuple[Callable[[Shown], Figure | None], ...] = (
    fig2, fig2_own, fig3, fig4, fig5, fig6, fig7, curves, course,
)  # fmt: skip


def drawn_by_each(s: Shown) -> Figure | None:
    """What every run of the first seed draws."""
    if not (files := s.images(*s.methods)):
        return None
    picture = grids(files, s.data.classes, columns=3)
    return s.keep("drawn", "What each net draws", UNSELECTED, picture, lead=True)


def _of_class(file: Path, label: int) -> Tensor:
    """The first generated images of a class."""
    images, labels, _ = load_images(file)
    return images[labels == label][:SHOWN]


def grids(files: Mapping[str, Path], classes: Sequence[str], *, columns: int) -> Image.Image:
    """Generated images, a panel a method under its name, a row a class after its name."""
    names = legible(classes)

    def rows(file: Path) -> Image.Image:
        labels = load_images(file)[1].unique()[:SHOWN].tolist()
        return image_grid.rows({names[k]: _of_class(file, k) for k in labels}, gap=2, least=LARGE)

    return image_grid.panels({name: rows(file) for name, file in files.items()}, columns=columns)


def neighbours(file: Path, train: Tensor) -> Image.Image:
    """The first image of each class, each before its nearest training images, by two distances."""
    images, labels, _ = load_images(file)
    images = torch.stack([images[labels == k][0] for k in labels.unique()[:SHOWN]])
    shown = min(SHOWN, len(train))
    blocks = {}
    for name, distance in (("L2", "l2"), ("SSIM", "ssim")):
        _, at = nearest(images, train, k=shown, distance=distance)  # type: ignore[arg-type]
        rows = [torch.cat([x[None], train[i]]) for x, i in zip(images, at, strict=True)]
        blocks[name] = image_grid.grid(torch.cat(rows), columns=shown + 1)
    return image_grid.panels(blocks, columns=2)
