"""Processes share the work of a suite: each task is done once, and all end together."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from jeat.cli import main
from jeat.cli.reproduce import main as reproduce

HERE = Path(__file__).parents[1]
SMOKE = ["reproduce", "tests.toys.recipe:suite", "--smoke", "--seeds", "1"]


def records(out):
    kept, found = (
        ("method", "column", "seed", "value"),
        json.loads((out / "results.json").read_text()),
    )
    timeless = [r for r in found["records"] if r["column"] != "minutes"]
    return [{k: r[k] for k in kept} for r in timeless]


def begin(out):
    words = [sys.executable, "-m", "jeat", *SMOKE, "--workers", "2", "--out", str(out)]
    return subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE / "src"), str(HERE)])},
    )  # fmt: skip


def helpers_of(process):
    try:
        return [p for p in psutil.Process(process.pid).children() if "--helper_of" in p.cmdline()]
    except psutil.Error:
        return []


def wait_for(what, seconds=120):
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return found


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """The folder of a suite that two processes shared."""
    out = tmp_path_factory.mktemp("shared") / "out"
    process = begin(out)
    wait_for(lambda: helpers_of(process))
    said, err = process.communicate(timeout=400)
    assert process.returncode == 0, err
    assert "report.html" in said
    return out


@pytest.mark.slow
def test_two_processes_come_to_the_figures_of_one(shared, tmp_path):
    assert main([*SMOKE, "--out", str(tmp_path / "alone")]) == 0
    assert records(shared) == records(tmp_path / "alone")
    assert not (shared / ".locks").exists()


def test_each_run_was_trained_once(shared):
    logs = [*shared.rglob("log.jsonl")]
    assert len(logs) == 3
    for log in logs:
        seen = [json.loads(line)["iteration"] for line in log.read_text().splitlines()]
        assert seen == sorted(set(seen)), log


def test_a_picture_lies_beside_every_drawing(shared):
    drawn = [*shared.rglob("eq1?.safetensors")]
    assert len(drawn) == 3
    assert all(file.with_suffix(".png").exists() for file in drawn)


@pytest.mark.parametrize(
    "how",
    [
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
    ],
)
def test_no_helper_outlives_the_process_that_began_it(how, tmp_path):
    process = begin(tmp_path / "out")
    try:
        (helper,) = wait_for(lambda: helpers_of(process))
        process.send_signal(how)
        process.communicate(timeout=60)
        assert process.returncode
        wait_for(lambda: not helper.is_running() or helper.status() == psutil.STATUS_ZOMBIE, 60)
    finally:
        process.kill()


@pytest.mark.parametrize(("words", "said"), [("0", "got 0"), ("65", "got 65"), ("x", "whole")])
def test_a_number_of_workers_that_cannot_be_is_refused(words, said, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main([*SMOKE, "--workers", words, "--out", str(tmp_path / "out")])
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_launcher_shares_work_in_its_own_way(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("jeat._support.processes.world", lambda: 2)
    with pytest.raises(SystemExit):
        reproduce([*SMOKE[1:], "--workers", "2", "--out", str(tmp_path / "out")])
    assert "be 1 under a launcher" in capsys.readouterr().err
