"""Runs beside each other: what differs, and what they reached, is what their folders say."""

import csv
import json
import shutil
import statistics
from dataclasses import replace
from pathlib import Path

import pytest

from jeat import shipped
from jeat._support.checks import DoubtWarning
from jeat.cli import main
from jeat.cli._flags import short_names
from jeat.cli.compare import _short
from jeat.jobs.comparing import compare, compared
from jeat.nets import digest, load
from jeat.nets.places import place_of
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
    """The cells of a table of Markdown, by column and row; lines beneath it are left out."""
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in text if line[:1] == "|"]
    head, _, *lines = cells
    return {name: {line[0]: line[i] for line in lines} for i, name in enumerate(head)}


def test_runs_of_other_seeds_are_one_column_and_what_differs_is_shown(runs, capsys):
    names = [str(runs / n) for n in ("seed0/jeat", "seed1/jeat", "seed0/slow", "seed0/at")]
    assert main(["compare", *names]) == 0
    *lines, _, note = capsys.readouterr().out.splitlines()
    assert note.startswith("mean ± sample standard deviation over the seeds")
    shown = columns(lines)
    assert [*shown] == ["", "seed0/jeat (seeds 0, 1)", "seed0/slow", "seed0/at"]
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
    found = measured(runs / "seed0/jeat", fid=12.345678)
    (runs / "seed0/jeat/found.json").write_text(json.dumps(found))
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
    assert (written := (tmp_path / "t.md").read_text()) in said
    assert written.splitlines()[-1].startswith("mean ± sample standard deviation over the seeds")
    assert columns(said.splitlines()[:5])["seed0/jeat (seeds 0, 1)"]["found.fid"] == "12.3 (1 of 2)"
    tex = (tmp_path / "t.tex").read_text().splitlines()
    assert r"\begin{tabular}{lll}" in tex
    assert tex[0] == r"\begin{table}"
    assert tex[2].startswith(r"\caption{mean $\pm$ sample standard deviation over the seeds")


def measured(run, *, n=20, seed=0, settings=None, **figures):
    """What jeat measure writes of a run."""
    return {
        "inputs": {"net_sha256": digest(str(run))}, "images": n, "seed": seed, "data": "digits",
        "settings": settings or {}, "figures": figures,
    }  # fmt: skip


@pytest.fixture
def rows_of(runs):
    """Rows of m.* over two seeds of a run, measured by these flags, a dictionary for each seed."""
    places = [runs / f"seed{k}/jeat" for k in (0, 1)]

    def found(*ways):
        for place, way in zip(places, ways, strict=True):
            (place / "m.json").write_text(json.dumps(measured(place, **way)))
        (group,) = compare([compared(str(place)) for place in places], ["m.*"])
        return {k: [*cell.values] for k, cell in group.cells.items()}

    yield found
    for place in places:
        (place / "m.json").unlink()


def test_a_mean_is_of_what_was_measured_in_one_way_and_other_ways_say_in_what_they_differ(rows_of):
    def at(eps):
        return {"robust_accuracy": {"eps": eps}, "accuracy": {}}

    one = {"robust_accuracy": 0.1, "accuracy": 0.2}
    assert rows_of(one, one) == {"m.robust_accuracy": [0, 1], "m.accuracy": [0, 1]}
    assert rows_of({**one, "settings": at(0.1)}, {**one, "settings": at(0.3)}) == {
        "m.robust_accuracy (eps 0.1)": [0], "m.robust_accuracy (eps 0.3)": [1],
        "m.accuracy": [0, 1],
    }  # fmt: skip
    usual = {"robust_accuracy": {}, "accuracy": {}}  # 8/255, which need not be said
    assert len(rows_of({**one, "settings": at(8 / 255)}, {**one, "settings": usual})) == 2
    close = [{**one, "settings": at(eps)} for eps in (0.1, 0.1000001)]
    assert "m.robust_accuracy (eps 0.1000001)" in rows_of(*close)
    assert [*rows_of({"fid": 1.0}, {"fid": 1.0, "n": 30})] == ["m.fid (n 20)", "m.fid (n 30)"]
    both = {"m.fid (seed 1)": [0], "m.fid (seed 0)": [1]}
    assert rows_of({"fid": 1.0, "seed": 1}, {"fid": 1.0, "seed": 0}) == both
    assert rows_of({"fid": 1.0, "seed": 0}, {"fid": 1.0, "seed": 1}) == {"m.fid": [0, 1]}


def test_measurements_are_those_of_the_weights_that_are_there(runs, tmp_path):
    run, other = tmp_path / "run", runs / "seed1/jeat"
    shutil.copytree(runs / "seed0/jeat", run)
    each = [measured(other, fid=1.0), measured(run, fid=2.0)]
    for name, found in (("list", each), ("own", each[1]), ("tracked", {"name": "x"})):
        (run / f"{name}.json").write_text(json.dumps(found))
    assert {k: v for k, v in compared(str(run)).figures.items() if "fid" in k} == {
        "list.fid": 2.0, "own.fid": 2.0,
    }  # fmt: skip
    shutil.rmtree(run / "checkpoints")  # nothing then says that they are of others
    with pytest.warns(DoubtWarning, match="list.json is not of"):
        assert compared(str(run)).figures["own.fid"] == 2.0
    shutil.copytree(runs / "seed0/jeat/checkpoints", run / "checkpoints")
    (run / "own.json").write_text(json.dumps(each[0]))
    (run / "list.json").write_text(json.dumps(each[:1] * 2))
    (run / "torn.json").write_text("{")
    with pytest.warns(DoubtWarning) as said:
        assert not [k for k in compared(str(run)).figures if "fid" in k]
    lines = [str(w.message) for w in said]
    assert [Path(line.split()[0]).name for line in lines] == ["list.json", "own.json", "torn.json"]
    assert "is not of the weights that" in lines[1]
    assert all(line.endswith(f"is left out: measure {run} anew") for line in lines)


