"""What a GPU needs, held without one: no wait in a step, passes of few sizes, benchmarks."""

import json
import sys
import time
from itertools import islice
from pathlib import Path

import pytest
import torch
from benchmarks import gpu_train
from benchmarks._measure import Row
from benchmarks.gpu import __main__ as gpu
from torch.utils._python_dispatch import TorchDispatchMode

from jeat._support.sealed import seal_of
from jeat.attacks import pgd
from jeat.energy import cross_entropy, energy_of, loss_of
from jeat.nets import Spec, build
from jeat.samplers import langevin, last

RESULTS = Path(__file__).parents[1] / "results"
LOOKS = ("_local_scalar_dense", "nonzero", "aminmax", "equal")


class Looks(TorchDispatchMode):
    """Counts the operations whose outcome the host looks at, for which it waits on a GPU."""

    def __init__(self):
        super().__init__()
        self.n = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.n += function.overloadpacket.__name__ in LOOKS
        return function(*args, **(kwargs or {}))


def looks(run):
    with Looks() as found:
        run()
    return found.n


@pytest.fixture
def subject():
    torch.manual_seed(0)
    net = build(Spec("convnet-8", 1, 8, tuple("0123456789"))).eval()
    return net, torch.rand(32, 1, 8, 8), torch.arange(32) % 10


@pytest.mark.parametrize("loss", ["ce", "energy", lambda f, y: cross_entropy(f, y)])
def test_an_attack_looks_at_labels_and_pixels_once(subject, loss):
    how = {"eps": 0.1, "step_size": 0.02, "loss": loss}
    few, many = (looks(lambda s=s: pgd(*subject, steps=s, **how)) for s in (3, 9))
    assert 0 < few == many
    with_exit = [
        looks(lambda s=s: pgd(*subject, steps=s, early_exit=True, **how | {"eps": 1e-4}))
        for s in (3, 9)
    ]
    assert with_exit[1] - with_exit[0] <= 2 * 6  # how many stay, and which


@pytest.mark.parametrize("labelled", [None, energy_of, loss_of])
def test_a_chain_on_a_gpu_looks_at_every_tenth_state(subject, labelled, monkeypatch):
    net, x, y = subject
    module = sys.modules["jeat.samplers._walk"]
    monkeypatch.setattr(module, "_look_every", lambda device: 10)

    def chain(steps):
        E = energy_of(net) if labelled is None else labelled(net, y)
        return looks(lambda: last(langevin(E, x, steps=steps, step_size=0.1)))

    assert chain(20) - chain(10) == 1
    monkeypatch.undo()
    assert chain(20) - chain(10) == 10


