"""What a net draws while it is trained: ``RUN/drawn/ITERATION.png``."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from jeat._support.files import whole_file
from jeat.figures import legible, rows
from jeat.samplers import Start
from jeat.sampling import inversion_of, sample
from jeat.training.loop import with_fixed_seed
from jeat.training.plan import Optimisation

__all__ = ["Drawn", "draw", "is_due", "pictures_after"]

COLUMNS, CLASSES = 8, 10  # images of a class, and classes


@dataclass(frozen=True)
class Drawn:
    """What a net drew at an iteration.

    Attributes:
        images: (B, C, H, W) in [0, 1].
        labels: (B,).
        picture: a row a class, its name before it.
    """

    images: Tensor
    labels: Tensor
    picture: Image.Image


def is_due(o: Optimisation, iteration: int, total: int) -> bool:
    """Whether an iteration is to be drawn at: every ``draw_every``-th, and the last."""
    return o.draw_every > 0 and (iteration % o.draw_every == 0 or iteration == total)


def draw(
    out: Path, iteration: int, net: nn.Module, start: Start, classes: Sequence[str], *, seed: int
) -> Drawn | None:
    """Draw as :func:`jeat.sample` does, and keep the picture; 8 images of each of up to 10 classes.

    From the same seed each time, so that pictures differ by the net alone. Torch's random state is
    left as it was, and so is the net, which is in eval mode meanwhile.

    Args:
        out: folder of the run.
        iteration: its number.
        net: whose weights are drawn from: an average, where the run keeps one.
        start: where chains of the run start; a net that can invert draws by that.
        classes: their names.
        seed: of starts and noise.

    Returns:
        None where images are NaN or infinite, which a warning says.
    """
    few = min(len(classes), CLASSES)
    chosen = torch.arange(few) * len(classes) // few
    labels = chosen.repeat_interleave(COLUMNS)

    def images(net: nn.Module) -> Tensor:
        begin = start if inversion_of(net) is None else None
        return sample(net, labels, start=begin).detach().cpu().clamp(0, 1)

    try:
        x = with_fixed_seed(images, net, seed)
    except ValueError as error:
        warnings.warn(f"no picture at iteration {iteration}: {error}", stacklevel=1)
        return None
    names = legible(classes)
    named = {names[k]: x[labels == k] for k in chosen.tolist()}
    picture = rows(named, columns=COLUMNS, gap=4)
    with whole_file(_place(out, iteration)) as part:
        picture.save(part)
    return Drawn(x, labels, picture)


def pictures_after(out: Path, iteration: int) -> list[Path]:
    """Pictures of later iterations, and what a kill left of writing one."""
    kept = [*(out / "drawn").glob("*.png")]
    return [p for p in kept if not p.stem.isdecimal() or int(p.stem) > iteration]


def _place(out: Path, iteration: int) -> Path:
    return out / f"drawn/{iteration:08d}.png"
