"""draw images of given classes from a net, into a picture, files or arrays

    jeat sample NET OUT [flags]

NET is a run directory, a checkpoint file, a shipped name or a hub id. Chains descend E(x, y)
(Eq. 17) from class-conditional Gaussians where the net was trained with them, else from noise.
A net that can invert, as a flow, draws by that where no chain, energy or start is named.

OUT is a grid with the names of classes (.png, .webp or .pdf); a folder of single PNGs by class; an
.npz of images, labels and class names; or a .safetensors for jeat measure --samples.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jeat._support import processes
from jeat._support.checks import plain
from jeat.cli._flags import NET, add_arch, with_arch
from jeat.cli._parser import Parser
from jeat.cli._show import bar

if TYPE_CHECKING:
    from torch import Tensor

    from jeat.jobs.drawing import Drawing

Own = Literal["own"]
FORMATS = ("", ".png", ".webp", ".pdf", ".npz", ".safetensors")  # "" is a folder

__all__ = ["main"]


def main(words: Sequence[str]) -> int:
    """Sample, one row a class."""
    parser = _parser(words)
    args = parser.parse(words)
    if args.number < 1:
        parser.error(f"--number must be at least 1, got {args.number}")
    suffix = Path(args.out).suffix.lower()
    if suffix not in FORMATS:
        formats = f"{', '.join(FORMATS[1:-1])} or {FORMATS[-1]}"
        parser.error(f"{args.out!r} is not the name of a {formats} file, nor of a folder")
    if suffix:
        parser.check_file(args.out, suffix, args.net)
    else:
        parser.check_new_folder(args.out)

    from jeat.jobs.drawing import Drawing, draw

    drawing = Drawing(
        net=with_arch(args.net, args),
        classes=tuple(args["class"] or ()),
        number=args.number,
        steps=args.steps,
        step_size=args.step_size,
        noise=args.noise,
        energy=args.energy,
        w_marginal=args.w_marginal,
        sampler=parser.part(args.sampler, "sampler"),
        start=args.start,
        precision=args.precision,
        seed=args.seed,
    )
    with bar() as show:
        images, labels = draw(drawing, show=show)
    if processes.rank():
        return 0
    _write(args.out, images, labels, drawing)
    print(plain(f"{args.out}: {len(labels)} images, {args.number} of each class"))
    return 0


def _write(out: str, images: "Tensor", labels: "Tensor", drawing: "Drawing") -> None:
    """Write images and labels as the name of ``out`` asks for."""
    from jeat.jobs.drawing import about, save_images
    from jeat.jobs.inputs import net_of
    from jeat.jobs.pictures import write_arrays, write_grid, write_singles
    from jeat.nets import spec_of

    suffix, classes = Path(out).suffix.lower(), spec_of(net_of(drawing.net)).classes
    if suffix == ".safetensors":
        save_images(Path(out), images, labels, drawing)
    elif suffix == ".npz":
        write_arrays(out, images, labels, classes, about(out, drawing))
    elif suffix:
        write_grid(out, images, labels, classes)
    else:
        write_singles(out, images, labels, classes)


def _parser(words: Sequence[str]) -> Parser:
    parser = Parser("jeat sample", __doc__)
    parser.add_argument("net", type=str, help=NET)
    parser.add_argument("out", type=str, help="picture, folder or file to write")
    parser.add_argument("--class", type=str, nargs="+", help="class names; all by default")
    parser.add_argument("-n", "--number", type=int, default=10, help="images of each class")
    own = "own is what the net's file asks for, else"
    parser.add_argument(
        "--steps", type=int | Own, default="own", help=f"length of the chain; {own} 150"
    )
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
        help="own is what the net was trained to start from; uniform noise; buffer, of a run; or "
        "another kind by name, fitted to the net's training images",
    )  # fmt: skip
    parser.add_argument(
        "--precision",
        type=Literal["fp32", "bf16", "auto"],
        default="fp32",
        help="of the net's passes; auto is bf16 where that is faster",
    )
    parser.add_argument("--seed", type=int, default=0, help="of starts and noise")
    add_arch(parser, words)
    return parser
