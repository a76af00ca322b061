"""measure nets on test images: accuracy, robust accuracy, Fisher scores, energies and more

    jeat measure NET [NET ...] [flags]

Several nets are measured alike, on the same images, and stand beside each other in the table.
Metrics of generated images take --samples, those that look at them --judge; what takes minutes or
more than test images is measured where --metrics names it. Each metric's own flags are
--METRIC.FLAG. Where robustness is measured, signs of gradient masking are looked for, too.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jeat._support import processes
from jeat._support.intervals import said
from jeat._support.plugins import brought_parts, constant_of, known_parts, short_name
from jeat._support.reading import reading_of
from jeat._support.signatures import signature_of
from jeat.cli._flags import add_subject, check_once, data_named, short_names, with_arch
from jeat.cli._parser import Parser
from jeat.cli._show import bar, warn

if TYPE_CHECKING:
    from jsonargparse import Namespace

__all__ = ["main"]

_OF_IMAGES = ("size", "background")  # flags that samples are read by, too


def main(words: Sequence[str]) -> int:
    """Measure, print a table, and write JSON where asked: a list of it for several nets."""
    parser, metrics = _parser(words)
    defaults = parser.get_defaults()
    args = parser.parse(words)
    samples, shown = _samples(args)
    source = data_named(parser, args, also_of=shown)
    read = (*args.nets, source, samples, args.judge, *(args.config or ()))
    parser.check_file(args.out, ".json", *read)
    check_once(parser, "a net", args.nets)
    for short, name in metrics.items():
        if name not in args.metrics and short in args and args[short] != defaults[short]:
            parser.error(f"--{short}.* has no effect, as --metrics does not name {name}")

    from jeat.data import settled
    from jeat.jobs.alike import measure_alike
    from jeat.jobs.measurement import Measurement

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
        samples=samples,
        judge=args.judge,
        outside=args.outside and settled(args.outside),
        compared=args.compared,
    )
    whole = [with_arch(name, args) for name in args.nets]
    nets = dict(zip(short_names(args.nets), whole, strict=True))
    with bar() as show:
        every, failed = measure_alike(first, nets, show=show)
    if processes.rank():
        return 0
    _show(every, args, several=len(nets) > 1)
    return _raised(failed)


def _show(every: dict[str, dict[str, Any]], args: "Namespace", *, several: bool) -> None:
    """Print what was found, write it where asked, and warn."""
    from jeat._support.files import from_here, rewritten
    from jeat.jobs.measurement import written
    from jeat.report import table

    found = next(iter(every.values()))
    print(table(_side_by_side(every) if several else _alone(found)))
    print(
        f"{found['images']} test images of {from_here(found['data'])}, spread evenly, "
        f"seed {args.seed}" + (f", {processes.world()} processes" if processes.world() > 1 else "")
    )
    if args.out is not None:
        rewritten(Path(args.out), written([*every.values()] if several else found))
    for name, one in every.items():
        warn(f"{name}: {line}" if several else line for line in one["warnings"])


def _raised(failed: dict[str, Exception]) -> int:
    """Say which nets were not measured, and why; 0 where there is none."""
    for error in failed.values():
        said = "; ".join(f"{name} was not measured: {error}" for name, error in failed.items())
        raise ValueError(said) from error
    return 0


def _samples(args: "Namespace") -> tuple[str | None, dict[str, Any]]:
    """The whole name of ``--samples``, and the flags that say how these images are read."""
    how = {k: args[k] for k in _OF_IMAGES if args[k] is not None}
    if args.samples is None or not how:
        return args.samples, {}
    from jeat.jobs.measurement import RULERS

    if args.samples in RULERS:  # which are of the data, and read as these
        return args.samples, {}
    source, reading = reading_of(args.samples, **how)
    return reading.of(source), how


def _alone(found: dict[str, Any]) -> list[dict[str, object]]:
    """A row a figure of one net."""
    return [_row(k, v, found) for k, v in _figures(found).items()]


def _side_by_side(every: dict[str, dict[str, Any]]) -> list[dict[str, object]]:
    """A row a figure, a column a net; beside a share of images its 95 % interval, on how many."""
    names = dict.fromkeys(k for found in every.values() for k in _figures(found))
    rows: list[dict[str, object]] = []
    for k in names:
        cells = {net: _cell(k, found) for net, found in every.items()}
        counts = dict.fromkeys(_count(k, found) for net, found in every.items() if cells[net])
        rows.append({"metric": k, **cells, "images": ", ".join(counts)})
    return rows


def _figures(found: dict[str, Any]) -> dict[str, float]:
    return found["figures"] | found["masking"]  # type: ignore[no-any-return]


def _cell(name: str, found: dict[str, Any]) -> str:
    """A figure of a net, "" where it has none of that name."""
    if (value := _figures(found).get(name)) is None:
        return ""
    interval = said(found["intervals"].get(name))
    return f"{value:.4g} ({interval})" if interval else f"{value:.4g}"


def _count(name: str, found: dict[str, Any]) -> str:
    """On how many images a figure was found, and whose they are."""
    of = "test"
    if name in found["of_samples"]:
        of = f"drawn by {found['drawn_by']}" if found["drawing"] else found["drawn_by"]
    return f"{found['counts'][name]} {of}"


def _row(name: str, value: float, found: dict[str, Any]) -> dict[str, object]:
    """A line of the table: a figure, how far it is known, on how many images, and whose they are;
    and in which ball, where balls differ.
    """
    interval = said(found["intervals"].get(name))
    row: dict[str, object] = {
        "metric": name, "value": f"{value:.4g}", "95 %": interval, "images": _count(name, found)
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
        "anyone's images, read as --size and --background say; or, as many as test images: test, "
        "these themselves, or start, where its chains start",
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
