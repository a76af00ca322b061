"""Runs beside each other: what differs, and what they reached, is what their folders say."""

import csv
import json
import statistics
from dataclasses import replace
from pathlib import Path

import pytest

from jeat.cli import main
from jeat.jobs.comparing import compare, compared
from jeat.report import in_csv, in_latex, table
from jeat.runs.fit import fit

from .test_run import JEAT_PLAN, figures


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two seeds of a run, each begun from a run of its own, and one at another rate."""
    place, o = tmp_path_factory.mktemp("runs"), replace(JEAT_PLAN.optimisation, epochs=0.3)
    at = replace(JEAT_PLAN, method="at", objective={}, optimisation=o)
    for seed in (0, 1):
        first = replace(at, optimisation=replace(o, seed=seed))
        for name, rate in (("jeat", 1e-3), ("slow", 1e-5)):
            if (name, seed) == ("slow", 1):
                continue
            plan = replace(
                JEAT_PLAN, init=str(place / f"seed{seed}/at"),
                optimisation=replace(o, seed=seed, lr=rate, log_every=seed + 1),
            )  # fmt: skip
            for begun, where in ((first, "at"), (plan, name)):
                for _ in fit(begun, place / f"seed{seed}" / where, resume=True):
                    pass
    return place


def columns(text):
    """The cells of a table of Markdown, by column and row."""
    head, _, *lines = [[c.strip() for c in line.strip("|").split("|")] for line in text]
    return {name: {line[0]: line[i] for line in lines} for i, name in enumerate(head)}


def test_runs_of_other_seeds_are_one_column_and_what_differs_is_shown(runs, capsys):
    names = [str(runs / n) for n in ("seed0/jeat", "seed1/jeat", "seed0/slow", "seed0/at")]
    assert main(["compare", *names]) == 0
    *lines, _, note = capsys.readouterr().out.splitlines()
    assert note.startswith("mean ± sample standard deviation")
    shown = columns(lines)
    assert [*shown] == ["", "seed0/jeat and 1 more", "seed0/slow", "seed0/at"]
    ours, slow, at = (shown[k] for k in [*shown][1:])
    assert (ours["lr"], slow["lr"], at["lr"]) == ("0.001", "1e-05", at["lr"])
    assert (ours["method"], slow["method"], at["method"]) == ("jeat", "jeat", "at")
    assert (ours["init"], at["init"]) == ("at", "null")
    assert not {"seed", "log_every", "net", "data", "buffer_size"} & {*ours}
    reached = [figures(runs / f"seed{s}/jeat")[-1]["test_accuracy"] for s in (0, 1)]
    mean, std = map(float, ours["test_accuracy"].split(" ± "))
    assert mean == pytest.approx(statistics.fmean(reached), abs=6e-4)
    assert std == pytest.approx(statistics.stdev(reached), abs=6e-4)
    one = figures(runs / "seed0/slow")[-1]["test_accuracy"]
    assert float(slow["test_accuracy"]) == pytest.approx(one, abs=6e-4)


def test_a_setting_that_an_earlier_version_did_not_record_is_as_usual(runs, tmp_path):
    old = json.loads((runs / "seed1/jeat/run.json").read_text())
    del (
        old["plan"]["objective"]["norm"],
        old["plan"]["eps_norm"],
        old["plan"]["optimisation"]["step"],
    )
    (tmp_path / "run.json").write_text(json.dumps(old))
    (group,) = compare([compared(str(runs / "seed0/jeat")), compared(str(tmp_path))])
    assert group.seeds == (0, 1)
    assert group.settings == {}


def test_a_table_is_written_in_each_format(runs, tmp_path, capsys):
    names = [str(runs / n) for n in ("seed0/jeat", "seed1/jeat", "seed0/slow")]
    (runs / "seed0/jeat/found.json").write_text(json.dumps({"figures": {"fid": 12.345678}}))
    for suffix in ("csv", "md", "tex"):
        words = ["--figures", "loss", "found.*", "--out", str(tmp_path / f"t.{suffix}")]
        assert main(["compare", *names, *words]) == 0
    (runs / "seed0/jeat/found.json").unlink()
    rows = [*csv.DictReader((tmp_path / "t.csv").open())]
    assert [row["run"] for row in rows] == names
    assert [row["seed"] for row in rows] == ["0", "1", "0"]
    for row in rows:
        assert float(row["loss"]) == figures(Path(row["run"]))[-1]["loss"]
    assert [row["found.fid"] for row in rows] == ["12.345678", "", ""]
    said = capsys.readouterr().out
    assert (tmp_path / "t.md").read_text().strip() in said
    assert columns(said.splitlines()[:5])["seed0/jeat and 1 more"]["found.fid"] == "12.3 (1 of 2)"
    tex = (tmp_path / "t.tex").read_text()
    assert tex.splitlines()[0] == r"\begin{tabular}{lll}"
    assert r"$\pm$" in tex


def test_cells_are_escaped_as_each_format_needs():
    rows = [{"a_b": "50 % | x", "c": "{1,2}"}]
    assert in_latex(rows).splitlines()[2:5:2] == [r"a\_b & c \\", r"50 \% | x & \{1,2\} \\"]
    assert [*csv.reader(in_csv(rows).splitlines())] == [["a_b", "c"], ["50 % | x", "{1,2}"]]
    assert r"50 % \| x" in table(rows)


def test_a_shipped_net_stands_beside_a_run(runs, capsys):
    assert main(["compare", "cifar10-jeat", str(runs / "seed0/jeat")]) == 0
    shown = columns(capsys.readouterr().out.splitlines())
    assert shown["cifar10-jeat"]["net"] == "wrn-16-2-2"
    assert shown["cifar10-jeat"]["test_accuracy"] == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--figures", "fit"], "no run has a figure 'fit': they have"),
        (["seed0/jeat"], "a run is named twice"),
        (["--out", "t.xls"], "--out must be a .csv, .md or .tex file"),
        (["nowhere"], "no net at nowhere"),
    ],
)
def test_what_cannot_be_compared_is_said_in_one_line(words, said, runs, monkeypatch, capsys):
    monkeypatch.chdir(runs)
    try:
        code = main(["compare", "seed0/jeat", *words])
    except SystemExit as left:
        code = left.code
    assert code in (1, 2)
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
