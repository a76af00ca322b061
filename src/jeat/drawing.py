"""Images drawn from a net, as ``jeat sample`` draws them: a value that knows its command line."""

import shlex
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from jeat import shards
from jeat._checks import SettingError
from jeat._files import whole
from jeat._sealed import load_sealed, save_sealed
from jeat._words import flag
from jeat.checkpoint import digest
from jeat.generate import Own, sample
from jeat.nets import Precision, spec_of
from jeat.samplers import Start, Uniform
from jeat.state import load_buffer
from jeat.subject import net_of, seed_all

__all__ = ["Drawing", "draw", "draw_to", "load_images", "save_images"]


@dataclass(frozen=True)
class Drawing:
    """What is drawn, and how.

    Attributes:
        net: run directory, checkpoint, shipped name or hub id.
        classes: names of the classes; all of the net's where there is none.
        number: images of each class.
        steps, step_size, noise, energy, precision: as :func:`jeat.sample`.
        start: what the net was trained to start from, uniform noise, or a run's replay buffer.
        seed: of starts and noise.
    """

    net: str
    classes: tuple[str, ...] = ()
    number: int = 10
    steps: int | Own = "own"
    step_size: float | Own = "own"
    noise: float | Own | None = "own"
    energy: Literal["joint", "cross-entropy"] = "joint"
    start: Literal["own", "uniform", "buffer"] = "own"
    precision: Precision = "fp32"
    seed: int = 0

    def command(self, file: str) -> str:
        """The command that draws it into ``file``."""
        words = ["jeat", "sample", self.net, file]
        for f in fields(self)[1:]:
            value = getattr(self, f.name)
            if value != f.default:
                words += flag("class" if f.name == "classes" else f.name, value)
        return shlex.join(words)


def draw(d: Drawing) -> tuple[Tensor, Tensor]:
    """Images (N, C, H, W) in [0, 1], class by class, and their labels, on the CPU.

    The processes of a launcher share the work; each gets all of it.

    Raises:
        ValueError: a class that the net does not know, fewer than 1 image, bad chain settings.
    """
    if d.number < 1:
        raise SettingError(f"--number must be at least 1, got {d.number}")
    net = net_of(d.net)
    spec = spec_of(net)
    names = d.classes or spec.classes
    if unknown := [name for name in names if name not in spec.classes]:
        raise ValueError(f"no class {unknown[0]!r}: classes are {', '.join(spec.classes)}")
    seed_all(d.seed)
    labels = torch.tensor([spec.classes.index(name) for name in names])
    labels = labels.repeat_interleave(d.number)
    start: Start | None = None
    if d.start == "uniform":
        start = Uniform((spec.channels, spec.size, spec.size))
    elif d.start == "buffer":
        start = load_buffer(d.net)
    images = shards.split(
        len(labels),
        lambda part: sample(
            net, labels[part], steps=d.steps, step_size=d.step_size, noise=d.noise,
            energy=d.energy, start=start, precision=d.precision,
        ).cpu(),
    )  # fmt: skip
    return torch.cat(images), labels


def draw_to(file: Path, d: Drawing) -> None:
    """Draw into a ``.safetensors`` file, unless the same drawing from the same net lies there."""
    try:
        kept, about = load_images(file)[2], _about(file, d)
        if all(kept[k] == about[k] for k in ("what", "net_sha256")):
            return
    except ValueError:
        pass
    save_images(file, *draw(d), d)


def save_images(file: Path, images: Tensor, labels: Tensor, d: Drawing) -> None:
    """Images in [0, 1], rounded to 8 bits as an image file would, labels, and how they came."""
    tensors = {"images": (images.clamp(0, 1) * 255).round().byte(), "labels": labels}
    with whole(file) as part:
        save_sealed(part, _about(file, d), tensors)


def _about(file: Path, d: Drawing) -> dict[str, str]:
    what = replace(d, net="NET").command("FILE")
    return {"command": d.command(str(file)), "what": what, "net_sha256": digest(d.net)}


def load_images(file: Path) -> tuple[Tensor, Tensor, dict[str, str]]:
    """Images (N, C, H, W) in [0, 1], labels, and how they came.

    That is ``"command"``, the same without paths as ``"what"``, and ``"net_sha256"``.

    Raises:
        ValueError: no such file, or not one of :func:`save_images`, as it was saved.
    """
    try:
        about, tensors = load_sealed(file)
        about = {k: about[k] for k in ("command", "what", "net_sha256")}
        return tensors["images"].float() / 255, tensors["labels"], about
    except KeyError as error:
        raise ValueError(f"{file} was not made by jeat sample") from error
    except ValueError as error:
        raise ValueError(f"{file} holds no images of jeat sample: {error}") from error
