"""draw the energy on a plane through a test image, a panel a net

    jeat landscape NET [NET ...] OUT.png [flags]

OUT may be .png, .svg or .pdf. Every net sees the same image and the same two random directions
(Fig. 2). The colours show the energy minus that at the image. All panels have the same levels,
which show how flat each is; --levels own shows the shape of a flat one. Darker is lower, the star
is the image, the cross the lowest point. jeat measure NET --metrics curvature gives the figures
over many images.
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

from jeat._support.checks import plain
from jeat._support.progress import listening
from jeat._support.words import no_class
from jeat.cli._flags import add_arch, add_nets, check_once, data_named, short_names, with_arch
from jeat.cli._parser import Parser
from jeat.cli._show import bar

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from jeat.data import Data

__all__ = ["main"]


def main(words: Sequence[str]) -> int:
    """Draw, and print what is seen in numbers."""
    parser = _parser(words)
    args = parser.parse(words)
    given = data_named(parser, args)
    kind = parser.check_picture(args.out, given)
    check_once(parser, "a net", args.nets)

    from jeat import load_data
    from jeat._support.files import from_here, whole_file
    from jeat.figures import check_drawing
    from jeat.figures.landscape import draw
    from jeat.jobs.inputs import check_fit, data_of, net_of, seed_all
    from jeat.metrics import axis, energy_on_plane, plane
    from jeat.report import table

    axis(args.radius, args.points)  # refuses before anything is loaded
    check_drawing()
    seed_all(args.seed)
    loaded = [net_of(with_arch(name, args)) for name in args.nets]
    nets = dict(zip(short_names(args.nets), loaded, strict=True))
    source = given or data_of(loaded[0])
    parser.check_picture(args.out, source)
    data = load_data(source)
    for name, net in nets.items():
        check_fit(name, net, data)
    at = _index(data, args["class"], args.index)
    images = data.test.to(next(loaded[0].parameters()).device)
    x, y = images.x[[at]].float() / 255, images.y[[at]]
    on_plane = partial(
        energy_on_plane, x=x, y=y if args.energy == "joint" else None,
        directions=plane(x, seed=args.seed), radius=args.radius, points=args.points,
    )  # fmt: skip
    energies = _energies(nets, on_plane)
    symbol = "E(x, y)" if args.energy == "joint" else "E(x)"
    title = (
        f"{symbol} around test image {at} of {from_here(source)}, class {data.classes[int(y)]}; "
        f"directions of seed {args.seed}"
    )
    heights, own = {k: E[0] for k, E in energies.items()}, args.levels == "own"
    figure = draw(heights, radius=args.radius, title=title, own_levels=own)
    with whole_file(args.out) as part:
        figure.savefig(part, format=kind)
    print(table([_figures(name, E, args.radius) for name, E in energies.items()]))
    square = f"radius {args.radius:g} in pixel L2, {args.points} points a side"
    print(plain(f"{args.out}: {title}; {square}"))
    return 0


def _energies(
    nets: "dict[str, nn.Module]", on_plane: "Callable[[nn.Module], Tensor]"
) -> "dict[str, Tensor]":
    """The energies of each net on the plane, with a bar over the points of all."""
    found: dict[str, Tensor] = {}
    with bar() as show:
        for name, net in nets.items():

            def told(stage: str, done: int, total: int, _: str = "", name: str = name) -> None:
                show(stage, len(found) * total + done, len(nets) * total, name)

            with listening(told):
                found[name] = on_plane(net)
    return found


def _parser(words: Sequence[str]) -> Parser:
    parser = Parser("jeat landscape", __doc__)
    add_nets(parser)
    parser.add_argument(
        "--class", type=str | None, default=None, help="class name that the image is taken from"
    )
    parser.add_argument(
        "--index", type=int, default=0, help="which test image, from 0; of --class, where given"
    )
    parser.add_argument(
        "--radius", type=float, default=2.0, help="half a side of the square, pixel L2"
    )
    parser.add_argument("--points", type=int, default=41, help="of the grid on a side; odd")
    parser.add_argument(
        "--energy", type=Literal["joint", "marginal"], default="joint", help="E(x, y) or E(x)"
    )
    parser.add_argument(
        "--levels", type=Literal["shared", "own"], default="shared",
        help="of the contours: the same in every panel, or each panel's own",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="of the two directions")
    add_arch(parser, words)
    return parser


def _index(data: "Data", kind: str | None, index: int) -> int:
    """Where the image is in the test split: the ``index``-th of all, or of a class.

    Raises:
        ValueError: no such class or image.
    """
    if kind is not None and kind not in data.classes:
        raise ValueError(no_class(kind, data.classes))
    y = data.test.y
    known = [i for i in range(len(y)) if kind is None or data.classes[int(y[i])] == kind]
    if not 0 <= index < len(known):
        raise ValueError(f"--index must lie in 0..{len(known) - 1}, got {index}")
    return known[index]


def _figures(name: str, E: "Tensor", radius: float) -> dict[str, object]:
    from jeat.metrics import curvature, minimum

    distance, drop = minimum(E, radius=radius)
    return {
        "net": name,
        "E at the image": float(E[0, E.shape[1] // 2, E.shape[2] // 2]),
        "curvature": float(curvature(E, radius=radius).mean()),
        "minimum_distance": float(distance),
        "drop": float(drop),
    }
