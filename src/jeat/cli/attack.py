"""attack a net on test images: accuracy and energies before and after

    jeat attack NET [flags]

One step without random start is FGSM (Eq. 2), more are PGD (Eq. 3); --loss energy climbs
E(x, y) alone (Eq. 18). --target goes towards a class t, down -log p(t|x) or E(x, t). Signs of
gradient masking are looked for in the same ball.

--out keeps all attacked images as an .npz, or shows a few as a .png, .webp or .pdf: before, after
and ten times the difference, with classes, probabilities and energies. --from attacks one image
alone, and prints what the net says of it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jeat._support.plugins import part_name
from jeat.cli._attacked import print_signs, row, row_of_one
from jeat.cli._flags import add_subject, data_named, with_arch
from jeat.cli._outputs import PIXELS
from jeat.cli._parser import Parser
from jeat.cli._show import bar, warn

if TYPE_CHECKING:
    from jsonargparse import Namespace
    from torch import Tensor, nn

    from jeat.attacks import Norm
    from jeat.metrics import Subject

SHOWN = 6  # images in a picture

__all__ = ["main"]


def main(words: Sequence[str]) -> int:
    """Attack, print a table, and save the adversarial images where asked."""
    parser = _parser(words)
    args = parser.parse(words)
    if not 1 <= args.restarts <= 1000 or (args.restarts > 1 and not args.random_start):
        parser.error(
            f"--restarts must lie in 1..1000, and be 1 without a random start, got {args.restarts}"
        )
    source = data_named(parser, args)
    suffix = ".npz" if args.out is None else Path(args.out).suffix.lower()
    if suffix not in (*PIXELS, ".npz"):
        parser.error(f"{args.out!r} is not the name of a {', '.join(PIXELS)} or .npz file")
    parser.check_file(args.out, suffix, args.net, source, *(args.config or ()))

    if args["class"] is not None and args["from"] is None:
        parser.error("--class is the class of an image: it goes with --from")

    from jeat.attacks import doubt_reach
    from jeat.jobs.inputs import at_another_eps
    from jeat.metrics import signs_of_masking
    from jeat.metrics.gradient_masking import measure as measure_masking
    from jeat.report import table

    s = _subject(args, source)
    s, target = _towards(s, args.target)
    masking: dict[str, float] = {}
    with bar() as show:
        x_adv = _attacked(s, target, args, show)
        if args["from"] is None:
            masking = measure_masking(s, eps=args.eps, norm=args.norm)
    doubt_reach(args.eps, args.steps, args.step_size)
    row_of = row if args["from"] is None else row_of_one
    print(table([row_of(s, k, x, target) for k, x in (("clean", s.x), ("attacked", x_adv))]))
    if masking:
        print_signs(masking, part_name(measure_masking, "metrics"), len(s.y))
    if args.out is not None:
        _write(args.out, s, x_adv, args.norm)
    ball = {"this attack": {"eps": args.eps, "norm": args.norm}}
    warn([*at_another_eps(args.net, s.net, ball), *signs_of_masking(masking)])
    return 0


def _subject(args: "Namespace", source: str | None) -> "Subject":
    """The net and what is attacked: test images, or one image."""
    from jeat.jobs.inputs import subject_of
    from jeat.jobs.one_image import subject_of_image

    net = with_arch(args.net, args)
    if args["from"] is None:
        return subject_of(net, source, args.number, args.seed)[0]
    return subject_of_image(net, args["from"], label=args["class"], source=source, seed=args.seed)


def _write(out: str, s: "Subject", x_adv: "Tensor", norm: "Norm") -> None:
    """Keep all attacked images as arrays, or show some of them, spread evenly."""
    import numpy as np
    import torch

    from jeat._support.files import whole_file
    from jeat.jobs.pictures import write_picture
    from jeat.jobs.strips import attack_strips

    if Path(out).suffix.lower() in PIXELS:
        at = torch.linspace(0, len(s.y) - 1, min(SHOWN, len(s.y))).round().long()
        classes = s.classes or ()
        strips = attack_strips(s.net, s.x[at], x_adv[at], s.y[at], classes, norm)
        write_picture(strips, out)
        return
    with whole_file(out) as part:
        np.savez(part, images=x_adv.cpu().numpy(), labels=s.y.cpu().numpy())


def _towards(s: "Subject", name: str | None) -> "tuple[Subject, Tensor | None]":
    """The images that are attacked, and the class of each that a targeted attack goes towards."""
    from jeat.metrics import aimed

    if name is None:
        return s, None
    kept, target = aimed(s.net, s.x, s.y, name, classes=s.classes)
    if out := len(kept) - len(target):
        print(f"{out} of {len(kept)} images are of class {name} already, and are left out")
    return replace(s, x=s.x[kept], y=s.y[kept]), target


def _attacked(
    s: "Subject", target: "Tensor | None", args: "Namespace", show: Callable[..., None]
) -> "Tensor":
    """The images after all starts, each of which is on those that no start before it fooled."""
    import torch

    from jeat.attacks import pgd

    attack = partial(
        pgd, s.net, eps=args.eps, steps=args.steps, step_size=args.step_size, norm=args.norm,
        loss=args.loss, random_start=args.random_start,
    )  # fmt: skip
    x_adv, total = s.x.clone(), args.restarts * len(s.y)
    left = torch.ones_like(s.y, dtype=torch.bool)
    for start in range(args.restarts):
        if start:
            left = ~_fooled(s, x_adv, target)
        done = start * len(s.y)
        for at in left.nonzero().squeeze(1).split(500):
            aim = None if target is None else target[at]
            with _each_pass(s.net, partial(_tell, show, done, len(at), args.steps, total)):
                x_adv[at] = attack(s.x[at], s.y[at], target=aim)
            done += len(at)
    show("attacking", total, total)
    return x_adv


@contextmanager
def _each_pass(net: "nn.Module", told: Callable[[int], None]) -> Iterator[None]:
    """Inside, each pass of a net is told of by its number."""
    passed = count(1)
    hook = net.register_forward_hook(lambda *_: told(next(passed)))
    try:
        yield
    finally:
        hook.remove()


def _tell(
    show: Callable[..., None], done: int, images: int, steps: int, total: int, step: int
) -> None:
    """Tell of a step of an attack on some images as of the share of them that it is."""
    show("attacking", done + images * min(step, steps) // steps, total)


def _fooled(s: "Subject", x_adv: "Tensor", target: "Tensor | None") -> "Tensor":
    """Which images an attack has where it wanted them: the others are attacked once more."""
    import torch

    from jeat._support.passes import logits_of
    from jeat.nets import evaluating

    with torch.no_grad(), evaluating(s.net):
        said = torch.cat([logits_of(s.net, x).argmax(1) for x in x_adv.split(500)])
    return said != s.y if target is None else said == target


def _parser(words: Sequence[str]) -> Parser:
    parser = Parser("jeat attack", __doc__)
    add_subject(parser, words)
    parser.add_argument(
        "--from", type=str | None, default=None,
        help="one image to attack: a file, or test:17, a test image of the data",
    )  # fmt: skip
    parser.add_argument(
        "--class", type=str | None, default=None,
        help="the class of --from, by name; without, its label, or of a file what the net says",
    )  # fmt: skip
    parser.add_argument("--eps", type=float, default=8 / 255, help="radius, in [0, 1] pixels")
    parser.add_argument("--steps", type=int, default=20, help="gradient steps")
    parser.add_argument("--step_size", type=float, default=2 / 255, help="length of a step")
    parser.add_argument("--norm", type=Literal["linf", "l1", "l2"], default="linf", help="ball")
    parser.add_argument("--loss", type=Literal["ce", "energy"], default="ce", help="what to climb")
    parser.add_argument("--random_start", type=bool, default=True, help="start inside the ball")
    parser.add_argument(
        "--restarts", type=int, default=1, help="starts, each on the images that are not fooled"
    )
    parser.add_argument(
        "--target", type=str | None, default=None,
        help="a class to attack towards, by name; least-likely, each image's own; or next, the one "
        "after its label",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=str | None, default=None,
        help=f".npz of the attacked images and labels, or a picture of {SHOWN} of them before and "
        "after (.png, .webp, .pdf)",
    )  # fmt: skip
    return parser
