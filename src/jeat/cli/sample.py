"""draw images of given classes from a net, or change an image; into a picture, film or files

    jeat sample NET OUT [flags]
    jeat sample NET OUT --from IMAGE --class dog
    jeat sample NET OUT --from IMAGE --inpaint MASK | LEFT TOP RIGHT BOTTOM
    jeat sample NET OUT --from IMAGE --super 4

NET is a run directory, a checkpoint file, a shipped name or a hub id. Chains descend E(x, y)
(Eq. 17) from class-conditional Gaussians where the net was trained with them, else from noise.
A net that can invert, as a flow, draws by that where no chain, energy or start is named.

OUT is a grid with the names of classes (.png, .webp or .pdf); a film of the chains with E(x, y)
under each image (.gif, or .mp4); a folder of single PNGs by class; an .npz of images, labels and
class names; or a .safetensors for jeat measure --samples.

IMAGE is a file of any size, or test:17, a test image of the net's data. With --class alone it is a
counterfactual: the smallest walk in l2 after which the net says that class. With --inpaint chains
fill in a part of it, and keep the rest; with --super they enlarge it, and keep the means of its
blocks. Each of these is a strip with energies, before and after.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jeat._support import processes
from jeat._support.checks import plain
from jeat.cli._flags import NET, add_arch, with_arch
from jeat.cli._outputs import PIXELS
from jeat.cli._parser import Parser
from jeat.cli._show import bar

if TYPE_CHECKING:
    from jsonargparse import Namespace
    from torch import Tensor

    from jeat.jobs.drawing import Drawing

Own = Literal["own"]
FILMS = (".gif", ".mp4")
FORMATS = ("", *PIXELS, *FILMS, ".npz", ".safetensors")  # "" is a folder
NUMBER, OF_A_FILM, OF_AN_IMAGE = 10, 4, 1  # images of each class, where it is not said how many
OF_A_WALK = 20  # steps in each ball of a counterfactual

__all__ = ["main"]


def main(words: Sequence[str]) -> int:
    """Sample, one row a class, or change an image."""
    parser = _parser(words)
    args = parser.parse(words)
    suffix = Path(args.out).suffix.lower()
    _check(parser, args, suffix)

    from jeat.jobs.drawing import Drawing, draw_states
    from jeat.jobs.film import FRAMES, check_films

    check_films(suffix)
    usual = OF_AN_IMAGE if args["from"] else OF_A_FILM if suffix in FILMS else NUMBER
    drawing = Drawing(
        net=with_arch(args.net, args),
        classes=tuple(args["class"] or ()),
        number=usual if args.number is None else args.number,
        steps=args.steps,
        step_size=args.step_size,
        noise=args.noise,
        energy=args.energy,
        w_marginal=args.w_marginal,
        sampler=parser.part(args.sampler, "sampler"),
        start=args.start,
        precision=args.precision,
        seed=args.seed,
        image=args["from"],
        inpaint=tuple(args.inpaint or ()),
        enlarge=args["super"],
    )
    if drawing.image and not drawing.inpaint and drawing.enlarge is None:
        return _counterfactual(parser, args.out, drawing, args.confidence)
    with bar() as show:
        frames = FRAMES if suffix in FILMS else 1
        states, labels, steps = draw_states(drawing, frames, show=show)
    if not processes.rank():
        _write(args.out, states, labels, steps, drawing)
        several = drawing.number < len(labels)
        each = f", {drawing.number} of each class" if several else ""
        print(plain(f"{args.out}: {len(labels)} image{'s' * (len(labels) != 1)}{each}"))
    return 0


def _check(parser: Parser, args: "Namespace", suffix: str) -> None:
    """Refuse what cannot be drawn or written, before anything is loaded."""
    if args.number is not None and args.number < 1:
        parser.error(f"--number must be at least 1, got {args.number}")
    if suffix not in FORMATS:
        formats = f"{', '.join(FORMATS[1:-1])} or {FORMATS[-1]}"
        parser.error(f"{args.out!r} is not the name of a {formats} file, nor of a folder")
    image, walks = args["from"], not args.inpaint and args["super"] is None
    if image is None and not walks:
        parser.error("--inpaint and --super go with --from IMAGE")
    if args.confidence and (image is None or not walks):
        parser.error("--confidence is of a counterfactual: it goes with --from IMAGE and --class")
    if image is not None and walks and suffix not in PIXELS:
        parser.error(f"a counterfactual is a picture, .png, .webp or .pdf, got {args.out!r}")
    if suffix:
        parser.check_file(args.out, suffix, args.net, image, *(args.inpaint or ()))
    else:
        parser.check_new_folder(args.out)


def _counterfactual(parser: Parser, out: str, d: "Drawing", confidence: float) -> int:
    """Find the smallest walks to classes, and draw them."""
    from jeat.jobs.drawing import Drawing
    from jeat.jobs.inputs import net_of
    from jeat.jobs.pictures import write_picture
    from jeat.jobs.strips import counterfactual_strips, counterfactuals_of

    if d != Drawing(d.net, d.classes, OF_AN_IMAGE, d.steps, image=d.image):
        parser.error(
            "a counterfactual takes --class, --steps and --confidence, and no other setting of "
            "chains: give --inpaint or --super for a chain from an image"
        )
    if processes.rank():
        return 0
    steps, net = OF_A_WALK if d.steps == "own" else d.steps, net_of(d.net)
    with bar():
        x, found, y = counterfactuals_of(
            net, d.image or "", d.classes, confidence=confidence, steps=steps
        )
        write_picture(counterfactual_strips(net, x, found, y), out)
    for name, far, missed in zip(d.classes, found.length, found.missed, strict=True):
        said = f"{name} at an l2 distance of {float(far):.3g}, not yet at {float(missed):.3g}"
        print(plain(f"{out}: {said}"))
    return 0


def _write(
    out: str, states: "Tensor", labels: "Tensor", steps: Sequence[int], drawing: "Drawing"
) -> None:
    """Write states of chains, or what was drawn, as the name of ``out`` asks for."""
    from jeat.jobs.film import pictures_of, write_film
    from jeat.jobs.image_files import about, save_images
    from jeat.jobs.inputs import net_of
    from jeat.jobs.known import known_of
    from jeat.jobs.pictures import write_arrays, write_grid, write_picture, write_singles
    from jeat.jobs.strips import completed_strips
    from jeat.nets import spec_of

    net, suffix, images = net_of(drawing.net), Path(out).suffix.lower(), states[-1]
    classes = spec_of(net).classes
    if suffix in FILMS:
        write_film(out, list(pictures_of(states, labels, steps, net)))
    elif suffix == ".safetensors":
        save_images(Path(out), images, labels, drawing)
    elif suffix == ".npz":
        write_arrays(out, images, labels, classes, about(out, drawing))
    elif not suffix:
        write_singles(out, images, labels, classes, about(out, drawing))
    elif drawing.image:
        known = known_of(drawing.image, net, inpaint=drawing.inpaint, enlarge=drawing.enlarge)
        write_picture(completed_strips(net, known, images, labels), out)
    else:
        write_grid(out, images, labels, classes)


def _parser(words: Sequence[str]) -> Parser:
    parser = Parser("jeat sample", __doc__)
    parser.add_argument("net", type=str, help=NET)
    parser.add_argument("out", type=str, help="picture, film, folder or file to write")
    parser.add_argument(
        "--class", type=str, nargs="+", help="class names; all by default, or that of --from"
    )
    parser.add_argument(
        "-n", "--number", type=int | None, default=None,
        help=f"images of each class; by default {NUMBER}, {OF_A_FILM} in a film, {OF_AN_IMAGE} of "
        "an image",
    )  # fmt: skip
    parser.add_argument(
        "--from", type=str | None, default=None,
        help="an image to change: a file, or test:17, a test image of the net's data",
    )  # fmt: skip
    parser.add_argument(
        "--inpaint", type=str, nargs="+",
        help="fill in a part of --from: a mask image, white there, or LEFT TOP RIGHT BOTTOM in "
        "pixels of the net's images",
    )  # fmt: skip
    parser.add_argument(
        "--super", type=int | None, default=None,
        help="enlarge --from by this factor; a file is first brought to the net's size over it",
    )  # fmt: skip
    parser.add_argument(
        "--confidence", type=float, default=0.0,
        help="of a counterfactual: least probability of its class; 0 asks that it is the likeliest",
    )  # fmt: skip
    _add_chain(parser, words)
    parser.add_argument(
        "--precision",
        type=Literal["fp32", "bf16", "auto"],
        default="fp32",
        help="of the net's passes; auto is bf16 where that is faster",
    )
    parser.add_argument("--seed", type=int, default=0, help="of starts and noise")
    add_arch(parser, words)
    return parser


def _add_chain(parser: Parser, words: Sequence[str]) -> None:
    own = "own is what the net's file asks for, else"
    parser.add_argument(
        "--steps", type=int | Own, default="own",
        help=f"length of the chain; {own} 150; from an image, an eighth of it; {OF_A_WALK} in "
        "each ball of a counterfactual",
    )  # fmt: skip
    parser.add_argument(
        "--step_size", type=float | Own, default="own", help=f"factor of the gradient; {own} 0.25"
    )
    parser.add_argument(
        "--noise", type=float | Own | None, default="own",
        help=f"noise of the chain; null couples it to the step, sqrt(2 * step_size); {own} 0.005",
    )  # fmt: skip
    parser.add_argument(
        "--energy", type=Literal["joint", "cross-entropy"], default="joint",
        help="descend E(x, y) (joint, Eq. 17) or E(x, y) - E(x) (cross-entropy, Eq. 16)",
    )  # fmt: skip
    parser.add_argument(
        "--w_marginal", type=float, default=0.0,
        help="weight of E(x) beside E(x, y): 0 is Eq. 17, -1 is Eq. 16, above 0 is RCS",
    )  # fmt: skip
    chosen = parser.chosen(words, "sampler", "own")
    parser.add_part(
        "sampler", "samplers", chosen,
        f"of the chain, or package.module:function of your own; {own} langevin",
    )  # fmt: skip
    parser.add_argument(
        "--start", type=str, default="own",
        help="own is what the net was trained to start from, or the image of --from, filled in or "
        "enlarged smoothly; uniform noise; buffer, of a run; or another kind by name, fitted to "
        "the net's training images",
    )  # fmt: skip
