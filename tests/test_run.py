"""A run can be killed at any moment and goes on as if it had not been."""

import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

import jeat
from jeat._support.sealed import load_sealed, save_sealed
from jeat._support.stop import stop_asked
from jeat.nets import Spec, build
from jeat.nets.places import newest
from jeat.objectives import make
from jeat.runs.buffer import load_buffer
from jeat.runs.checkpoints import write_manifest
from jeat.runs.fit import fit
from jeat.runs.folder import read_plan
from jeat.runs.save import save as _save
from jeat.samplers import Uniform
from jeat.training.begin import _rehearse
from jeat.training.iteration import State, prepare
from jeat.training.plan import Optimisation, Plan, Recovery

from .conftest import DIGITS

SHORT = Optimisation(
    epochs=1.2, batch_size=128, log_every=2, save_every=4, ema=0.9, warmup=3, pad=1, flip=True,
    evaluate_every=5, evaluate_images=20,
)  # fmt: skip
CHAIN = {"steps": 2, "buffer_size": 300, "rho": 0.2}
JEAT_PLAN = Plan("jeat", net="convnet-4", objective=CHAIN, start="gaussian", optimisation=SHORT)
PLANS = {
    "jeat": JEAT_PLAN,
    "jem": replace(JEAT_PLAN, method="jem"),
    "at": replace(JEAT_PLAN, method="at", objective={}),
    "batch norm": replace(JEAT_PLAN, norm="batch"),
    "tied": replace(JEAT_PLAN, net="tests.tied:Tied"),
    "sgd": replace(
        JEAT_PLAN, method="noise", objective={}, optimisation=replace(SHORT, optimizer="sgd")
    ),
}


def figures(out):
    """The log without its clock."""
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


def weights(out):
    """Every tensor of the last checkpoint."""
    files = {file.stem: load_file(file) for file in newest(out).glob("*.safetensors")}
    assert files.keys() == {"model", "net", "process-0"}
    return {f"{name}.{k}": v for name, tensors in files.items() for k, v in tensors.items()}


def assert_same_run(a, b):
    assert figures(a) == figures(b)
    ours, theirs = weights(a), weights(b)
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert torch.equal(ours[name], theirs[name]), name


@pytest.fixture(scope="module", params=PLANS)
def whole(request, tmp_path_factory):
    """A plan and its uninterrupted run."""
    out = tmp_path_factory.mktemp("whole") / "run"
    for _ in fit(PLANS[request.param], out):
        pass
    return PLANS[request.param], out


@pytest.mark.parametrize("iterations", [1, 4, 7, 12])
def test_a_run_left_at_any_iteration_resumes_to_the_same_log_and_weights(
    whole, tmp_path, iterations
):
    plan, uninterrupted = whole
    out = tmp_path / "run"
    for log in fit(plan, out):
        if log.iteration == iterations:
            break  # nothing is saved here, as when the process is killed
    torch.rand(7)  # what happened meanwhile
    for _ in fit(plan, out, resume=True):
        pass
    assert_same_run(out, uninterrupted)


def test_a_run_whose_weights_are_named_by_position_goes_on_to_the_same_log_and_weights(tmp_path):
    """As version 0.1.0 named them."""
    for _ in fit(JEAT_PLAN, tmp_path / "whole"):
        pass
    for log in fit(JEAT_PLAN, tmp_path / "old"):
        if log.iteration == 6:
            break
    folder = newest(tmp_path / "old")
    positions = {f"conv{i + 1}": str(1 + 3 * i) for i in range(4)} | {"linear": "14"}

    def old(tensors):
        words = {k: [positions.get(w, w) for w in k.split(".")] for k in tensors}
        return {".".join(words[k]): v for k, v in tensors.items()}

    save_file(old(load_file(folder / "model.safetensors")), folder / "model.safetensors")
    header, tensors = load_sealed(folder / "net.safetensors")
    assert {"net.1.weight", "net.14.bias"} <= old(tensors).keys()
    save_sealed(folder / "net.safetensors", header, old(tensors))
    kept, _ = json.loads((folder / "manifest.json").read_text())["log"]
    (folder / "manifest.json").unlink()
    write_manifest(folder, (tmp_path / "old/log.jsonl").read_bytes()[:kept], rollbacks=0)
    for _ in fit(JEAT_PLAN, tmp_path / "old", resume=True):
        pass
    assert_same_run(tmp_path / "old", tmp_path / "whole")


def command(out, *flags):
    return [
        sys.executable, "-c", "import sys; from jeat.cli import main; sys.exit(main())",
        "train", "jeat", "--out", str(out), "--net", "convnet-4", "--epochs", "8",
        "--log_every", "5", "--save_every", "7", "--objective.steps", "2",
        "--objective.buffer_size", "300", "--evaluate_images", "20", *flags,
    ]  # fmt: skip


def wait_for_iteration(out, process, least):
    deadline = time.monotonic() + 120
    log = out / "log.jsonl"
    while time.monotonic() < deadline and process.poll() is None:
        lines = log.read_text().splitlines() if log.exists() else []
        if len(lines) * 5 >= least:
            return
        time.sleep(0.01)
    raise AssertionError("the run did not get that far")


