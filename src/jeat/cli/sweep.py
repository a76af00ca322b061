"""train a method at several settings and seeds, and compare what they reach

    jeat sweep METHOD --over.lr 1e-4 3e-4 --over.objective.w_px 0.1 0.3 --seeds 3 --out FOLDER
    jeat sweep METHOD --over.lr 1e-5..1e-3 log --search 20 --out FOLDER
    jeat sweep --resume --out FOLDER

--over.FLAG takes values of any flag of jeat train METHOD, or with --search a range, log or linear;
every other flag is that of jeat train. The same command goes on with what is left, and so do
others that are started beside it; with --resume, --seeds 5 gives a grid of fewer seeds further
ones. FOLDER/table.md, .csv and .tex are what came of it; best.yaml is the best setting, for
jeat train METHOD --config.

Choose settings on images that are held out from training, by --validation N: what is chosen on
test images is too good there.
"""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jeat._support.checks import SettingError, plain
from jeat._support.files import expanded, rewritten
from jeat.cli._helpers import add_workers, check_workers, helpers, is_wanted
from jeat.cli._parser import Parser
from jeat.cli._show import bar, warn
from jeat.cli._sweeping import (
    FREE,
    check_same,
    config_of,
    flags_in,
    is_elsewhere,
    keep,
    record_of,
    recorded,
    value_of,
)
from jeat.cli._training import asked_for, parser_of, plan_of

if TYPE_CHECKING:
    from jeat.sweeps import PlanOf, Sweep
    from jeat.training.plan import Plan

__all__ = ["main"]


def main(words: Sequence[str]) -> int:
    """Train what is left, then print and write the table."""
    if not words or words[0] in ("-h", "--help"):
        print(f"usage: jeat sweep METHOD --over.FLAG VALUES --out FOLDER [flags]\n\n{__doc__}")
        return 0 if words else 2
    method, said = ("", words) if words[0].startswith("-") else (words[0], words[1:])
    flags = flags_in(said)
    before = recorded(flags)
    parser = _parser(method or before.get("method", ""), [w for f in flags for w in f.words])
    args = parser.parse([w for flag in flags if not is_elsewhere(flag) for w in flag.words])
    check_workers(parser, args.workers)
    out = expanded(args.out)
    record = record_of(method, flags, before, args)
    if before:
        check_same(out, record, before)
    else:
        parser.check_new_folder(args.out)

    from jeat.sweeps import carried_out, check_sweep

    config = config_of(record, out) if before else value_of(flags, "config")
    sweep = _sweep(record, config)
    check_sweep(sweep, out, _plans(record, config))
    if record != before:
        keep(record, out)
    plans = _plans(record, config_of(record, out))
    if args.helper_of is not None:
        for _ in carried_out(sweep, out, plans, wanted=lambda: is_wanted(args.helper_of)):
            pass
        return 0
    again = ["sweep", "--resume", "--out", args.out]
    try:
        with helpers(again, args.workers) as begin, bar() as show:
            for progress in carried_out(sweep, out, plans):
                begin()
                show("sweep", progress.done, progress.total, progress.note)
    except KeyboardInterrupt as stop:
        on = f"jeat sweep --resume --out {shlex.quote(args.out)}"
        said_last = f"{stop}: go on with {on}" if str(stop) else "stopped"
        print(plain(f"jeat sweep: {said_last}"), file=sys.stderr)
        return 130
    record = recorded(flags)  # others may have added to it meanwhile
    _show(_sweep(record, config_of(record, out)), out)
    return 0


def _parser(method: str, words: Sequence[str], before: Mapping[str, Any] | None = None) -> Parser:
    if not method:
        raise SettingError(
            "name a METHOD, as in jeat sweep at --over.lr 1e-4 3e-4 --out FOLDER, or a sweep to go "
            "on with, by --resume --out FOLDER of one that is there"
        )
    if before is None:
        method, words, before = asked_for([method, *words])
    parser = parser_of(method, words, before, command="sweep")
    parser.add_argument(
        "--seeds", type=int, default=1, help="of each trial: --seed and those after"
    )
    parser.add_argument(
        "--search", type=int | None, default=None,
        help="how many trials optuna's TPE finds; by default every combination is one",
    )  # fmt: skip
    parser.add_argument(
        "--figure", type=str, default="test_accuracy",
        help="of jeat compare, whose mean over seeds is sought",
    )  # fmt: skip
    parser.add_argument("--minimise", action="store_true", help="seek the least")
    add_workers(parser)
    return parser


def _words(record: Mapping[str, Any], config: str | None) -> list[str]:
    """The words that all trials of a sweep have."""
    return [*record["words"], *(["--config", config] if config else [])]


def _sweep(record: Mapping[str, Any], config: str | None) -> "Sweep":
    from jeat.sweeps import Sweep, axis_of

    parser = _parser(record["method"], _words(record, config))
    over = {
        name: axis_of(name, words, whole=parser.takes_whole(name))
        for name, words in record["over"].items()
    }
    return Sweep(over, **{name: record[name] for name in ("seeds", *FREE)})


def _plans(record: Mapping[str, Any], config: str | None) -> "PlanOf":
    """The plan of a trial: what ``jeat train`` would make of the words, with those of its setting.

    Args:
        record: of the sweep.
        config: the file or run that it takes other settings from.
    """

    def plan(settings: Mapping[str, str], k: int) -> "Plan":
        own = [word for name, value in settings.items() for word in (f"--{name}", value)]
        method, words, before = asked_for([record["method"], *_words(record, config), *own])
        parser = _parser(method, words, before)
        made = plan_of(method, parser, parser.parse([*words, "--out", "trials"]))
        o = made.optimisation
        return replace(made, optimisation=replace(o, seed=o.seed + k))

    return plan


def _show(sweep: "Sweep", out: Path) -> None:
    """Print the table and the best setting, and write them."""
    from jeat.report import in_csv, in_latex, table
    from jeat.sweeps import best, by_run, by_trial, in_order

    rows = in_order(sweep, out)
    shown = by_trial(rows)
    note = f"mean ± sample standard deviation over {sweep.seeds} seeds" if sweep.seeds > 1 else ""
    text = "\n\n".join(filter(None, [table(shown), note]))
    texts = {"md": text, "csv": in_csv(by_run(rows)), "tex": in_latex(shown, note)}
    for suffix, written in texts.items():
        rewritten(out / f"table.{suffix}", written + "\n")
    print(text)
    if (found := best(sweep, out, rows)) is None:
        print("\nevery trial failed: lower the learning rate, or raise --recovery.tries")
        return
    rewritten(out / "best.yaml", found.config)
    best_is = "lowest" if sweep.minimise else "highest"
    print(plain(f"{best_is} {sweep.figure}: trial {found.trial.number:03d}, {found.command}"))
    print(plain(f"{out} holds table.md, .csv, .tex and best.yaml"))
    if found.on_test:
        warn([
            "this setting was chosen on test images, so its figures on them are too good: choose "
            "on images that are held out by --validation N, and test the best setting then"
        ])  # fmt: skip
