"""measure nets on test images: accuracy, robust accuracy, Fisher scores, energies and more

    jeat measure NET [NET ...] [flags]

Several nets are measured alike, on the same images, and stand beside each other in the table.
Metrics of generated images take --samples, those that look at them --judge; what takes minutes or
more than test images is measured where --metrics names it. Each metric's own flags are
--METRIC.FLAG. Where robustness is measured, signs of gradient masking are looked for, too.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jeat._support import processes
from jeat._support.intervals import said
from jeat._support.plugins import brought_parts, constant_of, known_parts, short_name
from jeat._support.signatures import signature_of
from jeat.cli._flags import add_subject, check_once, data_named, short_names, with_arch
from jeat.cli._parser import Parser
from jeat.cli._show import bar, warn

if TYPE_CHECKING:
    from jeat.jobs.measurement import Measurement

__all__ = ["main"]


def main(words: Sequence[str]) -> int:
    """Measure, print a table, and write JSON where asked: a list of it for several nets."""
    parser, metrics = _parser(words)
    defaults = parser.get_defaults()
    args = parser.parse(words)
    source = data_named(parser, args)
    read = (*args.nets, source, args.samples, args.judge, *(args.config or ()))
    parser.check_file(args.out, ".json", *read)
    check_once(parser, "a net", args.nets)
    for short, name in metrics.items():
        if name not in args.metrics and short in args and args[short] != defaults[short]:
            parser.error(f"--{short}.* has no effect, as --metrics does not name {name}")

    from jeat._support.files import rewritten
    from jeat.data import settled
    from jeat.jobs.measurement import Measurement, written
    from jeat.report import table

    first = Measurement(
        net=with_arch(args.nets[0], args),
        metrics=tuple(args.metrics),
        settings={
            name: parser.group(args, short_name(name)) if name in metrics.values() else {}
            for name in args.metrics
        },
        data=source and settled(source),
        number=args.number,
        seed=args.seed,
        samples=args.samples,
        judge=args.judge,
        outside=args.outside and settled(args.outside),
        compared=args.compared,
    )
    every = _measured(first, {name: with_arch(name, args) for name in args.nets})
    if processes.rank():
        return 0
    found, *others = every.values()
    print(table(_side_by_side(every) if others else _alone(found)))
    print(
        f"{found['images']} test images of {found['data']}, spread evenly, seed {args.seed}"
        + (f", {processes.world()} processes" if processes.world() > 1 else "")
    )
    if args.out is not None:
        rewritten(Path(args.out), written([found, *others] if others else found))
    for name, one in every.items():
        warn(f"{name}: {line}" if others else line for line in one["warnings"])
    return 0


def _measured(first: "Measurement", nets: dict[str, str]) -> dict[str, dict[str, Any]]:
    """What is found of each net, by its short name, on the images of the first."""
    from jeat.jobs.inputs import net_of
    from jeat.jobs.measurement import measure

    if len(nets) > 1:
        for whole in nets.values():  # so that what is no net is said before others take minutes
            net_of(whole)
    found: dict[str, dict[str, Any]] = {}
    for name, whole in zip(short_names([*nets]), nets.values(), strict=True):
        data = first.data or next((one["data"] for one in found.values()), None)
        with bar() as show:
            found[name] = measure(replace(first, net=whole, data=data), show=show)
    return found


def _alone(found: dict[str, Any]) -> list[dict[str, object]]:
    """A row a figure of one net."""
    return [_row(k, v, found) for k, v in _figures(found).items()]


def _side_by_side(every: dict[str, dict[str, Any]]) -> list[dict[str, object]]:
    """A row a figure, a column a net; beside a share of images its 95 % interval."""
    names = dict.fromkeys(k for found in every.values() for k in _figures(found))
    cells = {k: {net: _cell(k, found) for net, found in every.items()} for k in names}
    return [{"metric": k, **row} for k, row in cells.items()]


def _figures(found: dict[str, Any]) -> dict[str, float]:
    return found["figures"] | found["masking"]  # type: ignore[no-any-return]


def _cell(name: str, found: dict[str, Any]) -> str:
    """A figure of a net, "" where it has none of that name."""
    if (value := _figures(found).get(name)) is None:
        return ""
    interval = said(found["intervals"].get(name))
    return f"{value:.4g} ({interval})" if interval else f"{value:.4g}"


def _row(name: str, value: float, found: dict[str, Any]) -> dict[str, object]:
    """A line of the table: a figure, how far it is known, on how many images, and whose they are;
    and in which ball, where balls differ.
    """
    n, of = found["counts"][name], "test"
    if name in found["of_samples"]:
        by = found["drawn_by"]
        of = f"drawn by {by}" if found["drawing"] else by
    interval = said(found["intervals"].get(name))
    row: dict[str, object] = {
        "metric": name, "value": f"{value:.4g}", "95 %": interval, "images": f"{n} {of}"
    }  # fmt: skip
    if len({tuple(b.values()) for b in found["balls"].values()}) > 1:
        eps, norm = (found["balls"].get(name, {}).get(k, "") for k in ("eps", "norm"))
        row |= {"eps": eps if eps == "" else f"{eps:.4g}", "norm": norm}
    return row


def _parser(words: Sequence[str]) -> tuple[Parser, dict[str, str]]:
    """The parser, and the metrics by the name of their flags."""
    parser = Parser("jeat measure", __doc__)
    add_subject(parser, words, several=True)
    known, theirs = known_parts("metrics"), brought_parts("metrics")
    usual = [
        name
        for name in known
        if not any(constant_of("metrics", name, why) for why in ("needs", "expensive"))
    ]
    parser.add_argument(
        "--metrics", type=str, nargs="+", default=usual,
        help=f"some of {', '.join([*known, *theirs])}, or package.module:function of your own",
    )  # fmt: skip
    parser.add_argument(
        "--samples", type=str | None, default=None,
        help=".safetensors of images that jeat sample drew, best from the net; a folder or .npz of "
        "anyone's images; or, as many as test images: test, these themselves, or start, where its "
        "chains start",
    )  # fmt: skip
    parser.add_argument(
        "--judge", type=str | None, default=None, help="another net, which looks at the samples"
    )
    parser.add_argument(
        "--outside", type=str | None, default=None,
        help="out-of-distribution images: a data set, or uniform, interpolated or inverted",
    )  # fmt: skip
    parser.add_argument(
        "--compared", type=int | None, default=None,
        help="number of training images, spread evenly, to compare samples with; null is all",
    )  # fmt: skip
    parser.add_argument("--out", type=str | None, default=None, help="JSON file to write")
    metrics = {name: name for name in known}
    for name in dict.fromkeys(n for n in parser.named(words, "metrics") if ":" in n or n in theirs):
        short = short_name(name)
        if not signature_of("metrics", name, "metric").flags:
            continue
        if short in metrics or short in parser.get_defaults():
            parser.error(
                f"the flags of {name} would be --{short}.*, which are taken: put it into a module "
                "of its own, of another name"
            )
        metrics[short] = name
    for short, name in metrics.items():
        parser.add_flags(signature_of("metrics", name, "metric").flags, short)
    return parser, metrics
