"""Several processes train one net: one batch, one log, a buffer each; one that is lost ends all."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import jeat
from jeat.nets.places import checkpoints, newest
from jeat.runs.buffer import load_buffer
from jeat.runs.checkpoints import manifest_of
from jeat.runs.fit import fit
from jeat.runs.rollbacks import rollbacks_of

from .test_run import JEAT_PLAN, command, figures, wait_for_iteration
from .test_shards import HERE, TORCHRUN

# Trains by the plan of the tests; process 1 is killed after so many iterations.
LOSES_ONE = """
import os, signal, sys, time
sys.path.insert(0, sys.argv[1])
from jeat._support import processes as shards
from jeat.cli import _fail
from jeat.runs.fit import fit
from tests.test_recovery import WILD
from tests.test_run import JEAT_PLAN
plan = WILD if sys.argv[2].endswith("wild") else JEAT_PLAN
try:
    for log in fit(plan, sys.argv[2], resume=True):
        if log.iteration == int(sys.argv[3]) and shards.rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)
except OSError as error:
    time.sleep(1)  # the launcher's SIGTERM comes before the last words
    sys.exit(_fail(str(error), 1))
"""
# The net gives NaN once to process 1 when it is evaluated, and once to process 0 under attack.
NAN = """
import sys
sys.path.insert(0, sys.argv[1])
from dataclasses import replace
import jeat.training.evaluation
from jeat._support import processes as shards
from jeat.metrics import NaNLogitsError
from jeat.runs.fit import fit
from tests.test_run import JEAT_PLAN, SHORT

def once(rank, held):
    measure = jeat.training.evaluation.robust_accuracy
    def measured(net, x, y, **how):
        nonlocal rank
        if shards.rank() == rank and (len(y) == jeat.training.evaluation.HELD) == held:
            rank = None
            raise NaNLogitsError("of this process")
        return measure(net, x, y, **how)
    jeat.training.evaluation.robust_accuracy = measured

once(1, False)
once(0, True)
for _ in fit(replace(JEAT_PLAN, optimisation=replace(SHORT, evaluate_every=5)), sys.argv[2]):
    pass
"""
EVEN = [
    "train", "normal", "--net", "convnet-4", "--epochs", "0.4", "--optimizer", "sgd", "--lr", "0.5",
    "--log_every", "1", "--save_every", "2", "--evaluate_images", "30",
]  # fmt: skip


def launch(*words):
    path = os.pathsep.join([str(HERE / "src"), str(HERE)])
    return subprocess.Popen(
        [*TORCHRUN, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def end(process):
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the script of a run that may lose a process."""
    place = tmp_path_factory.mktemp("parallel")
    (place / "loses_one.py").write_text(LOSES_ONE)
    return place


@pytest.fixture(scope="module")
def ended(place):
    """Name -> (folder, exit code, output, errors), of runs of two processes side by side."""
    started = {
        "whole": launch(place / "loses_one.py", HERE, place / "whole", 99),
        "lost": launch(place / "loses_one.py", HERE, place / "lost", 6),
        "even": launch("-m", "--", "jeat", *EVEN, "--out", place / "even"),
    }
    return {name: (place / name, *end(process)) for name, process in started.items()}


@pytest.fixture(scope="module")
def troubled(place):
    """The same of runs that begin alone, diverge, or cannot begin."""
    (place / "nan.py").write_text(NAN)
    for log in fit(JEAT_PLAN, place / "grown"):
        if log.iteration == 8:
            break
    odd = ["--out", place / "odd", "--batch_size", "33"]
    started = {
        "wild": launch(place / "loses_one.py", HERE, place / "wild", 99),
        "grown": launch(place / "loses_one.py", HERE, place / "grown", 99),
        "nan": launch(place / "nan.py", HERE, place / "nan"),
        "odd": launch("-m", "--", "jeat", *EVEN, *odd),
    }
    return {name: (place / name, *end(process)) for name, process in started.items()}


def tensors(out, file="net"):
    return load_file(newest(out) / f"{file}.safetensors")


def test_the_same_batches_move_the_weights_as_in_one_process(ended, tmp_path):
    out, code, said, err = ended["even"]
    assert code == 0, err
    assert said.count("holds the trained net") == 1
    words = [sys.executable, "-m", "jeat", *EVEN, "--out", str(tmp_path / "one")]
    subprocess.run(words, check=True, capture_output=True)
    alone, both = tensors(tmp_path / "one"), tensors(out)
    for name in alone:
        torch.testing.assert_close(both[name], alone[name], rtol=1e-4, atol=1e-6)
    one, two = figures(tmp_path / "one"), figures(out)
    assert [row["iteration"] for row in two] == [row["iteration"] for row in one]
    for a, b in zip(one, two, strict=True):
        assert b == pytest.approx(a, rel=1e-4, abs=1e-6)


