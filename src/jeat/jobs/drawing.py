"""Images drawn from a net, as ``jeat sample`` draws them: a value that knows its command line."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor, nn

from jeat._support import processes
from jeat._support.checks import SettingError, is_whole, quoted
from jeat._support.plugins import Part
from jeat._support.words import flags, numbers_of
from jeat.data import Data, load_data
from jeat.jobs._watched import evenly_of, watched
from jeat.jobs.inputs import data_of, net_of, seed_all
from jeat.jobs.known import chain_from, known_of
from jeat.nets import Precision, spec_of
from jeat.runs.buffer import load_buffer
from jeat.samplers import Start, start_of, start_without_images
from jeat.sampling import Kind, Own, check_energy, inversion_of, sample, sampler_for

__all__ = ["Drawing", "check_ready", "draw", "draw_states", "drawer", "labels_of", "start_for"]

Show = Callable[[str, int, int, str], None]
_FLAGS = {"classes": "class", "image": "from", "enlarge": "super"}  # fields -> their flags


@dataclass(frozen=True)
class Drawing:
    """What is drawn, and how.

    Attributes:
        net: run directory, checkpoint, shipped name or hub id.
        classes: names of the classes; all of the net's where there is none.
        number: images of each class.
        steps, step_size, noise, energy, w_marginal, precision: as :func:`jeat.sample`.
        sampler: another than the net's file asks for, by name, with settings of its own. A net that
            can invert draws by that, unless one of these or a start is named (:func:`jeat.sample`).
        start: ``"own"``, what the net was trained to start from; ``"uniform"``, noise;
            ``"buffer"``, a run's replay buffer; or another kind by name, fitted to the net's
            training images.
        seed: of starts and noise.
        image: a file, or ``test:17``, of which chains keep what is known (:func:`known_of`).
        inpaint: the mask or rectangle of it that they fill in.
        enlarge: the factor by which they enlarge it.

    Chains that keep an image start from it, filled in or enlarged smoothly, and take an eighth of
    the steps of the net's own, where none are named; classes are then the image's own.
    """

    net: str
    classes: tuple[str, ...] = ()
    number: int = 10
    steps: int | Own = "own"
    step_size: float | Own = "own"
    noise: float | Own | None = "own"
    energy: Kind = "joint"
    w_marginal: float = 0.0
    sampler: Part = "own"
    start: str = "own"
    precision: Precision = "fp32"
    seed: int = 0
    image: str | None = None
    inpaint: tuple[str, ...] = ()
    enlarge: int | None = None

    @property
    def chain(self) -> dict[str, Any]:
        """What it says of the chain."""
        names = ("sampler", "steps", "step_size", "noise")
        return {name: getattr(self, name) for name in names}

    @property
    def names_a_chain(self) -> bool:
        """Whether a net that can invert is to draw by a chain all the same."""
        asked = *self.chain.values(), self.start
        return (
            self.energy != "joint"
            or bool(self.w_marginal)
            or any(value != "own" for value in asked)
        )

    def command(self, file: str) -> str:
        """The command that draws it into ``file``."""
        words = ["jeat", "sample", self.net, file]
        for f in fields(self)[1:]:
            value = getattr(self, f.name)
            if value != f.default:
                words += flags(_FLAGS.get(f.name, f.name), value)
        return shlex.join(words)


def drawer(command: str) -> str:
    """The net that a command of :meth:`Drawing.command` draws from."""
    words = shlex.split(command)
    return words[2] if len(words) > 2 else command


def check_ready(d: Drawing, data: Data) -> None:
    """Raise where a net that will be trained on ``data`` cannot be drawn from like this.

    Raises:
        ValueError: an unknown class, sampler or start, or settings that they do not take.
    """
    if d.number < 1:
        raise SettingError(f"--number must be at least 1, got {d.number}")
    numbers_of(d.classes, data.classes)
    check_energy(d.energy, d.w_marginal)
    sampler = sampler_for(nn.Identity(), **d.chain)
    sampler(lambda x: x.sum((1, 2, 3)), torch.zeros(1, *data.shape))
    if d.start not in ("own", "buffer"):
        start_of(d.start, data)


def draw(d: Drawing, *, show: Show = lambda *_: None) -> tuple[Tensor, Tensor]:
    """Images (N, C, H, W), class after class, and their labels.

    Clamped to [0, 1], where a sampler of one's own lets its chains roam.

    The processes of a launcher share them; each has all of them.

    Args:
        d: what to draw.
        show: told ("drawing", done, total, "") after each step of the chains, in images of this
            process: half of its steps count as half an image. An inversion is one step.

    Raises:
        ValueError: a class that the net does not know, fewer than 1 image, bad chain settings, an
            image that :func:`known_of` refuses.
    """
    states, labels, _ = draw_states(d, show=show)
    return states[-1], labels


def draw_states(
    d: Drawing, frames: int = 1, *, show: Show = lambda *_: None
) -> tuple[Tensor, Tensor, list[int]]:
    """States (F, N, C, H, W) of the chains of :func:`draw`, labels (N,), and numbers of steps (F,).

    Of several frames at most, the first is where chains start; the last is what is drawn. A net
    that can invert then draws by a chain.
    """
    net = net_of(d.net)
    classes = spec_of(net).classes
    known = known_of(d.image, net, inpaint=d.inpaint, enlarge=d.enlarge) if d.image else None
    named = replace(d, classes=(classes[known.label],)) if known and not d.classes else d
    labels = labels_of(named, classes)
    seed_all(d.seed)
    mine = len(labels[processes.mine(len(labels))])
    sampler, start, kept, wanted = None, None, list[Tensor](), list[int]()
    if d.names_a_chain or inversion_of(net) is None or frames > 1 or known:
        sampler, start = chain_from(net, known, d.chain, start_for(d, net))
        wanted = evenly_of(sampler, frames) if frames > 1 else []
        sampler = watched(sampler, mine, show, wanted, kept)

    def drawn(part: slice) -> Tensor:
        images = sample(
            net, labels[part], sampler=sampler, energy=d.energy, w_marginal=d.w_marginal,
            start=start, precision=d.precision,
        ).cpu()  # fmt: skip
        return torch.cat(kept, 1) if wanted else images[None]

    states = torch.cat(processes.split(len(labels), drawn), 1)
    if sampler is None:
        show("drawing", mine, mine, "")
    return states.clamp(0, 1), labels, wanted


def labels_of(d: Drawing, classes: Sequence[str]) -> Tensor:
    """The label of each image of a drawing, class after class, of a net that knows ``classes``.

    Raises:
        ValueError: a class that is none of them, fewer than 1 image.
    """
    if not is_whole(d.number, 1):
        raise SettingError(f"--number must be at least 1 and below 2^63, got {quoted(d.number)}")
    return torch.tensor(numbers_of(d.classes or classes, classes)).repeat_interleave(d.number)


def start_for(d: Drawing, net: nn.Module) -> Start | None:
    """The start that a drawing names; None is the net's own.

    Raises:
        ValueError: no such start, or it cannot be fitted to the images of the net.
    """
    if d.start == "own":
        return None
    if d.start == "buffer":
        return load_buffer(d.net)
    shape = spec_of(net).shape
    return start_without_images(d.start, shape) or start_of(d.start, load_data(data_of(net)))