@pytest.mark.parametrize("bounds", [None, (0, 1)])
def test_a_state_that_is_lost_between_two_looks_is_refused_at_the_next(bounds, monkeypatch):
    monkeypatch.setattr(sys.modules["jeat.samplers._walk"], "_look_every", lambda device: 10)
    seen = 0

    class Steep(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.flatten(1).sum(1) * 0

        @staticmethod
        def backward(ctx, g):
            nonlocal seen
            seen += 1
            return torch.full((4, 1, 2, 2), torch.inf if seen == 3 else 0.1)

    x = torch.rand(4, 1, 2, 2)
    states = langevin(Steep.apply, x, steps=20, step_size=0.1, bounds=bounds)
    assert not [*islice(states, 9)][-1].isfinite().any()
    with pytest.raises(ValueError, match="4 of 4 chains"):
        next(states)


def test_labels_that_were_changed_are_looked_at_again(subject):
    net, x, y = subject
    E = energy_of(net, y)
    E(x)
    y[3] = 10
    with pytest.raises(ValueError, match=r"0\.\.9, got 0\.\.10"):
        E(x)


def test_early_exit_on_a_gpu_passes_halves_of_the_batch(subject, monkeypatch):
    net, x, _ = subject
    y = net(x).argmax(1)
    y[:5] = (y[:5] + 1) % 10  # fooled at once
    how = {"eps": 1.0, "steps": 30, "step_size": 0.02, "random_start": False}
    exact = pgd(net, x, y, early_exit=True, **how)
    sizes = []
    net.register_forward_pre_hook(lambda net, args: sizes.append(len(args[0])))
    monkeypatch.setattr(sys.modules["jeat.attacks._early"], "_plans_by_size", lambda device: True)
    halved = pgd(net, x, y, early_exit=True, **how)
    torch.testing.assert_close(halved, exact, rtol=0, atol=1e-6)
    assert set(sizes) <= {32, 16, 8, 4, 2, 1}
    assert len(set(sizes)) > 2
    assert sizes == sorted(sizes, reverse=True)


def test_what_lies_on_a_gpu_is_sealed_as_on_the_cpu():
    class OnGPU(torch.Tensor):
        """A tensor that numpy does not take before it is brought here."""

        def cpu(self):
            return self.as_subclass(torch.Tensor)

        def numpy(self):
            raise TypeError("can't convert cuda:0 device type tensor to numpy")

    t = torch.rand(3, 4)
    assert seal_of({"a": 1}, {"w": t.as_subclass(OnGPU)}) == seal_of({"a": 1}, {"w": t})


def test_gpu_benchmarks_run_on_any_device(tmp_path):
    file = tmp_path / "gpu.json"
    gpu.main(["--smoke", "--minutes", "5", "--out", str(file)])
    record = json.loads(file.read_text())
    assert record["smoke"]
    assert record["images"] == {"train": 20, "test": 20}
    assert {"torch", "adv-lib"} <= record["versions"].keys()
    assert {row["suite"] for row in record["rows"]} == {
        "waits", "hot paths", "peers", "training", "sampling", "AutoAttack", "sweeps", "reference",
    }  # fmt: skip
    notes = [row["note"] for row in record["rows"]]
    assert not [n for n in notes if n.startswith("failed") or "not reached" in n]
    assert all((row["value"] is None) == (row["rounds"] == 0) for row in record["rows"])


def test_the_page_in_the_docs_is_that_of_the_record():
    record = json.loads((RESULTS / "gpu.json").read_text())
    assert (RESULTS / "gpu.md").read_text() == gpu.as_page(record)
    assert not record["smoke"]


def test_what_the_time_does_not_reach_is_said(tmp_path, monkeypatch):
    def endless(bench):
        yield Row("first", "what was reached", 1.0, 1.0, 1.0, 1)
        while True:
            time.sleep(0.01)

    monkeypatch.setattr(gpu, "PARTS", (("one", 1, endless), ("two", 1, endless)))
    file = tmp_path / "gpu.json"
    gpu.main(["--smoke", "--minutes", "0.002", "--out", str(file)])
    rows = json.loads(file.read_text())["rows"]
    assert [row["suite"] for row in rows] == ["first", "one", "first", "two"]
    assert ["not reached" in row["note"] for row in rows] == [False, True, False, True]


def test_a_net_is_trained_and_measured_in_minutes_and_gone_on_with(tmp_path, capsys):
    words = ["--smoke", "--minutes", "5", "--out", str(tmp_path)]
    gpu_train.main(words)
    record = json.loads((tmp_path / "gpu-train.json").read_text())
    assert record["not reached"] == []
    assert record["stages"].keys() == record["figures"].keys() == {"at", "jeat"}
    for figures in record["figures"].values():
        assert {"accuracy", "pgd_20", "judge_kid", "apgd-ce", "jfs"} <= figures.keys()
    assert record["stages"]["at"]["iterations"] == 2
    gpu_train.main(words)
    again = json.loads((tmp_path / "gpu-train.json").read_text())
    assert again["stages"]["at"]["iterations"] == 0
    measured = {k: v for k, v in record["figures"]["at"].items() if "images)" not in k}
    assert again["figures"]["at"] == measured


def test_without_a_gpu_the_benchmarks_say_so(capsys, monkeypatch):
    monkeypatch.setattr("jeat._support.processes.device", lambda: torch.device("cpu"))
    for main in (gpu.main, gpu_train.main):
        with pytest.raises(SystemExit):
            main([])
        assert "there is no GPU here" in capsys.readouterr().err
