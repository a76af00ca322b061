"""measure a net on test images: accuracy, robust accuracy, Fisher scores, energies and more

    jeat measure NET [flags]

Metrics of generated images take --samples, those that look at them --judge; what takes minutes or
more than test images is measured where --metrics names it. Each metric's own flags are
--METRIC.FLAG. Where robustness is measured, signs of gradient masking are looked for, too.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from jeat import shards
from jeat._signature import constant_of, files_of, signature_of
from jeat.cli._parser import Parser
from jeat.cli._show import bar, warn
from jeat.cli._subject import add_subject

__all__ = ["main"]


def main(words: Sequence[str]) -> int:
    """Measure, print a table, and write JSON where asked."""
    parser = Parser("jeat measure", __doc__)
    add_subject(parser)
    known = files_of("metrics")
    usual = [
        name
        for name in known
        if not any(constant_of("metrics", name, why) for why in ("needs", "expensive"))
    ]
    parser.add_argument(
        "--metrics", type=str, nargs="+", default=usual, help=f"some of {', '.join(known)}"
    )
    parser.add_argument(
        "--samples", type=str | None, default=None,
        help=".safetensors of images that jeat sample drew from the net",
    )  # fmt: skip
    parser.add_argument(
        "--judge", type=str | None, default=None, help="another net, which looks at the samples"
    )
    parser.add_argument(
        "--outside", type=str | None, default=None,
        help="images of none of the classes: a data set, or uniform, interpolated or inverted",
    )  # fmt: skip
    parser.add_argument(
        "--compared", type=int | None, default=None,
        help="so many training images, spread evenly, that samples are compared with; null is all",
    )  # fmt: skip
    parser.add_argument("--out", type=str | None, default=None, help="JSON file to write")
    for name in known:
        parser.add_flags(signature_of("metrics", name, "measure").flags, name)
    defaults = parser.get_defaults()
    args = parser.parse(words)
    read = (args.net, args.data, args.samples, args.judge, *(args.config or ()))
    parser.check_file(args.out, ".json", *read)
    for name in known:
        if name not in args.metrics and name in args and args[name] != defaults[name]:
            parser.error(f"--{name}.* has no effect, as --metrics does not name {name}")

    from jeat._files import rewritten
    from jeat.measurement import Measurement, measure
    from jeat.report import table

    settings = {name: parser.group(args, name) for name in args.metrics}
    m = Measurement(
        args.net, tuple(args.metrics), settings, args.data, args.number, args.seed, args.samples,
        args.judge, args.outside, args.compared,
    )  # fmt: skip
    with bar() as show:
        found = measure(m, show=show)
    if shards.rank():
        return 0
    figures = found["figures"] | found["masking"]
    print(table([{"metric": k, "value": f"{v:.4g}"} for k, v in figures.items()]))
    print(
        f"{found['images']} test images of {found['data']}, spread evenly, seed {args.seed}"
        + (f", {shards.world()} processes" if shards.world() > 1 else "")
    )
    if args.out is not None:
        rewritten(Path(args.out), json.dumps(found, indent=1) + "\n")
    warn(found["warnings"])
    return 0
