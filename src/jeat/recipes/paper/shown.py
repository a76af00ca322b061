"""What the pictures of a suite are drawn from: its first seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from jeat.data import Data
from jeat.report import Figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Plot

__all__ = ["Shown"]


@dataclass(frozen=True)
class Shown:
    """What a figure is drawn from.

    Attributes:
        runs: the folder of a seed's runs.
        methods: the runs that there are.
        data: what they were trained on.
        place: folder of the pictures.
        eps, norm: of attacks.
        radius, points: half a side of the plane in pixel L2, and points a side.
        compared: training images that generated ones are compared with; None is all.
    """

    runs: Path
    methods: Sequence[str]
    data: Data
    place: Path
    eps: float
    norm: str
    radius: float
    points: int
    compared: int | None

    def images(self, *methods: str, equation: str = "eq17") -> dict[str, Path]:
        """The files of generated images of those methods that there are."""
        files = {m: self.runs / m / f"{equation}.safetensors" for m in methods}
        return {m: file for m, file in files.items() if file.exists()}

    def keep(
        self,
        name: str,
        title: str,
        caption: str,
        picture: "Image.Image | Plot",
        *,
        lead: bool = False,
    ) -> Figure:
        """Save a picture as ``name``; one that leads stands first in the report."""
        file = self.place / f"{name}.png"
        if isinstance(picture, Image.Image):
            picture.save(file)
            return Figure(title, caption, file, "images", lead)
        picture.savefig(file, dpi=100)
        return Figure(title, caption, file, "plot", lead)
