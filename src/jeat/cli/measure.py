"""measure a net on test images: accuracy, robustness, Fisher scores, energies, curvature

    jeat measure NET [flags]

Each metric's own flags are --METRIC.FLAG.
"""

import json
from collections.abc import Sequence
from functools import partial

from jeat import shards
from jeat._signature import constant_of, files_of, signature_of
from jeat.cli._parser import Parser, bar
from jeat.cli._subject import add_subject, data_of, subject_of

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
    parser.add_argument("--out", type=str | None, default=None, help="JSON file to write")
    for name in known:
        parser.add_flags(signature_of("metrics", name, "measure").flags, name)
    args = parser.parse(words)
    parser.check_place(args.out, ".json")
    for name in args.metrics:
        if needs.get(name):
            parser.error(
                f"{name} needs {' and '.join(needs[name])} beside test images: call it in Python, "
                "on a jeat.metrics.Subject"
            )

    from jeat.metrics import find, means_over_images, split
    from jeat.report import provenance, table

    chosen = {name: find(name) for name in args.metrics}
    subject = subject_of(args.net, args.data, args.number, args.seed)
    out = parser.place(args.out)
    figures: dict[str, float] = {}
    with bar() as show:
        for i, (name, measure) in enumerate(chosen.items()):
            show("measuring", i, len(chosen), name)
            chosen_so = partial(measure, **parser.group(args, name))
            means = means_over_images(name)
            figures |= split(chosen_so, subject, seed=args.seed, means=means)
        show("measuring", len(chosen), len(chosen), "done")
    if shards.rank():
        return 0
    print(table([{"metric": k, "value": v} for k, v in figures.items()]))
    protocol = {
        "net": args.net,
        "data": args.data or data_of(subject.net),
        "images": len(subject.y),
        "seed": args.seed,
        "processes": shards.world(),
        "settings": {name: parser.group(args, name) for name in chosen},
        "selection": "spread evenly over the test split",
        "units": "[0, 1] pixels",
        "made_with": provenance(),
    }
    print(
        f"{protocol['images']} test images of {protocol['data']}, spread evenly, seed {args.seed}"
        + (f", {shards.world()} processes" if shards.world() > 1 else "")
    )
    if out:
        out.write_text(json.dumps(protocol | {"figures": figures}, indent=1) + "\n")
    return 0