def test_kill_9_and_resume_equal_the_uninterrupted_run(tmp_path):
    few = ["--epochs", "4"]
    subprocess.run(command(tmp_path / "whole", *few), check=True, capture_output=True)
    out = tmp_path / "killed"
    for least in (25,):
        process = subprocess.Popen(command(out, "--resume", *few), stderr=subprocess.DEVNULL)
        wait_for_iteration(out, process, least)
        process.kill()
        process.wait()
    subprocess.run(command(out, "--resume", *few), check=True, capture_output=True)
    assert_same_run(out, tmp_path / "whole")


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_saves_before_it_leaves(tmp_path, kind):
    out = tmp_path / "run"
    process = subprocess.Popen(command(out, "--save_every", "1000"), stderr=subprocess.PIPE)
    wait_for_iteration(out, process, 10)
    process.send_signal(kind)
    error = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 130
    assert "--resume" in error
    assert "Traceback" not in error
    assert len(list((out / "checkpoints").iterdir())) == 1


def test_a_run_directory_loads_as_a_net_in_eval_mode(whole):
    plan, out = whole
    net = jeat.load(out)
    assert not net.training
    assert net.spec.name == plan.net
    assert net.about["plan"] == json.loads((out / "run.json").read_text())["plan"]
    assert read_plan(out)["method"] == plan.method
    images = jeat.sample(net, torch.arange(10), steps=2)
    assert images.shape == (10, 1, 8, 8)


def test_the_average_of_weights_is_what_is_loaded(tmp_path):
    out = tmp_path / "run"
    for _ in fit(JEAT_PLAN, out):
        pass
    tensors = weights(out)
    assert not torch.equal(tensors["model.net.conv1.weight"], tensors["net.net.conv1.weight"])
    assert torch.equal(jeat.load(out).state_dict()["conv1.weight"], tensors["net.net.conv1.weight"])


def test_init_takes_the_weights_of_another_run(whole, tmp_path):
    plan, out = whole
    if plan.net != JEAT_PLAN.net or plan.architecture.get("norm") == "batch":
        pytest.skip("another net than the plan below")
    frozen = replace(SHORT, epochs=0.01, lr=1e-30, ema=None)
    child = replace(JEAT_PLAN, method="normal", objective={}, init=str(out), optimisation=frozen)
    for _ in fit(child, tmp_path / "child"):
        pass
    torch.testing.assert_close(
        jeat.load(tmp_path / "child").state_dict(), jeat.load(out).state_dict()
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"method": "gan"}, "unknown method 'gan'"),
        ({"net": "vit-16"}, "unknown net 'vit'"),
        ({"net": "wrn-11-2"}, "6n \\+ 4"),
        ({"data": "/nowhere/at/all"}, "no data at"),
        ({"init": "/nowhere/at/all"}, "no net at"),
        ({"objective": {"stpes": 3}}, "no setting stpes"),
        ({"objective": {"rho": 2.0}}, "rho"),
        ({"optimisation": replace(SHORT, batch_size=5000)}, "a batch of 5000"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_writes_nothing(tmp_path, change, said):
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        next(fit(replace(JEAT_PLAN, **change), tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_the_rehearsal_of_the_first_batch_leaves_no_trace():
    """Net, buffer and randomness are as before, in train mode with batch norm."""
    torch.manual_seed(3)
    net = build(Spec("convnet-4", 1, 8, DIGITS.classes, norm="batch"))
    objective = make("jem", lambda n: torch.rand(n, 1, 8, 8), {"steps": 2, "buffer_size": 40})
    step = State(net, objective, ema=None, limits=Recovery())
    before = {k: v.clone() for k, v in step.state_dict().items()}
    state = torch.get_rng_state()
    _rehearse(net, objective, DIGITS.train, {}, replace(SHORT, batch_size=32))
    assert torch.equal(torch.get_rng_state(), state)
    torch.testing.assert_close(dict(step.state_dict()), before, rtol=0, atol=0)
    assert all(p.grad is None for p in net.parameters())


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"optimizer": "adam"}, "optimizer must be one of adamw, sgd, got 'adam'"),
        ({"schedule": "linear"}, "schedule must be one of"),
        ({"precision": "fp16"}, "precision must be one of"),
        ({"batch_size": 100.5}, "batch_size must be a whole number, got 100.5"),
        ({"lr": float("nan")}, "lr must be a finite number, got nan"),
        ({"lr": "0.1"}, "lr must be a finite number, got '0.1'"),
        ({"clip": 0.0}, "clip must be positive"),
        ({"ema": 1.0}, "ema must lie in"),
        ({"warmup": -1}, "warmup must not be negative"),
    ],
)
def test_an_optimisation_that_means_nothing_is_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        Optimisation(**settings)


