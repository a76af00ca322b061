"""What is seen of a command while it works: a bar, or in a file a line a minute."""

import os
import pty
import re
import shutil
import subprocess
import sys
import time
from functools import partial

import pytest
import torch

from jeat.cli import _show, main
from jeat.cli.attack import _each_pass, _tell

LINE = r"{}: \d+ of \d+(, [\d.,]+ an? (second|minute|hour)(, [\d.]+ (s|min|h) left)?)?(: .*)?"


@pytest.fixture
def soon(monkeypatch):
    monkeypatch.setattr(_show, "SOON", 0.05)
    monkeypatch.setattr(_show, "EVERY", 0.15)


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    out = str(tmp_path_factory.mktemp("progress") / "net")
    assert main(["train", "normal", "--out", out, "--net", "convnet-4", "--epochs", "0.3"]) == 0
    return out


def test_a_line_soon_then_one_an_interval_and_one_at_the_end(soon, capsys):
    with _show.bar() as show:
        for i in range(1, 11):
            show("at", i, 10, f"loss {i}")
            time.sleep(0.05)
    lines = capsys.readouterr().err.splitlines()
    assert 3 <= len(lines) <= 6
    assert all(re.fullmatch(LINE.format("at"), line) for line in lines)
    assert re.fullmatch(r"at: [12] of 10.*: loss [12]", lines[0])
    assert re.fullmatch(r"at: 10 of 10, \d+(\.\d+)? a second: loss 10", lines[-1])


def test_a_step_that_takes_long_is_told_of_meanwhile(soon, capsys):
    with _show.bar() as show:
        show("measuring", 0, 2, "auto_attack")
        time.sleep(0.5)
    assert capsys.readouterr().err.splitlines()[:2] == 2 * ["measuring: 0 of 2: auto_attack"]


def test_rate_and_time_left_are_those_of_what_was_done_here(monkeypatch, capsys):
    """From iteration 100, where a run went on: 100 in 50 s are 2 a second, 400 left are 200 s."""
    now = iter([1000.0, 1050.0])
    monkeypatch.setattr(_show.time, "monotonic", lambda: next(now))
    stage = _show._Stage("jem", 100)
    stage.move(200, 600, "loss 0.25")
    stage.say()
    assert capsys.readouterr().err == "jem: 200 of 600, 2 a second, 3 min left: loss 0.25\n"


@pytest.mark.parametrize(
    ("made", "seconds", "said"),
    [(1, 7200, "0.5 an hour, 2.0 h left"), (1, 40, "1.5 a minute, 40 s left")],
)
def test_units_are_those_that_a_reader_wants(monkeypatch, capsys, made, seconds, said):
    now = iter([0.0, float(seconds)])
    monkeypatch.setattr(_show.time, "monotonic", lambda: next(now))
    stage = _show._Stage("draw", 0)
    stage.move(made, 2, "")
    stage.say()
    assert capsys.readouterr().err == f"draw: 1 of 2, {said}\n"


def test_a_run_that_went_back_counts_from_there(monkeypatch, capsys):
    now = iter([0.0, 100.0, 110.0])
    monkeypatch.setattr(_show.time, "monotonic", lambda: next(now))
    stage = _show._Stage("jeat", 1)
    stage.move(300, 400, "")
    stage.move(200, 400, "")
    stage.move(220, 400, "")
    stage.say()
    assert capsys.readouterr().err == "jeat: 220 of 400, 2 a second, 2 min left\n"


def test_what_failed_at_once_is_told_of_by_its_reason_alone(capsys):
    def work():
        with _show.bar() as show:
            show("at", 1, 10)
            raise KeyError

    with pytest.raises(KeyError):
        work()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("line", "stages"),
    [
        ("train at --out new --net convnet-4 --epochs 1", ["at"]),
        ("sample NET new.png -n 2 --steps 5", ["drawing"]),
        ("measure NET -n 20 --metrics accuracy", ["measuring"]),
        ("attack NET -n 20 --steps 2", ["attacking", "masked gradients"]),
        ("landscape NET new.png --points 3", ["planes"]),
    ],
)
def test_every_command_that_takes_long_says_how_far_it_is(
    line, stages, net, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_show, "SOON", 1000.0)
    capsys.readouterr()
    assert main(line.replace("NET", net).split()) == 0
    lines = [s for s in capsys.readouterr().err.splitlines() if not s.startswith("jeat: warning")]
    assert [s.partition(":")[0] for s in lines] == stages
    for said, stage in zip(lines, stages, strict=True):
        assert re.fullmatch(LINE.format(stage), said)
        done, total = re.findall(r"\d+", said.partition(": ")[2])[:2]
        assert done == total


@pytest.mark.parametrize(
    ("line", "stage", "steps", "total"),
    [
        ("sample NET new.gif --class 3 -n 2 --steps 4", "drawing", 4, 2),
        ("sample NET new.png --from test:3 --super 2 --steps 3", "drawing", 3, 1),
        ("landscape NET new.png --points 23", "planes", 2, 529),
        ("landscape NET second new.png --points 23", "planes", 4, 1058),
        ("measure NET -n 101 --metrics fisher_score", "Fisher scores", 4, 202),
    ],
)
def test_a_stage_grows_while_it_is_worked_on(line, stage, steps, total, net, tmp_path, monkeypatch):
    """So that a line a minute, and a bar, can say when it will be done."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(net, "second")
    moves, move = [], _show._Stage.move

    def heard(self, done, total, note):
        moves.append((self.name, done, total))
        move(self, done, total, note)

    monkeypatch.setattr(_show._Stage, "move", heard)
    assert main(line.replace("NET", net).split()) == 0
    done = [n for name, n, of in moves if name == stage and of == total]
    assert done == sorted(done)
    assert len(done) == steps
    assert done[-1] == total


def test_an_attack_is_told_of_at_each_step():
    net, told = torch.nn.Flatten(), []
    with _each_pass(net, partial(_tell, lambda *said: told.append(said), 500, 100, 4, 1000)):
        for _ in range(5):  # the last looks what came of it
            net(torch.zeros(1, 2))
    net(torch.zeros(1, 2))
    assert told == [("attacking", 500 + done, 1000) for done in (25, 50, 75, 100, 100)]


def test_a_terminal_sees_a_bar():
    code = "from jeat.cli._show import bar\nwith bar() as show: show('at', 3, 10, 'loss 1')"
    ours, theirs = pty.openpty()
    env = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    subprocess.run([sys.executable, "-c", code], stderr=theirs, env=env, check=True)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert "\u2501" in shown
    assert "3/10" in shown
