"""Chains as a moving picture: the states one after the other, with E(x, y) under each image."""

import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor, nn

from jeat._support.checks import SettingError
from jeat._support.files import whole_file
from jeat.energy import energy_of
from jeat.figures import Cell, captioned, fitting, legible, text_width
from jeat.nets import evaluating, spec_of

__all__ = ["FRAMES", "check_films", "pictures_of", "write_film"]

FRAMES = 60  # at most
A_FRAME, HELD = 80, 2000  # milliseconds that a frame is seen, and the last one
EXTRA = "an .mp4 needs the extra video: pip install 'jeat[video]', or name a .gif"


def check_films(suffix: str) -> None:
    """Check that films of this format can be written.

    Raises:
        SettingError: an .mp4, without the library for it.
    """
    if suffix == ".mp4":
        try:
            importlib.import_module("av")
        except ImportError as error:
            raise SettingError(EXTRA) from error


def pictures_of(
    states: Float[Tensor, "f n c h w"],
    labels: Int[Tensor, " n"],
    steps: Sequence[int],
    net: nn.Module,
) -> Iterator[Image.Image]:
    """A picture a state, all of one size: a row a class, E(x, y) under each image.

    Args:
        states: of n chains.
        labels: their classes.
        steps: the numbers of the states.
        net: whose energy is written.
    """
    classes, at = legible(spec_of(net).classes), next(net.parameters(), states).device
    E = torch.stack([_energies(net, x.to(at), labels.to(at)) for x in states])
    texts = [[f"{round(e, 2) + 0.0:.2f}" for e in of_state] for of_state in E.tolist()]
    wide = text_width(text for of_state in texts for text in of_state)
    each = labels.bincount()
    least = fitting(states.shape[3:], int(each.max()), int(each.count_nonzero()))
    for x, text, step in zip(states, texts, steps, strict=True):
        rows = [
            (classes[k], [Cell(x[i], text[i]) for i in (labels == k).nonzero().flatten().tolist()])
            for k in dict.fromkeys(labels.tolist())
        ]
        title = f"step {step} of {steps[-1]}; under each image E(x, y)"
        yield captioned(rows, title=title, least=least, wide=wide)


@torch.no_grad()
def _energies(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    with evaluating(net):
        return energy_of(net, y)(x).cpu()


def write_film(out: str | Path, pictures: Sequence[Image.Image]) -> None:
    """Write pictures as a .gif or .mp4, the last of which is held for two seconds."""
    with whole_file(out) as part:
        if Path(out).suffix.lower() == ".mp4":
            _write_mp4(part, pictures)
        else:
            first, *others = (picture.quantize(dither=Image.Dither.NONE) for picture in pictures)
            times = [A_FRAME] * len(others) + [HELD]
            first.save(part, save_all=True, append_images=others, duration=times, loop=0)


def _write_mp4(part: Path, pictures: Sequence[Image.Image]) -> None:
    """H.264 in the colours that all players know, which takes even sides."""
    av: Any = importlib.import_module("av")
    width, height = (side + side % 2 for side in pictures[0].size)
    with av.open(str(part), "w", options={"movflags": "faststart"}) as video:
        stream = video.add_stream("libx264", rate=1000 // A_FRAME, options={"crf": "16"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for picture in [*pictures, *[pictures[-1]] * (HELD // A_FRAME)]:
            even = Image.new("RGB", (width, height), "white")
            even.paste(picture)
            video.mux(stream.encode(av.VideoFrame.from_image(even)))
        video.mux(stream.encode())
