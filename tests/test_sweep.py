"""A sweep is the runs of jeat train at its settings, each once, wherever it is stopped."""

import csv
import json
import math
import os
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from jeat.cli import main, sweep
from jeat.cli._sweeping import config_of
from jeat.runs.folder import read_plan
from jeat.sweeps import Range, Sweep, best, carried_out, in_order
from jeat.sweeps.study import Ended, ask, locked, opened, tell, trials
from jeat.sweeps.sweep import axis_of

from .test_go_on import asked
from .test_run import assert_same_run, figures

pytest.importorskip("optuna")
HERE = Path(__file__).parents[1]
TINY = ["--net", "convnet-4", "--epochs", "0.3", "--evaluate_images", "50", "--validation", "300"]
TRAIN = ["normal", *TINY, "--save_every", "2", "--log_every", "1"]
OVER = ["--over.lr", "1e-3", "1e-2", "--seeds", "2"]
RUNS = ["000/seed0", "000/seed1", "001/seed0", "001/seed1"]


def plans_of(out):
    """The sweep in a folder, and what makes its plans."""
    record = json.loads((out / "sweep.json").read_text())
    config = config_of(record, out)
    return sweep._sweep(record, config), sweep._plans(record, config)


def begun(out, *words, train=TRAIN):
    """A sweep that is begun, and of which nothing is trained yet."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("jeat.sweeps.carried_out", lambda *_: iter(()))
        patched.setattr(sweep, "_show", lambda *_: None)
        assert main(["sweep", *train, *(words or OVER), "--out", str(out)]) == 0
    return plans_of(out)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "sweep"
    assert main(["sweep", *TRAIN, *OVER, "--out", str(out)]) == 0
    return out


def value(out, run):
    return figures(out / "trials" / run)[-1]["test_accuracy"]


def test_runs_of_a_sweep_are_those_of_jeat_train(whole, tmp_path):
    words = ["train", *TRAIN, "--lr", "1e-2", "--seed", "1", "--out", str(tmp_path / "run")]
    assert main(words) == 0
    assert_same_run(whole / "trials/001/seed1", tmp_path / "run")
    logs = sorted(whole.rglob("log.jsonl"))
    assert [str(log.parent.relative_to(whole / "trials")) for log in logs] == RUNS


def test_the_table_has_means_over_seeds_the_best_first_and_the_best_is_ready_to_train(whole):
    reached = {t: [value(whole, f"{t}/seed{k}") for k in (0, 1)] for t in ("000", "001")}
    order = sorted(reached, key=lambda t: -statistics.fmean(reached[t]))
    *written, blank, note = (whole / "table.md").read_text().splitlines()
    assert (blank, note) == ("", "mean ± sample standard deviation over 2 seeds")
    assert r"\caption{mean $\pm$ sample" in (whole / "table.tex").read_text()
    head, _, *lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in written]
    assert head[:3] == ["trial", "lr", "test_accuracy"]
    assert [line[0] for line in lines] == order
    for line in lines:
        mean, std = map(float, line[2].split(" ± "))
        assert mean == pytest.approx(statistics.fmean(reached[line[0]]), abs=6e-4)
        assert std == pytest.approx(statistics.stdev(reached[line[0]]), abs=6e-4)
    found = [*csv.DictReader((whole / "table.csv").open())]
    assert [float(r["test_accuracy"]) for r in found] == [v for t in order for v in reached[t]]
    best = read_plan(whole / f"trials/{order[0]}/seed0")
    now = asdict(asked(["normal", "--config", str(whole / "best.yaml"), "--out", "x"]))
    assert now.pop("data") == "digits"
    assert best.pop("data") == "digits?validation=300"
    assert json.loads(json.dumps(now)) == best


@pytest.mark.parametrize("steps", [pytest.param(k, marks=pytest.mark.slow) for k in (2, 5)])
def test_a_sweep_that_is_killed_goes_on_by_its_folder_alone_with_what_is_left(
    whole, tmp_path, steps
):
    """Killed in its first run, or its second: a generator that is left saves nothing."""
    out = tmp_path / "sweep"
    kind, plans = begun(out)
    going = carried_out(kind, out, plans)
    for _ in range(steps):
        next(going)
    going.close()
    before = {f: f.stat().st_mtime_ns for f in out.rglob("log.jsonl")} if steps > 3 else {}
    first = out / "trials/000/seed0/log.jsonl"
    assert main(["sweep", "--resume", "--out", str(out)]) == 0
    for run in RUNS:
        assert_same_run(whole / "trials" / run, out / "trials" / run)
    if before:
        assert first.stat().st_mtime_ns == before[first]  # it was finished
    assert (out / "best.yaml").read_text() == (whole / "best.yaml").read_text()


def test_the_same_command_again_trains_nothing_and_says_the_same(whole, capsys, monkeypatch):
    monkeypatch.setattr("jeat.sweeps.work.fit", None)  # nobody calls it
    assert main(["sweep", *TRAIN, *OVER, "--out", str(whole)]) == 0
    assert (whole / "table.md").read_text() in capsys.readouterr().out


def without_minutes(file, mark):
    """The cells of a table but for the time that the runs took."""
    rows = [[c.strip() for c in line.split(mark)] for line in file.read_text().splitlines()]
    (at,) = {row.index("minutes") for row in rows if "minutes" in row}
    return [[cell for i, cell in enumerate(row) if i != at or len(row) < 3] for row in rows]


@pytest.mark.slow
def test_a_grid_that_is_given_further_seeds_is_one_begun_with_them(whole, tmp_path, monkeypatch):
    out, to_out = tmp_path / "sweep", ["--out", str(tmp_path / "sweep")]
    assert main(["sweep", *TRAIN, *OVER, "--seeds", "1", *to_out]) == 0
    fewer, plans = plans_of(out)
    before = {f: f.stat().st_mtime_ns for f in out.glob("trials/*/seed0/**/*") if f.is_file()}
    assert main(["sweep", "--resume", "--seeds", "2", *to_out]) == 0
    assert {f: f.stat().st_mtime_ns for f in before} == before  # kept as they were
    for run in RUNS:
        assert_same_run(whole / "trials" / run, out / "trials" / run)
        assert read_plan(whole / "trials" / run) == read_plan(out / "trials" / run)
    for name in ("best.yaml", "sweep.json"):
        assert (out / name).read_text() == (whole / name).read_text()
    for name, mark in {"table.md": "|", "table.csv": ",", "table.tex": "&"}.items():
        assert without_minutes(out / name, mark) == without_minutes(whole / name, mark)
    monkeypatch.setattr("jeat.sweeps.work.fit", None)  # nobody calls it
    (last,) = carried_out(fewer, out, plans)  # of a process that knows of no further seeds
    assert (last.done, last.total) == (2, 2)


def test_a_trial_that_ended_or_failed_takes_further_seeds_and_forgets_none(tmp_path):
    two, three = (Sweep({"lr": ("1", "2")}, seeds=n) for n in (2, 3))
    ends = [Ended(0.1), Ended(0.2)], [Ended(0.3), Ended(why="diverged")]
    study = opened(tmp_path, two)
    with locked(tmp_path):
        for ended in ends:
            trial = ask(study, two)
            for k in (0, 1):
                tell(study, two, trial, k, ended[k])
    study = opened(tmp_path, three)
    with locked(tmp_path):
        assert ask(study, three) is None
        for trial, kept in zip(trials(study, three), ends, strict=True):
            assert trial.ended == dict(enumerate(kept))
            tell(study, three, trial, 2, Ended(0.5))
        now = [trial.ended for trial in trials(study, three)]
        assert now == [dict(enumerate([*kept, Ended(0.5)])) for kept in ends]
        former = [trial.ended for trial in trials(study, two)]
        assert former == [dict(enumerate(kept)) for kept in ends]


@pytest.mark.parametrize(
    ("search", "seeds", "said"),
    [
        ([], "1", "has 2 seeds of each setting, which are kept: give --seeds 2 or more, or name"),
        (["--search", "3"], "1", "other settings: seeds 2, now 1: name another folder"),
        (["--search", "3"], "3", "other settings: seeds 2, now 3: name another folder"),
    ],
)
def test_seeds_are_taken_from_no_sweep_and_added_to_no_search(
    search, seeds, said, tmp_path, capsys
):
    out = tmp_path / "sweep"
    begun(out, *OVER, *search)
    before = (out / "sweep.json").read_text()
    capsys.readouterr()
    assert main(["sweep", "--resume", "--seeds", seeds, "--out", str(out)]) != 0
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert (out / "sweep.json").read_text() == before


def test_two_processes_on_one_folder_do_no_run_twice(tmp_path):
    out = tmp_path / "sweep"
    kind, plans = begun(out, "--seeds", "2")
    two = [carried_out(kind, out, plans), carried_out(kind, out, plans)]
    notes = [set(), set()]
    while two != [None, None]:
        for i, going in enumerate(two):
            if going is not None and (progress := next(going, None)) is not None:
                notes[i].add(progress.note.partition(":")[0])
            else:
                two[i] = None
    mine, theirs = ({n for n in seen if n.startswith("trial")} for seen in notes)
    assert len(mine) == len(theirs) == 1
    assert mine != theirs
    for run in RUNS[:2]:
        seen = [row["iteration"] for row in figures(out / "trials" / run)]
        assert seen == [1, 2]


def test_a_trial_that_diverges_has_failed_with_its_reason_and_the_others_are_done(tmp_path, capsys):
    out = tmp_path / "sweep"
    words = ["--over.lr", "1e8", "1e-2", "--recovery.tries", "0", "--out", str(out)]
    assert main(["sweep", *TRAIN, *words]) == 0
    said = capsys.readouterr().out
    rows = [line for line in said.splitlines() if line.startswith("| 00")]
    assert [row[2:5] for row in rows] == ["001", "000"]
    assert "1 of 1: " in rows[1]
    assert "at iteration" in rows[1]
    assert "--lr 0.01" in said.splitlines()[-2]
    states = [t.state.name for t in opened(out, plans_of(out)[0]).get_trials()]
    assert states == ["FAIL", "COMPLETE"]


@pytest.mark.slow
def test_who_chooses_on_test_images_is_told_so(whole, tmp_path, capsys):
    words = [w for w in TRAIN if w not in ("--validation", "300")]
    assert main(["sweep", *words, "--over.lr", "1e-3", "--out", str(tmp_path / "a")]) == 0
    assert "was chosen on test images" in capsys.readouterr().err
    kind, _ = plans_of(whole)
    assert not best(kind, whole, in_order(kind, whole)).on_test


# Search


SEARCH = Sweep(
    {"lr": Range(1e-5, 1e-1, log=True), "steps": Range(2, 9, log=False, whole=True)},
    search=20, minimise=True,
)  # fmt: skip


def searched(out, *, reopened, until=20):
    """Settings that a search finds where the loss is (log10 lr + 3)^2, told at once."""
    study = opened(out, SEARCH)
    for i in range(until):
        if reopened and i % 3 == 0:
            study = opened(out, SEARCH)
        with locked(out):
            if (trial := ask(study, SEARCH)) is None:
                break
            loss = (math.log10(float(trial.settings["lr"])) + 3) ** 2
            tell(study, SEARCH, trial, 0, Ended(loss))
    with locked(out):
        return [t.settings for t in trials(study, SEARCH)]


@pytest.mark.slow
def test_a_search_finds_what_it_would_have_found_without_a_stop_and_nears_the_least(tmp_path):
    found = searched(tmp_path / "a", reopened=False)
    searched(tmp_path / "b", reopened=False, until=7)
    assert searched(tmp_path / "b", reopened=True) == found
    assert len(found) == 20
    assert len({json.dumps(settings) for settings in found}) == 20
    rates = [float(settings["lr"]) for settings in found]
    assert all(1e-5 <= rate <= 1e-1 for rate in rates)
    assert sum(rate < 1e-3 for rate in rates[:10]) >= 2  # logarithms are drawn evenly at first
    assert {settings["steps"] for settings in found} <= set("23456789")
    late = [abs(math.log10(rate) + 3) for rate in rates[10:]]
    assert statistics.fmean(late) < statistics.fmean(abs(math.log10(r) + 3) for r in rates[:10])


def test_trials_that_are_asked_for_at_one_time_differ_and_lie_in_their_ranges(tmp_path):
    study = opened(tmp_path / "a", SEARCH)
    with locked(tmp_path / "a"):
        found = [ask(study, SEARCH).settings for _ in range(5)]
    assert len({settings["lr"] for settings in found}) == 5
    assert all(1e-5 <= float(settings["lr"]) <= 1e-1 for settings in found)
    assert {settings["steps"] for settings in found} <= set("23456789")


def test_a_setting_that_a_search_finds_again_is_not_trained_again(tmp_path):
    out, kind = tmp_path / "a", Sweep({"lr": ("1", "2")}, search=4)
    study = opened(out, kind)
    with locked(out):
        found = [ask(study, kind) for _ in range(4)]
    first = {}
    for trial in found:
        assert trial.at == first.setdefault(trial.settings["lr"], trial.number)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "needs values"),
        (["1", "1"], "a value twice"),
        (["1e-5..1e-3"], "say log or linear"),
        (["1e-3..1e-5", "log"], "must rise"),
        (["0..1", "log"], "begin above 0"),
    ],
)
def test_values_and_ranges_that_mean_nothing_are_refused(words, said):
    with pytest.raises(ValueError, match=said):
        axis_of("lr", words, whole=False)
    assert axis_of("data", ["../a", "../b"], whole=False) == ("../a", "../b")
    with pytest.raises(ValueError, match="of whole numbers"):
        axis_of("batch_size", ["0.5..2", "linear"], whole=True)


# What a sweep takes from elsewhere


def test_a_sweep_takes_settings_of_a_file_as_they_were(tmp_path):
    file, out = tmp_path / "any.yaml", tmp_path / "sweep"
    file.write_text("weight_decay: 0.01\nseed: 7\n")
    _, plans = begun(out, "--config", str(file), "--over.step", "plain", "sharpness_aware")
    file.unlink()
    assert plans({"step": "sharpness_aware"}, 0).optimisation.step == "sharpness_aware"
    made = plans({"step": "plain"}, 3).optimisation
    assert (made.step, made.weight_decay, made.seed) == ("plain", 0.01, 10)


def test_a_sweep_takes_settings_of_a_run_as_they_were(whole, tmp_path):
    run, out = tmp_path / "run", tmp_path / "sweep"
    run.mkdir()
    (run / "run.json").write_text((whole / "trials/001/seed1/run.json").read_text())
    _, plans = begun(out, "--config", str(run), "--over.lr", "1e-3", train=["normal"])
    (run / "run.json").unlink()
    made = plans({"lr": "1e-3"}, 1)
    assert (made.optimisation.seed, made.optimisation.lr) == (2, 1e-3)
    assert made.data == "digits?validation=300"


# Processes


def begin(out, *more):
    words = [sys.executable, "-m", "jeat", "sweep", *TRAIN, *OVER, "--out", str(out), *more]
    return subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE / "src"), str(HERE)])},
    )  # fmt: skip


@pytest.mark.slow
def test_workers_and_a_second_terminal_share_a_sweep_that_was_killed(whole, tmp_path):
    out = tmp_path / "sweep"
    first = begin(out, "--workers", "2")
    end = time.monotonic() + 300
    while not [*out.rglob("log.jsonl")]:
        assert time.monotonic() < end
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    two = [begin(out, "--workers", "2"), begin(out)]
    for process in two:
        said, err = process.communicate(timeout=600)
        assert process.returncode == 0, err
        assert "best.yaml" in said
    for run in RUNS:
        assert_same_run(whole / "trials" / run, out / "trials" / run)
