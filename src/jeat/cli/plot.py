"""draw what runs logged over their iterations, a panel a figure, a line a run

    jeat plot RUN [RUN ...] OUT.png [--figures NAME ...] [--along minutes] [--follow]

Figures are the names of a run's log.jsonl; * stands for any. OUT may be .png, .svg or .pdf.
"""

import time
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Literal

from jeat._support.checks import SettingError, plain, quoted
from jeat._support.files import expanded, whole_file
from jeat._support.near import near
from jeat.cli._flags import check_once, short_names
from jeat.cli._parser import Parser

__all__ = ["main"]

USUAL = ("loss", "accuracy_*", "test_accuracy", "test_robust_accuracy", "E_clean", "E_adv", "E_neg")
EVERY = 10.0  # seconds between looks at the logs that are followed

Log = list[dict[str, Any]]


def main(words: Sequence[str]) -> int:
    """Draw, once or until the runs are finished."""
    parser = _parser()
    args = parser.parse(words)
    kind = parser.check_picture(args.out)
    check_once(parser, "a run", args.runs)

    from jeat.figures import check_drawing
    from jeat.figures.training_curves import draw
    from jeat.runs.folder import read_plan
    from jeat.runs.log import finished, rows

    check_drawing()
    named = dict(zip(short_names(args.runs), map(expanded, args.runs), strict=True))
    epochs = {name: read_plan(run)["optimisation"]["epochs"] for name, run in named.items()}
    shown: dict[str, Log] | None = None
    while True:
        logs = {name: rows(run) for name, run in named.items()}
        if logs != shown and (any(logs.values()) or not args.follow):
            picture = draw(_curves(logs, args.figures, args.along), along=args.along)
            with whole_file(args.out) as part:
                picture.savefig(part, format=kind)
            shown = logs
            lasts = [
                f"{name} to {log[-1]['iteration']}" if log else f"{name} has no log yet"
                for name, log in logs.items()
            ]
            print(plain(f"{args.out}: {', '.join(lasts)}"), flush=True)
        if not args.follow or all(finished(log, epochs[name]) for name, log in logs.items()):
            return 0
        time.sleep(EVERY)


def _curves(
    logs: Mapping[str, Log], figures: Sequence[str] | None, along: str
) -> dict[str, dict[str, tuple[list[float], list[float]]]]:
    """{figure: {run: (where, values)}} of the figures that are asked for.

    Raises:
        SettingError: no run logged such a figure, or anything yet.
    """
    if not any(logs.values()):
        have = "has" if len(logs) == 1 else "have"
        raise SettingError(
            f"{', '.join(logs)} {have} no log yet: draw when it is further, or give --follow"
        )
    known = list(dict.fromkeys(k for log in logs.values() for row in log for k in row))
    for pattern in figures or ():
        if not any(fnmatchcase(k, pattern) for k in known):
            hint = near(pattern, known) or ":"
            raise SettingError(
                f"no run logged {quoted(pattern)}{hint} they logged {', '.join(known)}"
            )
    chosen = [k for pattern in figures or USUAL for k in known if fnmatchcase(k, pattern)]
    if not chosen:
        raise SettingError(f"name --figures: the runs logged {', '.join(known)}")
    return {
        figure: {
            name: ([where[i] for i in at], [log[i][figure] for i in at])
            for name, log in logs.items()
            if (at := [i for i, row in enumerate(log) if figure in row])
            for where in [_where(log, along)]
        }
        for figure in dict.fromkeys(chosen)
    }


def _where(log: Log, along: str) -> list[float]:
    """Where each line of a log is: its iteration, its epoch, or the minutes trained until then."""
    from jeat.runs.log import minutes_at

    return minutes_at(log) if along == "minutes" else [row[along] for row in log]


def _parser() -> Parser:
    parser = Parser("jeat plot", __doc__)
    parser.add_argument("runs", type=str, nargs="+", help="run directories")
    parser.add_argument("out", type=str, help="picture to write: .png, .svg or .pdf")
    parser.add_argument(
        "--figures", type=str, nargs="+", default=None,
        help="what to draw, a panel each; losses, accuracies and energies where nothing is said",
    )  # fmt: skip
    parser.add_argument(
        "--along", type=Literal["iteration", "epoch", "minutes"], default="iteration",
        help="the horizontal axis; minutes are those of training",
    )  # fmt: skip
    parser.add_argument(
        "--follow", action="store_true", help="draw anew while the runs go on, until they end"
    )
    return parser
