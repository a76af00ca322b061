"""Several processes do the work of one: every part once, in order, with one output."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import hypothesis.strategies as some
import numpy as np
import pytest
import torch
from hypothesis import given
from torch.distributed import TCPStore

from jeat import metrics
from jeat._support import processes as shards
from jeat.cli import main
from jeat.metrics import Subject
from jeat.nets import Spec, build, save_net
from jeat.samplers import Uniform

from .conftest import DIGITS

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
SAMPLE = ["-m", "--", "jeat", "sample"]  # -- as torchrun takes --start for its own --start-method
HERE = Path(__file__).parents[1]

# Run by both processes: metrics on 51, 5 and 1 images, then process 1 fails while process 0 waits.
BOTH = """
import json, sys
from contextlib import nullcontext
from pathlib import Path
import torch
from jeat import cli, metrics
from jeat._support import processes as shards
from jeat.jobs.inputs import subject_of

net, out = sys.argv[1], Path(sys.argv[2])

def ranks(subject):
    images, draw = float(len(subject.y)), float(torch.rand(()))
    return {"rank": float(shards.rank()), "images": images, "draw": draw}

with shards.joined():
    joined, shards.joined = shards.joined, nullcontext
    for n in (51, 5, 1):
        names = ["accuracy", "energies"] + ["fisher_score", "robust_accuracy"] * (n == 51)
        words = ["measure", net, "-n", str(n), "--metrics", *names, "--out", f"{out}/{n}.json"]
        assert cli.main(words) == 0
    subject, _ = subject_of(net, None, 5, 3)
    kinds = {
        "whole": metrics.shared(ranks, subject, seed=3, means=False),
        "mean": metrics.shared(ranks, subject, seed=3, means=True),
        "parts": shards.split(5, lambda part: list(range(5))[part]),
        "few": shards.split(1, lambda part: shards.rank()),
        "seed": shards.seed_of(3),
    }
    (out / f"rank{shards.rank()}.json").write_text(json.dumps(kinds))
    measure = sys.modules["jeat.metrics.accuracy"].measure
    def fails(subject):
        if shards.rank() == 1:
            raise ValueError("the second process fails")
        return measure(subject)
    sys.modules["jeat.metrics.accuracy"].measure = fails
    sys.exit(cli.main(["measure", net, "-n", "9", "--metrics", "accuracy"]))
"""


# Process 1 is killed within a metric, while process 0 waits for its part, or is at work that takes
# any error for one of its own.
LOST = """
import os, signal, sys, time
from jeat import cli
from jeat._support import processes as shards
import jeat.metrics.accuracy

def measure(subject):
    if shards.rank() == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    while sys.argv[2] == "works":
        try:
            time.sleep(0.1)
        except Exception:
            raise ValueError("an image is damaged") from None
    return {"accuracy": 1.0}

sys.modules["jeat.metrics.accuracy"].measure = measure
sys.exit(cli.main(["measure", sys.argv[1], "-n", "9", "--metrics", "accuracy"]))
"""


def launched(*words):
    """A run of two processes, started."""
    path = os.pathsep.join(filter(None, [str(HERE / "src"), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [*TORCHRUN, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the file of an untrained net on digits."""
    folder = tmp_path_factory.mktemp("shards")
    torch.manual_seed(0)
    net = build(Spec("convnet-4", 1, 8, DIGITS.classes))
    about = {"plan": {"data": "digits"}}
    save_net(net, Uniform((1, 8, 8)), folder / "net.safetensors", about=about)
    return folder


def ended(started):
    """Name -> (exit code, standard output, standard error), of runs side by side."""
    said = {name: process.communicate(timeout=120) for name, process in started.items()}
    return {name: (started[name].returncode, *said[name]) for name in said}


@pytest.fixture(scope="module")
def runs(place):
    (place / "both.py").write_text(BOTH)
    net = str(place / "net.safetensors")
    many = ["-n", "500", "--steps", "2", "--class", "3", "3", "--start", "uniform"]
    return ended({
        "both": launched(str(place / "both.py"), net, str(place)),
        "sample": launched(*SAMPLE, net, str(place / "drawn.npz"), *many),
        "works": launched(lost(place), net, "works"),
    })  # fmt: skip


@pytest.fixture(scope="module")
def troubled(place):
    net = str(place / "net.safetensors")
    return ended({
        "wrong": launched(*SAMPLE, net, str(place / "wrong.png"), "--class", "cat"),
        "waits": launched(lost(place), net, "waits"),
        "unknown": launched("-m", "--", "jeat", "train", "gan", "--out", str(place / "gan")),
    })  # fmt: skip