@pytest.mark.usefixtures("unchecked")
def test_a_plan_that_means_nothing_is_refused():
    with pytest.raises(
        ValueError,
        match=r"unknown start 'gausian': did you mean gaussian\? starts are gaussian, pca, uniform",
    ):
        next(fit(Plan("at", start="gausian"), "unwritten"))
    with pytest.raises(ValueError, match=r"eps is in \[0, 1\] pixels"):
        Plan("at", eps=8.0)


def test_a_finished_run_is_left_as_it_is_even_where_only_its_net_was_kept(tmp_path):
    for _ in fit(JEAT_PLAN, tmp_path):
        pass
    checkpoint = newest(tmp_path)
    for file in set(checkpoint.iterdir()) - {checkpoint / "net.safetensors"}:
        file.unlink()
    before = {f: f.read_bytes() for f in tmp_path.rglob("*") if f.is_file()}
    assert list(fit(JEAT_PLAN, tmp_path, resume=True)) == []
    assert {f: f.read_bytes() for f in tmp_path.rglob("*") if f.is_file()} == before


def test_a_run_resumes_where_its_first_weights_are_gone_or_moved(tmp_path):
    for _ in fit(replace(JEAT_PLAN, optimisation=replace(SHORT, epochs=0.1)), tmp_path / "at"):
        pass
    plan = replace(JEAT_PLAN, init=str(tmp_path / "at"))
    for log in fit(plan, tmp_path / "run"):
        if log.iteration == 5:
            break
    shutil.rmtree(tmp_path / "at")
    assert next(fit(plan, tmp_path / "run", resume=True)).iteration == 5


def test_a_run_does_not_resume_with_other_first_weights(tmp_path):
    for seed in (0, 1):
        o = replace(SHORT, epochs=0.1, seed=seed)
        for _ in fit(replace(JEAT_PLAN, optimisation=o), tmp_path / f"at{seed}"):
            pass
    next(fit(replace(JEAT_PLAN, init=str(tmp_path / "at0")), tmp_path / "run"))
    shutil.copytree(tmp_path / "at0", tmp_path / "copy")
    with pytest.raises(ValueError, match=r"other settings: init .*at0, now .*at1"):
        next(fit(replace(JEAT_PLAN, init=str(tmp_path / "at1")), tmp_path / "run", resume=True))
    copied = replace(JEAT_PLAN, init=str(tmp_path / "copy"))
    assert next(fit(copied, tmp_path / "run", resume=True)).iteration == 1


def test_settings_that_are_defaults_may_be_left_out_on_resuming(tmp_path):
    next(fit(JEAT_PLAN, tmp_path / "run"))
    said = replace(JEAT_PLAN, objective=CHAIN | {"w_px": 1.0})
    assert next(fit(said, tmp_path / "run", resume=True)).iteration == 1


def test_a_run_that_was_killed_before_it_began_begins(tmp_path):
    (tmp_path / "run/checkpoints").mkdir(parents=True)
    for name in (".lock", "run.7.part.json"):
        (tmp_path / "run" / name).touch()
    assert next(fit(JEAT_PLAN, tmp_path / "run", resume=True)).iteration == 1
    assert not list((tmp_path / "run").rglob("*.part*"))


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    net = build(Spec("convnet-4", 1, 8, DIGITS.classes))
    training = prepare(net, make("normal", lambda n: n, {}), SHORT, images=1000)
    with torch.no_grad():
        net[1].weight[0, 0, 0, 0] = float("inf")
    with pytest.raises(FloatingPointError, match="weights are not finite"):
        _save(tmp_path, training, Uniform((1, 8, 8)), JEAT_PLAN, rollbacks=0)
    assert not list(tmp_path.iterdir())


def test_a_second_ctrl_c_does_not_wait():
    with stop_asked() as stop:
        signal.raise_signal(signal.SIGTERM)
        assert stop == [signal.SIGTERM]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_folder_in_use_is_refused_and_so_are_changed_settings(tmp_path):
    next(fit(JEAT_PLAN, tmp_path / "run"))
    with pytest.raises(FileExistsError, match="resume"):
        next(fit(JEAT_PLAN, tmp_path / "run"))
    with pytest.raises(
        ValueError, match=r"other settings: eps 0\.03.*, now 0\.2; objective\.steps 2, now 20"
    ):
        next(fit(replace(JEAT_PLAN, eps=0.2, objective={}), tmp_path / "run", resume=True))


def test_weights_of_another_architecture_are_refused_as_init(tmp_path):
    for _ in fit(JEAT_PLAN, tmp_path / "run"):
        pass
    other = replace(JEAT_PLAN, net="convnet-8", init=str(tmp_path / "run"))
    with pytest.raises(ValueError, match="another architecture: name convnet-4 and not convnet-8"):
        next(fit(other, tmp_path / "other"))


def test_a_folder_without_checkpoint_is_no_net(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        jeat.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="no net at"):
        jeat.load("neither-here-nor-shipped")


def test_a_checkpoint_holds_the_replay_buffer(tmp_path):
    for log in fit(JEAT_PLAN, tmp_path / "run"):
        if log.iteration == 8:
            break
    assert load_buffer(tmp_path / "run").states.shape == (300, 1, 8, 8)
