"""draw accuracy over the radius of an attack, a line a net

    jeat curve NET [NET ...] OUT.png [flags]

OUT may be .png, .svg or .pdf. PGD at each radius attacks what is left of the one before, on the
same images for every net. Bands are 95 % intervals (Wilson). Signs of gradient masking are looked
for at the largest radius.
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

from jeat._support.checks import plain
from jeat._support.intervals import said, wilson
from jeat.cli._flags import add_arch, add_nets, check_once, data_named, short_names, with_arch
from jeat.cli._parser import Parser
from jeat.cli._show import bar, warn

if TYPE_CHECKING:
    from collections.abc import Callable

    from jeat.metrics import Subject

__all__ = ["main"]

RADII = [k / 255 for k in (0, 2, 4, 6, 8, 12, 16)]


def main(words: Sequence[str]) -> int:
    """Attack at each radius, draw, and print the same in numbers."""
    parser = _parser(words)
    args = parser.parse(words)
    given = data_named(parser, args)
    kind = parser.check_picture(args.out, given, *args.nets, *(args.config or ()))
    check_once(parser, "a net", args.nets)
    if args.norm != "linf" and args.eps == RADII:
        parser.error(f"--eps has radii of linf: name those of {args.norm}, such as 0 0.5 1 2 in l2")

    from jeat._support.files import from_here, whole_file
    from jeat.figures import check_drawing
    from jeat.figures.accuracy_curves import draw
    from jeat.jobs.inputs import data_of, subject_of
    from jeat.metrics import robustness_curve
    from jeat.report import table

    check_drawing()
    known, source = [with_arch(name, args) for name in args.nets], given
    subjects = {}
    for name, whole in zip(short_names(args.nets), known, strict=True):
        subjects[name], _ = subject_of(whole, source, args.number, args.seed)
        source = source or data_of(subjects[name].net)
    parser.check_picture(args.out, source)
    measure = partial(
        robustness_curve, radii=args.eps, steps=args.steps, ratio=args.ratio, norm=args.norm,
        loss=args.loss,
    )  # fmt: skip
    found, signs = _curves(subjects, measure, args.eps[-1], args.norm, args.seed)
    n = len(next(iter(subjects.values())).y)
    title = (
        f"PGD-{args.steps} in {args.norm}, steps of {args.ratio:g} eps, on {n} test images of "
        f"{from_here(str(source))}, seed {args.seed}"
    )
    bands = {
        name: {eps: (v, *wilson(v, n)) for eps, v in curve.items()} for name, curve in found.items()
    }
    figure = draw(bands, norm=args.norm, title=title)
    with whole_file(args.out) as part:
        figure.savefig(part, format=kind)
    print(table([_row(eps, bands) for eps in args.eps]))
    print(plain(f"{args.out}: {title}"))
    warn(signs)
    return 0


def _curves(
    subjects: "dict[str, Subject]",
    measure: "Callable[..., dict[float, float]]",
    eps: float,
    norm: Literal["linf", "l1", "l2"],
    seed: int,
) -> tuple[dict[str, dict[float, float]], list[str]]:
    """The curve of each net, from the same random starts, and the signs of masking in all."""
    from jeat.jobs.inputs import seed_all
    from jeat.metrics import signs_of_masking
    from jeat.metrics.gradient_masking import measure as measure_masking

    found, signs = {}, []
    with bar() as show:
        for i, (name, s) in enumerate(subjects.items()):
            show("curves", i, len(subjects), name)
            seed_all(seed)
            found[name] = measure(s.net, s.x, s.y)
            seed_all(seed)
            masking = measure_masking(s, eps=eps, norm=norm)
            signs += [f"{name}: {sign}" for sign in signs_of_masking(masking)]
        show("curves", len(subjects), len(subjects), "done")
    return found, signs


def _row(eps: float, bands: dict[str, dict[float, tuple[float, float, float]]]) -> dict[str, str]:
    """A line of the table: a radius, and the accuracy of each net there."""
    cells = {name: curve[eps] for name, curve in bands.items()}
    return {"eps": f"{eps:.4g}"} | {
        name: f"{value:.3f} ({said((low, high))})" for name, (value, low, high) in cells.items()
    }


def _parser(words: Sequence[str]) -> Parser:
    parser = Parser("jeat curve", __doc__)
    add_nets(parser)
    parser.add_argument(
        "-n", "--number", type=int, default=1000, help="number of test images, spread evenly"
    )
    parser.add_argument(
        "--eps", type=float, nargs="+", default=RADII,
        help="radii, in [0, 1] pixels, from small to large; 0 is no attack",
    )  # fmt: skip
    parser.add_argument("--steps", type=int, default=20, help="gradient steps at each radius")
    parser.add_argument(
        "--ratio", type=float, default=0.25, help="length of a step in units of eps"
    )
    parser.add_argument("--norm", type=Literal["linf", "l1", "l2"], default="linf", help="ball")
    parser.add_argument("--loss", type=Literal["ce", "energy"], default="ce", help="what to climb")
    parser.add_argument("--seed", type=int, default=0, help="of the attack")
    add_arch(parser, words)
    return parser
