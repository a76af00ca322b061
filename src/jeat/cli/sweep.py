"""train a method at several settings and seeds, and compare what they reach

    jeat sweep METHOD --over.lr 1e-4 3e-4 --over.objective.w_px 0.1 0.3 --seeds 3 --out FOLDER
    jeat sweep METHOD --over.lr 1e-5..1e-3 log --search 20 --out FOLDER
    jeat sweep --resume --out FOLDER

--over.FLAG takes values of any flag of jeat train METHOD, or with --search a range, log or linear;
every other flag is that of jeat train. The same command goes on with what is left, and so do
others that are started beside it. FOLDER/table.md, .csv and .tex are what came of it; best.yaml is
the best setting, for jeat train METHOD --config.

Choose settings on images that are held out from training, by --validation N: what is chosen on
test images is too good there.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jeat._support.checks import SettingError, plain
from jeat._support.files import expanded, rewritten
from jeat._support.words import is_decimal
from jeat.cli._helpers import add_workers, check_workers, helpers, is_wanted
from jeat.cli._parser import Parser
from jeat.cli._show import bar, warn
from jeat.cli._training import asked_for, is_run, parser_of, plan_of

if TYPE_CHECKING:
    from jeat.sweeps import PlanOf, Sweep
    from jeat.training.plan import Plan

__all__ = ["main"]

_OVER, _RECORD = "over.", "sweep.json"
_FREE = ("figure", "minimise", "search")  # what may be another when a sweep goes on
_APART = ("seeds", *_FREE, "workers", "helper_of", "out", "resume", "config", "verbose", "v")


@dataclass(frozen=True)
class Said:
    """A flag of a command: its name, and its words, of which ``values`` are after the name."""

    name: str
    words: list[str]
    values: list[str]


def main(words: Sequence[str]) -> int:
    """Train what is left, then print and write the table."""
    if not words or words[0] in ("-h", "--help"):
        print(f"usage: jeat sweep METHOD --over.FLAG VALUES --out FOLDER [flags]\n\n{__doc__}")
        return 0 if words else 2
    method, said = ("", words) if words[0].startswith("-") else (words[0], words[1:])
    flags = _flags(said)
    before = _recorded(flags)
    parser = _parser(method or before["method"], [w for flag in flags for w in flag.words])
    args = parser.parse([w for f in flags if not f.name.startswith(_OVER) for w in f.words])
    check_workers(parser, args.workers)
    out = expanded(args.out)
    record = _record(method, flags, before, args)
    if before:
        _check_same(out, record, before)
    else:
        parser.check_new_folder(args.out)
    sweep = _sweep(record, parser)

    from jeat.sweeps import carried_out, check_sweep

    config = next((f.values[0] for f in flags if f.name == "config" and f.values), None)
    check_sweep(sweep, out, _plans(record, config if method else _config(record, out)))
    _keep(record, out)
    plans = _plans(record, _config(record, out))
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
        said_last = f"{stop}: go on with --resume --out {args.out}" if str(stop) else "stopped"
        print(plain(f"jeat sweep: {said_last}"), file=sys.stderr)
        return 130
    _show(sweep, out, record)
    return 0


def _flags(words: Sequence[str]) -> list[Said]:
    found = [Said("", [], [])]
    for word in words:
        if word.startswith("-") and not is_decimal(word):
            flag, equals, value = word.partition("=")
            name = flag.lstrip("-").replace("-", "_")
            found.append(Said(name, [word], [value] if equals else []))
        else:
            found[-1].words.append(word)
            found[-1].values.append(word)
    return found


def _recorded(flags: Sequence[Said]) -> dict[str, Any]:
    """What is kept of the sweep in ``--out``; nothing where there is none."""
    out = next((f.values[0] for f in flags if f.name == "out" and f.values), "")
    file = expanded(out) / _RECORD
    if not out or not file.is_file():
        return {}
    try:
        return dict(json.loads(file.read_text()))
    except ValueError as error:
        raise ValueError(f"{file} is damaged ({error}): begin anew elsewhere") from error


def _parser(method: str, words: Sequence[str], before: Mapping[str, Any] | None = None) -> Parser:
    if not method:
        raise SettingError(
            "name a METHOD, as in jeat sweep at --over.lr 1e-4 3e-4 --out FOLDER, or a sweep to go "
            "on with, by --resume --out FOLDER"
        )
    if before is None:
        method, words, before = asked_for([method, *words])
    parser = parser_of(method, words, before, command="sweep")
    parser.add_argument("--seeds", type=int, default=1, help="of each trial: --seed and those after")
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


def _record(
    method: str, flags: Sequence[Said], before: Mapping[str, Any], args: Any
) -> dict[str, Any]:
    """The sweep that is asked for, as it is kept in its folder."""
    free = {name: args[name] for name in ("seeds", *_FREE)}
    if not method:
        given = {flag.name for flag in flags}
        if others := [f.name for f in flags[1:] if f.name not in _APART]:
            raise SettingError(f"--{others[0]} needs the whole command: name the METHOD, too")
        return {**before, **{k: v for k, v in free.items() if k in given}}
    swept = [f for f in flags if f.name.startswith(_OVER)]
    own = [f for f in flags if f not in swept and f.name not in _APART]
    over = {flag.name.removeprefix(_OVER): flag.values for flag in swept}
    if twice := [f.name for f in own if f.name in over]:
        raise SettingError(f"--{twice[0]} is given, and swept over: leave one out")
    if odd := [name for name in over if name in _APART]:
        raise SettingError(f"--over.{odd[0]} is no setting of a training")
    config = next((f.values[0] for f in flags if f.name == "config" and f.values), None)
    begun = text = None
    if config is not None and is_run(config):
        begun = (expanded(config) / "run.json").read_text()
    elif config is not None:
        text = expanded(config).read_text()
    words = [word for flag in own for word in flag.words]
    return {"method": method, "words": words, "over": over, **free, "config": text, "begun": begun}


def _check_same(out: Path, record: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    """Refuse another sweep than that of the folder; a search may be made longer."""
    searched = before["search"] is not None
    fixed = [k for k in before if k not in _FREE or (searched and k != "search")]
    longer = (record["search"] or 0) >= (before["search"] or 0)
    if searched != (record["search"] is not None) or not longer:
        fixed.append("search")
    for name in fixed:
        if record[name] != before[name]:
            raise ValueError(
                f"{out} is a sweep with other settings: {name} {plain(str(before[name]))}, now "
                f"{plain(str(record[name]))}: name another folder"
            )


def _keep(record: Mapping[str, Any], out: Path) -> None:
    """Write what the sweep is, with copies of the file or run that it takes settings from."""
    if record["config"] is not None:
        rewritten(out / "config.yaml", record["config"])
    if record["begun"] is not None:
        rewritten(out / "begun/run.json", record["begun"])
    rewritten(out / _RECORD, json.dumps(record, indent=1))


def _config(record: Mapping[str, Any], out: Path) -> str | None:
    """The copy of :func:`_keep`."""
    if record["config"] is not None:
        return str(out / "config.yaml")
    return str(out / "begun") if record["begun"] is not None else None


def _sweep(record: Mapping[str, Any], parser: Parser) -> "Sweep":
    from jeat.sweeps import Sweep, axis_of

    over = {
        name: axis_of(name, words, whole=parser.takes_whole(name))
        for name, words in record["over"].items()
    }
    return Sweep(over, **{name: record[name] for name in ("seeds", *_FREE)})


def _plans(record: Mapping[str, Any], config: str | None) -> "PlanOf":
    """The plan of a trial: what ``jeat train`` would make of the words, with those of its setting.

    Args:
        record: of the sweep.
        config: the file or run that it takes other settings from.
    """

    def plan(settings: Mapping[str, str], k: int) -> "Plan":
        words = [*record["words"], *(["--config", config] if config else [])]
        words += [word for name, value in settings.items() for word in (f"--{name}", value)]
        method, words, before = asked_for([record["method"], *words])
        parser = _parser(method, words, before)
        made = plan_of(method, parser, parser.parse([*words, "--out", "trials"]))
        o = made.optimisation
        return replace(made, optimisation=replace(o, seed=o.seed + k))

    return plan


def _show(sweep: "Sweep", out: Path, record: Mapping[str, Any]) -> None:
    """Print the table and the best setting, and write them."""
    from jeat.report import in_csv, in_latex, table
    from jeat.sweeps import best, by_run, by_trial, in_order

    rows = in_order(sweep, out)
    shown = by_trial(sweep, rows)
    texts = {"md": table(shown), "csv": in_csv(by_run(sweep, rows)), "tex": in_latex(shown)}
    for suffix, text in texts.items():
        rewritten(out / f"table.{suffix}", text + "\n")
    print(table(shown))
    if sweep.seeds > 1:
        print("\nmean ± sample standard deviation over seeds")
    if (found := best(sweep, out, rows)) is None:
        print("\nevery trial failed: lower the learning rate, or raise --recovery.tries")
        return
    rewritten(out / "best.yaml", found.config)
    least = "least" if sweep.minimise else "most"
    print(plain(f"the {least} {sweep.figure}, trial {found.trial.number:03d}: {found.command}"))
    print(plain(f"{out} holds table.md, .csv, .tex and best.yaml"))
    if found.on_test:
        warn([
            "this setting was chosen on test images, so its figures on them are too good: choose "
            "on images that are held out by --validation N, and test the best setting then"
        ])  # fmt: skip
