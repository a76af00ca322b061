"""compare runs: the settings that differ, and what they reached, over seeds

    jeat compare RUN [RUN ...] [--figures NAME ...] [--out TABLE.csv]

A RUN may be a net, too: a checkpoint, or the name of a shipped one. Runs that differ in their seed
only are one column, with mean and sample standard deviation. Figures are those of a run's log, and
FILE.FIGURE of each FILE.json that jeat measure --out wrote into its folder; * stands for any. A
shipped net has those of its card, as card.FIGURE.

TABLE may be .md or .tex, which hold what is printed, or .csv: a line a run, with all digits.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jeat._support.checks import plain
from jeat.cli._flags import short_names
from jeat.cli._parser import Parser

if TYPE_CHECKING:
    from jeat.jobs.comparing import Group

__all__ = ["main"]


def main(words: Sequence[str]) -> int:
    """Print a table, and write it."""
    parser = _parser()
    args = parser.parse(words)
    suffix = "" if args.out is None else "." + args.out.rpartition(".")[2].lower()
    if suffix not in ("", ".csv", ".md", ".tex"):
        parser.error(f"--out must be a .csv, .md or .tex file, got {args.out!r}")
    parser.check_file(args.out, suffix, *args.runs)

    from jeat._support.files import whole_file
    from jeat.jobs.comparing import USUAL, compare, compared
    from jeat.report import in_csv, in_latex, table

    groups = compare([compared(name) for name in args.runs], args.figures or USUAL)
    short = dict(zip(args.runs, _short(args.runs), strict=True))
    shown, notes = _rows(groups, short), [*_notes(groups, short)]
    text = "\n\n".join([table(shown), *filter(None, ["\n".join(notes)])])
    print(text)
    if args.out is not None:
        texts = {
            ".csv": lambda: in_csv(_by_run(groups)),
            ".md": lambda: text,
            ".tex": lambda: in_latex(shown, "; ".join(notes)),
        }
        with whole_file(args.out) as part:
            part.write_text(texts[suffix]() + "\n")
        print(plain(f"{args.out} holds the table"))
    return 0


def _rows(groups: "Sequence[Group]", names: dict[str, str]) -> list[dict[str, str]]:
    """A row a setting that differs, then one a figure; a column a group of runs."""
    settings, figures = _names(groups)
    far = _going_on(groups)
    labels = [*map(_flag, settings), *far, *figures]
    rows: list[dict[str, str]] = [{"": label} for label in labels]
    for group in groups:
        head, reached = _head(group, groups, names), dict.fromkeys(map(_far, group.iterations))
        cells = [
            *(_word(group.settings.get(k, "")) for k in settings),
            *(", ".join(reached) for _ in far),
            *(_figure(group, k) for k in figures),
        ]
        for row, cell in zip(rows, cells, strict=True):
            row[head] = plain(cell)
    return rows


def _head(group: "Group", groups: "Sequence[Group]", names: dict[str, str]) -> str:
    """The name of a group's first run; its seeds where it has several, or others are alike."""
    seeds, first = ", ".join(map(str, group.seeds)), names[group.names[0]]
    if len(group.seeds) > 1:
        return plain(f"{first} (seeds {seeds})")
    return plain(f"{first} (seed {seeds})" if _alike(group, groups) else first)


def _alike(group: "Group", groups: "Sequence[Group]") -> bool:
    """Whether another group has the same settings: they share a seed, or one is no run."""
    return sum(other.settings == group.settings for other in groups) > 1


def _notes(groups: "Sequence[Group]", names: dict[str, str]) -> Iterator[str]:
    """What a reader of the table must know."""
    if any(len(group.names) > 1 for group in groups):
        yield "mean ± sample standard deviation over the seeds that the column names"
    if any(_alike(group, groups) for group in groups):
        yield "columns of the same settings share a seed, or one is no run: they are not averaged"
    cards = [names[name] for group in groups for name in group.names if _has_card(group)]
    if cards:
        yield plain(f"figures of {', '.join(cards)} are those of the card, on more test images")


def _has_card(group: "Group") -> bool:
    return all(at is None for at in group.iterations) and bool(group.cells)


def _going_on(groups: "Sequence[Group]") -> list[str]:
    """A row that says how far each run is, where one is not finished."""
    every = [at for group in groups for at in group.iterations if at is not None]
    return ["iterations"] if any(at != of for at, of in every) else []


def _far(at: tuple[int, int | None] | None) -> str:
    """How far a run is; "" of a net."""
    if at is None:
        return ""
    done, of = at
    return str(done) if of in (done, None) else f"{done} of {of}"


def _names(groups: "Sequence[Group]") -> tuple[list[str], list[str]]:
    """The names of settings and of figures, each once."""
    settings = dict.fromkeys(k for group in groups for k in group.settings)
    return [*settings], list(groups[0].figures)


def _figure(group: "Group", name: str) -> str:
    """A figure of a group, and of how many of its runs where some lack it."""
    if (cell := group.cells.get(name)) is None:
        return ""
    of, have = len(group.names), len(cell.values)
    return str(cell) if have == of else f"{cell} ({have} of {of})"


def _by_run(groups: "Sequence[Group]") -> list[dict[str, object]]:
    """A row a run: its settings that differ, its seed and its figures."""
    settings, figures = _names(groups)
    return [
        {"run": name, "seed": group.seeds[i]}
        | {_flag(k): _word(group.settings.get(k, "")) for k in settings}
        | {k: _far(group.iterations[i]) for k in _going_on(groups)}
        | {k: _digits(group, k, i) for k in figures}
        for group in groups
        for i, name in enumerate(group.names)
    ]


def _digits(group: "Group", name: str, run: int) -> str:
    """All digits of a figure of a run of a group; "" where it lacks it."""
    cell = group.cells.get(name)
    return repr(cell.values[run]) if cell and run in cell.values else ""


def _short(runs: Sequence[str]) -> list[str]:
    """Names of runs without the folders that all of them lie in."""
    names = short_names(runs)
    paths = [run for run in runs if Path(run).exists()]
    if names != runs or len(paths) < 2:
        return names
    above = os.path.commonpath([Path(run).resolve().parent for run in paths])
    names = [os.path.relpath(Path(run).resolve(), above) if run in paths else run for run in runs]
    return names if len(set(names)) == len(names) else [*runs]


def _flag(setting: str) -> str:
    """A setting as the flag of jeat train that gives it: of one name, in every table."""
    return setting.removeprefix("optimisation.")


def _word(value: Any) -> str:
    """A setting in a table; of a run that another begins from, its method."""
    if isinstance(value, dict):
        return str(value.get("method") or value.get("name"))
    return "null" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _parser() -> Parser:
    parser = Parser("jeat compare", __doc__)
    parser.add_argument("runs", type=str, nargs="+", help="run directories, or nets")
    parser.add_argument(
        "--figures", type=str, nargs="+", default=None,
        help="what to show; accuracies on test images, minutes and rollbacks where nothing is said",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=str | None, default=None, help="write the table, as .csv, .md or .tex"
    )
    return parser