def lost(place):
    """The script that loses a process."""
    (place / "lost.py").write_text(LOST)
    return str(place / "lost.py")


def of(rank, world, patch):
    patch.setenv("RANK", str(rank))
    patch.setenv("WORLD_SIZE", str(world))


@given(n=some.integers(0, 200), world=some.integers(1, 17))
def test_slices_cut_everything_once_in_order_and_evenly(n, world):
    with pytest.MonkeyPatch.context() as patch:
        slices = []
        for rank in range(world):
            of(rank, world, patch)
            slices.append(shards.mine(n))
    assert [i for part in slices for i in range(n)[part]] == list(range(n))
    sizes = [part.stop - part.start for part in slices]
    assert max(sizes) - min(sizes) <= 1


@given(seed=some.integers(0, 2**63 - 1))
def test_one_process_keeps_its_seed_and_does_the_whole(seed):
    assert (shards.world(), shards.rank(), shards.seed_of(seed)) == (1, 0, seed)
    assert shards.split(7, lambda part: list(range(9))[part]) == [list(range(7))]
    assert shards.first_failure()


def test_no_two_streams_of_neighbouring_seeds_and_ranks_are_the_same():
    """Nor their lower 32 bits, of which torch's generator on the CPU takes its state."""
    with pytest.MonkeyPatch.context() as patch:
        seeds = []
        for rank in range(8):
            of(rank, 8, patch)
            seeds += [shards.seed_of(seed) for seed in range(100)]
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert len({seed % 2**32 for seed in [*range(100), *seeds]}) == 900


def test_one_of_the_processes_that_fail_says_why(monkeypatch):
    store = TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    monkeypatch.setenv("MASTER_PORT", str(store.port))
    spoke, deaf = [], []
    monkeypatch.setattr(signal, "signal", lambda *to: deaf.append(to))
    for rank in (2, 0, 1):
        of(rank, 3, monkeypatch)
        spoke.append(shards.first_failure())
    assert spoke == [True, False, False]
    assert deaf == 3 * [(signal.SIGTERM, signal.SIG_IGN)]
    monkeypatch.delenv("MASTER_ADDR")
    assert shards.first_failure()


@pytest.mark.parametrize("name", ["WORLD_SIZE", "RANK"])
def test_what_no_launcher_says_is_refused_in_one_line(name, monkeypatch, capsys):
    of(0, 2, monkeypatch)
    monkeypatch.setenv(name, "many")
    assert main(["list"]) == 1
    assert f"{name} is set by launchers to a whole number, got 'many'" in capsys.readouterr().err


@pytest.mark.parametrize(("rank", "world"), [(5, 2), (2, 2), (0, 0)])
def test_more_processes_than_there_are_is_refused_in_one_line(rank, world, monkeypatch, capsys):
    of(rank, world, monkeypatch)
    assert main(["list"]) == 1
    assert f"RANK is {rank} and WORLD_SIZE {world}: unset both" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "which"),
    [("works", "runs"), pytest.param("waits", "troubled", marks=pytest.mark.slow)],
)
def test_a_lost_process_ends_a_measurement_with_one_line(name, which, request):
    code, _, err = request.getfixturevalue(which)[name]
    assert code != 0
    assert err.count("jeat: another process was lost") == 1
    assert "SIGKILL" in err


@pytest.mark.slow
def test_an_unknown_method_is_said_by_one_process(troubled):
    code, _, err = troubled["unknown"]
    assert code != 0
    assert err.count("jeat: unknown method 'gan'") == 1


@pytest.mark.parametrize(("local", "index"), [(0, 0), (1, 1), (2, 0), (3, 1)])
def test_the_processes_of_a_machine_take_its_accelerators_in_turn(local, index, monkeypatch):
    assert shards.device().type == torch.empty(0).device.type
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    assert shards.device() == torch.device("cuda:0")
    of(local + 4, 8, monkeypatch)
    monkeypatch.setenv("LOCAL_RANK", str(local))
    assert shards.device() == torch.device("cuda", index)


def test_every_metric_that_says_so_is_a_mean_over_images(smooth_net, digits):
    """Cut into 5 and 11 images, its figures average to those of 16; random ones are left out."""
    x, y = digits
    for name in filter(metrics.means_over_images, metrics.names()):
        measure = metrics.find(name)
        whole, a, b = (measure(Subject(smooth_net, x[k], y[k])) for k in np.s_[:, :5, 5:])
        for figure, value in whole.items():
            if figure != "robust_accuracy":
                mean = (5 * a[figure] + 11 * b[figure]) / 16
                assert value == pytest.approx(mean, rel=1e-4, abs=1e-5), figure