def test_runs_of_one_seed_are_no_spread(runs, tmp_path, capsys):
    shutil.copytree(runs / "seed0/jeat", tmp_path / "twin")
    names = [runs / "seed0/jeat", tmp_path / "twin", runs / "seed1/jeat"]
    groups = compare([compared(str(name)) for name in names])
    assert [group.seeds for group in groups] == [(0, 1), (0,)]
    assert main(["compare", str(names[0]), str(names[1])]) == 0
    *lines, _, note = capsys.readouterr().out.splitlines()
    assert all(head.endswith(" (seed 0)") for head in [*columns(lines)][1:])
    assert "share a seed" in note
    assert "±" not in "".join(lines)


def test_a_run_is_called_by_its_folder_in_whatever_words(runs, monkeypatch):
    monkeypatch.chdir(runs / "seed0/jeat")
    newest = "checkpoints/00000003"
    assert short_names([".", "../slow/", "cifar10-jeat"]) == ["jeat", "slow", "cifar10-jeat"]
    assert _short(["../jeat", "../../seed1/jeat"]) == ["seed0/jeat", "seed1/jeat"]
    assert len({place_of(name) for name in (".", "../jeat/", newest, f"./{newest}")}) == 1
    assert place_of("cifar10-jeat") == place_of(str(shipped()["cifar10-jeat"]))
    assert place_of("owner/name@0") == "owner/name@0"


def test_a_setting_has_one_name_in_every_table(runs, tmp_path, capsys):
    """Of several that end in eps, each table may have another one."""
    names = {}
    for group, value in (("plan", 0.3), ("objective", 0.2)):
        shutil.copytree(runs / "seed0/jeat", tmp_path / group)
        record = json.loads((tmp_path / group / "run.json").read_text())
        (record["plan"] if group == "plan" else record["plan"][group])["eps"] = value
        (tmp_path / group / "run.json").write_text(json.dumps(record))
        assert main(["compare", str(runs / "seed0/jeat"), str(tmp_path / group)]) == 0
        names[group] = next(iter(columns(capsys.readouterr().out.splitlines())[group]))
    assert names == {"plan": "eps", "objective": "objective.eps"}


def test_a_run_that_is_not_finished_says_how_far_it_is(runs, tmp_path, capsys):
    shutil.copytree(runs / "seed0/jeat", tmp_path / "cut")
    log = (tmp_path / "cut/log.jsonl").read_text().splitlines()
    (tmp_path / "cut/log.jsonl").write_text("\n".join([*log[:2], log[2][:40]]))
    assert main(["compare", str(runs / "seed1/jeat"), str(tmp_path / "cut")]) == 0
    _, shown = columns(capsys.readouterr().out.splitlines()).values()
    assert shown["iterations"] == "3, 2 of 3"
    assert main(["compare", str(runs / "seed1/jeat"), str(runs / "seed0/jeat")]) == 0
    assert "iterations" not in capsys.readouterr().out


def test_cells_are_escaped_as_each_format_needs():
    rows = [{"a_b": "50 % | x", "c": "{1,2}"}]
    assert in_latex(rows).splitlines()[2:5:2] == [r"a\_b & c \\", r"50 \% | x & \{1,2\} \\"]
    assert [*csv.reader(in_csv(rows).splitlines())] == [["a_b", "c"], ["50 % | x", "{1,2}"]]
    assert r"50 % \| x" in table(rows)


def test_a_shipped_net_stands_beside_a_run(runs, capsys):
    assert main(["compare", "cifar10-jeat", str(runs / "seed0/jeat")]) == 0
    shown = columns(capsys.readouterr().out.splitlines())
    assert shown["cifar10-jeat"]["net"] == "wrn-16-2-2"
    assert [shown["cifar10-jeat"][k] for k in ("test_accuracy", "minutes")] == ["0.662", ""]
    (group,) = compare([compared("cifar10-jeat")], ["test_*", "card.pgd_20"])
    figures = {k: cell.mean for k, cell in group.cells.items()}
    assert figures == {
        "test_accuracy": 0.6619, "test_robust_accuracy": 0.3967, "card.pgd_20": 0.3967
    }  # fmt: skip
    plan = load("cifar10-jeat").about["plan"]  # so evaluations of it attack as its card does
    card = shipped()["cifar10-jeat"].with_suffix(".md").read_text()
    assert plan["eps"] == 8 / 255
    assert "jeat measure cifar10-jeat --metrics robust_accuracy --number 10000\n" in card


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--figures", "fit"], "no run has a figure 'fit': they have"),
        (["--figures", "minuets"], "a figure 'minuets': did you mean minutes? they have"),
        (["seed0/jeat"], "a run is named twice"),
        (["seed0/jeat/"], "a run is named twice, as seed0/jeat and seed0/jeat/"),
        (["./seed1/../seed0/jeat"], "a run is named twice"),
        (["seed0/jeat/checkpoints/00000003"], "a run is named twice"),
        (["sweep"], "sweep is a sweep: name runs of it, such as sweep/trials/*/*"),
        (["--out", "t.xls"], "--out must be a .csv, .md or .tex file"),
        (["nowhere"], "no net at nowhere"),
    ],
)
def test_what_cannot_be_compared_is_said_in_one_line(words, said, runs, monkeypatch, capsys):
    monkeypatch.chdir(runs)
    (runs / "sweep").mkdir(exist_ok=True)
    (runs / "sweep/sweep.json").write_text("{}")
    try:
        code = main(["compare", "seed0/jeat", *words])
    except SystemExit as left:
        code = left.code
    assert code in (1, 2)
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