def test_each_process_has_its_share_of_the_buffer_and_its_own_random_numbers(ended):
    out, code, _, err = ended["whole"]
    assert code == 0, err
    assert manifest_of(newest(out))["processes"] == 2
    first, second = tensors(out, "process-0"), tensors(out, "process-1")
    assert len(first["objective.buffer.states"]) == len(second["objective.buffer.states"]) == 150
    assert not torch.equal(first["objective.buffer.states"], second["objective.buffer.states"])
    assert not torch.equal(first["random"], second["random"])
    assert torch.equal(
        load_buffer(out).states,
        torch.cat([first["objective.buffer.states"], second["objective.buffer.states"]]),
    )
    log = figures(out)
    assert [row["iteration"] for row in log] == [2, 4, 5, 6, 8, 10, 12, 13]


def test_a_lost_process_ends_the_run_with_one_line_and_it_resumes_exactly(ended):
    out, code, _, err = ended["lost"]
    assert code != 0
    assert err.count("jeat: another process of this run was lost") == 1
    assert "--resume" in err
    assert int(newest(out).name) == 4
    code, _, err = end(launch(out.parent / "loses_one.py", HERE, out, 99))
    assert code == 0, err
    whole = ended["whole"][0]
    assert figures(out) == figures(whole)
    for file in ("model", "process-0", "process-1", "net"):
        ours, theirs = tensors(out, file), tensors(whole, file)
        assert all(torch.equal(ours[k], theirs[k]) for k in theirs), file


def test_one_process_goes_on_where_two_were(ended):
    out = ended["whole"][0]
    states = load_buffer(out).states
    longer = Path(f"{out}-one")
    subprocess.run(["cp", "-r", out, longer], check=True)
    newest(longer).rename(longer / "dropped")  # back to iteration 12, of 13
    before = load_buffer(longer).states
    (log,) = fit(JEAT_PLAN, longer, resume=True)
    assert log.iteration == 13
    after = load_buffer(longer).states
    assert after.shape == states.shape == (300, 1, 8, 8)
    assert int((after != before).flatten(1).any(1).sum()) == 128
    assert manifest_of(newest(longer))["processes"] == 1
    assert jeat.load(longer)(torch.zeros(1, 1, 8, 8)).isfinite().all()


@pytest.mark.slow
def test_two_processes_go_on_where_one_was(troubled):
    out, code, _, err = troubled["grown"]
    assert code == 0, err
    assert [row["iteration"] for row in figures(out)] == [2, 4, 5, 6, 8, 10, 12, 13]
    before, last = (manifest_of(folder) for folder in checkpoints(out))
    assert before["processes"] == last["processes"] == 2
    parts = [tensors(out, f"process-{rank}") for rank in (0, 1)]
    assert [len(part["objective.buffer.states"]) for part in parts] == [150, 150]
    assert not torch.equal(parts[0]["random"], parts[1]["random"])


@pytest.mark.slow
def test_all_go_back_together(troubled):
    out, code, _, err = troubled["wild"]
    assert code == 0, err
    (record,) = rollbacks_of(out)
    assert record.settings["lr"] == pytest.approx(30 * 1e-5)
    assert figures(out)[-1]["iteration"] == 13


@pytest.mark.slow
def test_all_go_back_where_the_net_gives_nan_to_one(troubled):
    out, code, _, err = troubled["nan"]
    assert code == 0, err
    first, second = (record.why for record in rollbacks_of(out))
    assert first == "accuracy under PGD became nan at iteration 4"
    assert second == "test_accuracy became nan at iteration 5"
    assert figures(out)[-1]["iteration"] == 13


@pytest.mark.slow
def test_a_batch_that_cannot_be_shared_is_refused(troubled):
    out, code, _, err = troubled["odd"]
    assert code != 0
    assert err.count("jeat: 2 processes cannot share a batch of 33 evenly: choose a multiple") == 1
    assert not out.exists()


@pytest.mark.slow
def test_sigterm_to_a_launcher_saves_once(tmp_path):
    out = tmp_path / "run"
    words = command(out, "--save_every", "1000", "--epochs", "400")[3:]
    process = launch("-m", "--", "jeat", *words)
    wait_for_iteration(out, process, 10)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    assert process.returncode != 0
    rows = [json.loads(row) for row in (out / "log.jsonl").read_text().splitlines()]
    assert int(newest(out).name) >= rows[-1]["iteration"]