def test_counts_stay_whole_in_a_weighted_mean():
    """49 * (1 / 49) is not 1 in floating point; 12 digits of the sum are."""
    mean = metrics._shared._mean
    for n in range(1, 300):
        parts = [(n, {"share": 1 / n}), (7, {"share": 3 / 7})]
        assert mean(parts) == {"share": 4 / (n + 7)}
    assert mean([(2, {"E": -1e-20}), (1, {"E": 4e-20})])["E"] == pytest.approx(2e-20 / 3)
    assert np.isnan(mean([(2, {"E": float("nan")}), (1, {"E": 1.0})])["E"])


def test_two_processes_measure_what_one_measures(runs, place, tmp_path):
    _, out, err = runs["both"]
    for n in (51, 5, 1):
        names = ["accuracy", "energies"] + ["fisher_score"] * (n == 51)
        words = [
            str(place / "net.safetensors"),
            "-n",
            str(n),
            "--metrics",
            *names,
            "--out",
            str(tmp_path / "one.json"),
        ]
        assert main(["measure", *words]) == 0
        one = json.loads((tmp_path / "one.json").read_text())
        two = json.loads((place / f"{n}.json").read_text())
        assert (one["processes"], two["processes"]) == (1, 2)
        assert one["images"] == two["images"] == n
        robust = two["figures"].pop("robust_accuracy", 0.0)
        assert robust * n == pytest.approx(round(robust * n))
        assert two["figures"].keys() == one["figures"].keys()
        assert two["figures"]["accuracy"] == one["figures"]["accuracy"]
        assert two["figures"] == pytest.approx(one["figures"], rel=1e-5, abs=1e-7)
    assert out.count("| accuracy ") == 3
    assert out.count("51 test images of digits, spread evenly, seed 0, 2 processes") == 1
    assert err.count("measuring: 4 of 4") == 1  # of the first process


def test_a_figure_that_is_no_mean_is_measured_whole_as_by_one_process(runs, place):
    assert runs["both"]
    first, second = (json.loads((place / f"rank{k}.json").read_text()) for k in (0, 1))
    torch.manual_seed(3)
    assert first["whole"] == {"rank": 0.0, "images": 5.0, "draw": float(torch.rand(()))}
    assert second["whole"] == {}
    draws = []
    for seed in (first["seed"], second["seed"]):
        torch.manual_seed(seed)
        draws.append(float(torch.rand(())))
    mean = {"rank": 3 / 5, "images": (2 * 2 + 3 * 3) / 5, "draw": (2 * draws[0] + 3 * draws[1]) / 5}
    assert first["mean"] == second["mean"] == pytest.approx(mean)
    assert first["parts"] == second["parts"] == [[0, 1], [2, 3, 4]]
    assert first["few"] == second["few"] == [1]


def test_one_process_that_fails_ends_all_with_one_line(runs):
    code, _, err = runs["both"]
    assert code != 0
    assert "jeat: the second process fails\n" in err
    assert err.count("jeat: ") == 1


def test_two_processes_draw_different_images_into_one_file(runs, place):
    code, out, err = runs["sample"]
    assert code == 0, err
    assert out == f"{place / 'drawn.npz'}: 1000 images, 500 of each class\n"
    assert "jeat" not in err
    drawn = np.load(place / "drawn.npz")["images"]
    assert len(np.unique(drawn.reshape(1000, 64), axis=0)) == 1000


@pytest.mark.slow
def test_a_wrong_class_is_said_once_without_a_traceback_of_jeat(troubled, place):
    code, _, err = troubled["wrong"]
    assert code != 0
    assert err.count("jeat: no class 'cat'") == err.count("jeat: ") == 1
    assert "jeat/cli" not in err
    assert not (place / "wrong.png").exists()


@pytest.mark.parametrize(
    "words", [["attack", "NET"], ["landscape", "NET"], ["curve", "NET"], ["reproduce", "digits"]]
)
def test_other_commands_run_in_one_process(words, monkeypatch, capsys):
    of(1, 2, monkeypatch)
    monkeypatch.setattr(shards, "first_failure", lambda: True)
    assert main(words) == 2
    said = f"jeat: jeat {words[0]} runs in one process: start it without a launcher\n"
    assert capsys.readouterr() == ("", said)
