"""Curves of runs are what their logs say, of whole runs and of those that go on."""

import json
import re

import pytest

from jeat.cli import main, plot
from jeat.figures.training_curves import draw
from jeat.runs.log import finished, minutes, rows, total

EPOCHS = 2.0


def write(run, log, epochs=EPOCHS):
    """A folder with a plan of so many epochs, and a log."""
    run.mkdir(exist_ok=True)
    plan = {
        "method": "at", "data": "digits", "net": "convnet-4", "objective": {},
        "optimisation": {"lr": 0.1, "epochs": epochs},
    }  # fmt: skip
    (run / "run.json").write_text(json.dumps({"plan": plan}))
    (run / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in log))
    return run


def row(i, seconds, **figures):
    return {"iteration": i, "epoch": i / 11, "seconds": seconds, **figures}


LOG = [row(2, 3.0, loss=2.0), row(4, 9.0, loss=1.0, test_accuracy=0.5), row(6, 4.0, loss=0.5)]


def test_a_line_is_a_figure_of_a_log(tmp_path):
    write(tmp_path / "a", LOG)
    write(tmp_path / "b", [])
    logs = {name: rows(tmp_path / name) for name in "ab"}
    curves = plot._curves(logs, ["test_*", "lo?s"], "iteration")
    assert curves == {"test_accuracy": {"a": ([4], [0.5])}, "loss": {"a": ([2, 4, 6], [2, 1, 0.5])}}
    where = plot._curves(logs, ["loss"], "minutes")["loss"]["a"][0]
    assert where == pytest.approx([3 / 60, 9 / 60, 13 / 60])  # the clock began anew once
    assert where[-1] == pytest.approx(minutes(tmp_path / "a"))


def test_the_picture_shows_the_lines_it_is_given():
    curves = {"loss": {"a": ([1, 2], [3.0, float("nan")])}, "E": {"b": ([1], [2.0])}}
    picture = draw(curves, along="x")
    first, second = picture.axes
    assert (first.get_title(), second.get_title()) == ("loss", "E")
    assert first.lines[0].get_ydata()[0] == 3.0
    (legend,) = picture.legends
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b"]
    colours = [line.get_color() for line in legend.get_lines()]
    assert colours == [first.lines[0].get_color(), second.lines[0].get_color()]
    with pytest.raises(ValueError, match="one figure or more"):
        draw({}, along="x")


@pytest.mark.parametrize(
    ("suffix", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_it_is_written_in_each_format(suffix, begins, tmp_path, capsys):
    run, out = write(tmp_path / "run", LOG), tmp_path / f"course.{suffix}"
    assert main(["plot", str(run), str(out)]) == 0
    assert out.read_bytes().startswith(begins)
    assert capsys.readouterr().out == f"{out}: run to 6\n"


def test_a_run_is_followed_to_its_end(tmp_path, monkeypatch, capsys):
    run = write(tmp_path / "run", [])
    states = [LOG[:1], LOG[:1], [*LOG, row(22, 9.0, loss=0.1)]]
    monkeypatch.setattr(plot.time, "sleep", lambda _: write(run, states.pop(0)))
    assert main(["plot", str(run), str(tmp_path / "out.png"), "--follow"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [re.search(r"run to (\d+)", line)[1] for line in said] == ["2", "22"]
    assert states == []


def test_a_run_is_finished_by_its_last_iteration():
    assert not finished([], 2)
    assert not finished([row(21, 0)], 2)
    assert finished([row(22, 0)], 2)
    assert finished([{"iteration": 1, "epoch": 1 / 11}], 0.01)


def test_a_log_is_read_up_to_a_line_that_is_cut_short(tmp_path):
    run = write(tmp_path / "run", LOG)
    whole = (run / "log.jsonl").read_bytes()
    for end in (b'{"iteration": 8, "ep', b"\0\0\0", b"\xff", b"8\n", b"[" * 100_000):
        (run / "log.jsonl").write_bytes(whole + end)
        assert rows(run) == LOG
    (run / "log.jsonl").write_bytes(whole[:20] + b"\n" + whole)
    with pytest.raises(ValueError, match=r"log.jsonl is damaged in line 1: .* remove the line"):
        rows(run)


def test_how_many_iterations_a_run_has_is_known_from_any_line():
    assert [total([row(i, 0)], EPOCHS) for i in (1, 7, 22)] == [22, 22, 22]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "out.gif"], "OUT must be a .png, .svg or .pdf file"),
        (["run", "run", "out.png"], "a run is named twice"),
        (["run", "./run/", "out.png"], "a run is named twice, as run and ./run/"),
        (["nowhere", "out.png"], "no run in nowhere: it has no run.json"),
        (["cifar10-jeat", "out.png"], "cifar10-jeat is a shipped net, and no run: name a folder"),
        (["run/run.json", "out.png"], "run/run.json is a file, and no run: name a folder"),
        (["run/checkpoints/8", "out.png"], "run/checkpoints/8 is a checkpoint: name its run, run"),
        (["sweep", "out.png"], "sweep is a sweep: name runs of it, such as sweep/trials/*/*"),
        (["new", "out.png"], "new has no log yet"),
        (["run", "out.png", "--figures", "lsos"], "'lsos': did you mean loss? they logged"),
        (["run/../odd", "out.png"], "name --figures: the runs logged iteration, epoch, seconds"),
        (["run", "out.png", "--figures", "fid"], "no run logged 'fid': they logged iteration"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_one_line(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "run", LOG)
    write(tmp_path / "new", [])
    write(tmp_path / "odd", [row(2, 3.0)])
    (tmp_path / "run/checkpoints/8").mkdir(parents=True)
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep/sweep.json").write_text("{}")
    try:
        code = main(["plot", *words])
    except SystemExit as left:
        code = left.code
    assert code in (1, 2)
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert "--resume" not in err
    assert not (tmp_path / "out.png").exists()
