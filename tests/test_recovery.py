"""A run that diverges is seen, goes back and goes on; nothing that was saved is lost."""

import errno
import json
import math
import os
import re
import resource
import shutil
import signal
import stat
import subprocess
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import jeat
import jeat.runs.fit
import jeat.training.evaluation
from jeat._support.sealed import summed
from jeat.cli import main
from jeat.nets import Spec, build
from jeat.nets.places import checkpoints, newest
from jeat.objectives import JEM
from jeat.runs.buffer import load_buffer
from jeat.runs.checkpoints import load_state, manifest_of
from jeat.runs.checkpoints import write_manifest as seal
from jeat.runs.fit import fit
from jeat.runs.rollbacks import rollbacks_of
from jeat.training.health import DivergenceError, Health
from jeat.training.iteration import prepare
from jeat.training.loop import train
from jeat.training.plan import Optimisation, Plan, Recovery

from .conftest import DIGITS
from .test_run import JEAT_PLAN, SHORT, assert_same_run, command, figures

LIMITS = Recovery(patience=3)
OWN = {"seed": 3, "lr": 0.1, "steps": 9, "w_l2": 0.0}
RECORD = {"number": 1, "iteration": 5, "why": "loss became nan", "to": 4, "settings": OWN}


def record(**changes):
    """A line of rollbacks.jsonl, sealed as if it had been written so."""
    return json.dumps(summed(RECORD | changes)) + "\n"


WILD = replace(  # runs away by lr 30, and not by 30 * 1e-5
    JEAT_PLAN,
    optimisation=replace(SHORT, lr=30.0, warmup=6),
    recovery=Recovery(lr=1e-5, patience=2, max_energy=100.0, steps=1, w_l2=0.01),
)


def run(plan, out, **how):
    for _ in fit(plan, out, **how):
        pass
    return out


# What is seen


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ({"loss": math.nan}, "loss became nan at iteration 7"),
        ({"loss": 1.0, "gradient_norm": math.inf}, "gradient_norm became inf at iteration 7"),
        ({"E_neg": -math.inf}, "E_neg became -inf"),
    ],
)
def test_what_is_not_finite_counts_at_once(figures, said):
    with pytest.raises(DivergenceError, match=said):
        Health(LIMITS).see(figures, 7)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("loss", 1001.0), ("E_adv", -1001.0), ("E_neg", 1001.0), ("loss_px", -50.1),
        ("loss_px", 50.1), ("gradient_norm", 1.1e5), ("saturated", 0.995),
    ],
)  # fmt: skip
def test_a_limit_counts_when_it_is_exceeded_for_so_many_iterations_running(name, value):
    health = Health(LIMITS)
    for i in range(10):  # two of three are forgiven
        health.see({name: value if i % 3 else 0.0}, i)
    health.see({name: value}, 10)
    health.see({name: value}, 11)
    with pytest.raises(DivergenceError, match=f"{name} .* is beyond .* at iteration 12, in 3"):
        health.see({name: value}, 12)


def test_at_the_end_once_is_enough():
    with pytest.raises(DivergenceError):
        Health(LIMITS).see({"loss": 1e9}, 5, last=True)


def test_figures_without_a_limit_may_be_anything():
    health = Health(Recovery(patience=1))
    health.see({"accuracy_adv": 1e9, "loss": 999.0}, 5)
    assert health.streak == 0


@pytest.mark.parametrize(
    ("before", "after", "seen"),
    [
        (0.4, 0.0, True),
        (0.4, 0.15, True),
        (0.4, 0.21, False),
        (0.1, 0.04, False),
        (0.13, 0.02, False),  # by more than four of one standard error, but it is of a difference
        (0.9, 0.5, False),
    ],
)
def test_a_collapse_under_attack_is_more_than_half_and_four_standard_errors(before, after, seen):
    health = Health(LIMITS)
    for accuracy in (0.1, before, before - 0.05):
        health.see_attacked(accuracy, 128, 3)
    if not seen:
        health.see_attacked(after, 128, 4)
        return
    with pytest.raises(DivergenceError, match=f"fell from {before:g} to {after:g} on 128 images"):
        health.see_attacked(after, 128, 4)


def test_saturated_chains_are_seen_within_the_patience():
    """Chains that climb out of the box: every pixel at a bound."""

    class Slope(nn.Module):
        def forward(self, net, batch):
            return inner(net, batch)

    inner = JEM(lambda n: torch.ones(n, 1, 8, 8), steps=1, noise=0.0, clamp=True, rho=1.0,
                buffer_size=32, step_size=1e-9)  # fmt: skip
    net = build(Spec("convnet-4", 1, 8, DIGITS.classes))
    o = Optimisation(batch_size=32)
    training = prepare(net, Slope(), o, images=1437, limits=LIMITS)
    with pytest.raises(DivergenceError, match=r"saturated 1 is beyond 0\.99 at iteration 3"):
        list(train(training, DIGITS.train))


# What happens then


@pytest.fixture(scope="module")
def recovered(tmp_path_factory):
    return run(WILD, tmp_path_factory.mktemp("recovered") / "run")


def test_a_run_that_diverges_goes_back_and_ends_well(recovered):
    (record,) = rollbacks_of(recovered)
    assert "is beyond" in record.why or "became" in record.why
    assert record.iteration <= 12
    assert record.settings["lr"] == pytest.approx(30 * 1e-5)
    assert record.settings["seed"] != 0
    assert record.settings["steps"] == 3
    assert record.settings["w_l2"] == 0.01
    log = figures(recovered)
    assert [line["iteration"] for line in log] == sorted({line["iteration"] for line in log})
    assert log[-1]["iteration"] == 13
    assert all(math.isfinite(v) for line in log for v in line.values())
    assert log[-1]["test_accuracy"] > 0.05
    assert jeat.load(recovered).about["rollbacks"] == 1


@pytest.mark.parametrize("iterations", [1, 3, 5, 6, 8, 11])
def test_a_run_that_is_left_before_or_after_it_went_back_resumes_exactly(
    recovered, tmp_path, iterations
):
    out = tmp_path / "run"
    for done, _ in enumerate(fit(WILD, out), 1):
        if done == iterations:
            break
    torch.rand(3)
    run(WILD, out, resume=True)
    assert_same_run(out, recovered)
    assert rollbacks_of(out) == rollbacks_of(recovered)


def test_no_checkpoint_is_written_while_a_limit_is_exceeded_nor_left_half_written(tmp_path):
    """A limit that is exceeded at iterations 5 to 8, where 8 would be saved; a stop at 6."""

    def plan(**recovery):
        return replace(JEAT_PLAN, recovery=Recovery(patience=9, **recovery))

    out = tmp_path / "run"
    for log in fit(plan(), out):
        if log.iteration == 5:
            break
    (out / "checkpoints/00000008.part").mkdir()
    going_on = fit(plan(max_energy=1e-9), out, resume=True)
    assert next(going_on).iteration == 5
    signal.raise_signal(signal.SIGTERM)
    assert next(going_on).iteration == 6
    with pytest.raises(KeyboardInterrupt, match=r"not saved, as a limit is exceeded, at .* 6"):
        next(going_on)
    assert [f.name for f in (out / "checkpoints").iterdir()] == ["00000004"]
    for log in fit(plan(max_energy=1e-9), out, resume=True):
        if log.iteration == 9:
            break
    assert [f.name for f in (out / "checkpoints").iterdir()] == ["00000004"]


def test_a_stop_that_is_asked_for_as_it_diverges_is_heard(tmp_path, monkeypatch):
    see = Health.see

    def asked(health, figures, iteration, **how):
        if iteration == 6:
            signal.raise_signal(signal.SIGTERM)
            raise DivergenceError("as it is stopped")
        see(health, figures, iteration, **how)

    monkeypatch.setattr(Health, "see", asked)
    with pytest.raises(KeyboardInterrupt, match="stopped, after as it is stopped"):
        run(JEAT_PLAN, tmp_path / "run")
    assert [record.to for record in rollbacks_of(tmp_path / "run")] == [4]


def test_it_goes_on_from_other_random_numbers_than_those_that_were_saved(tmp_path, monkeypatch):
    see, seeds = Health.see, []

    def once(health, figures, iteration, **how):
        if iteration == 6 and not rollbacks_of(tmp_path / "run"):
            raise DivergenceError("once")
        seeds.append(torch.initial_seed())
        see(health, figures, iteration, **how)

    monkeypatch.setattr(Health, "see", once)
    run(JEAT_PLAN, tmp_path / "run")
    (record,) = rollbacks_of(tmp_path / "run")
    assert record.to == 4
    assert seeds == [0] * 5 + [record.settings["seed"]] * 9


@pytest.mark.parametrize("looks", [{"evaluate_every": 1}, {"save_every": 1}], ids=str)
def test_nets_that_give_nan_where_they_are_looked_at_count_as_diverged(tmp_path, looks):
    o = replace(SHORT, lr=1e8, optimizer="sgd", **looks)
    with pytest.raises(DivergenceError, match="gave up after going back 3 times"):
        list(fit(Plan("at", net="convnet-4", optimisation=o), tmp_path))
    assert len(rollbacks_of(tmp_path)) == 3


def test_it_gives_up_after_so_many_tries_and_keeps_the_best(tmp_path):
    plan = replace(WILD, recovery=replace(WILD.recovery, lr=1.0, tries=2))
    out = tmp_path / "run"
    with pytest.raises(DivergenceError, match=r"gave up after going back 2 times.*try a lower lr"):
        run(plan, out)
    assert len(rollbacks_of(out)) == 2
    with pytest.raises(DivergenceError, match="gave up"):
        run(plan, out, resume=True)
    if newest(out):
        assert jeat.load(out)(torch.zeros(1, 1, 8, 8)).isfinite().all()
    more = replace(plan, recovery=replace(WILD.recovery, tries=9))
    run(more, out, resume=True)  # the policy, and only that, may change
    assert figures(out)[-1]["iteration"] == 13


def test_a_collapse_that_was_saved_is_left_behind_for_the_checkpoint_before(tmp_path, monkeypatch):
    """Accuracy under attack falls to 0 at iteration 9, after checkpoint 8, and does so again."""
    looks = []

    def scripted(*_, **__):
        looks.append(1)
        return 0.0 if len(looks) in (5, 6) else 0.5

    monkeypatch.setattr(jeat.training.evaluation, "robust_accuracy", scripted)
    monkeypatch.setattr(jeat.training.evaluation, "accuracy", lambda *_: 0.5)
    plan = replace(JEAT_PLAN, optimisation=replace(SHORT, evaluate_every=0))
    run(replace(plan, recovery=Recovery(check_every=3)), tmp_path / "run")
    first, second = rollbacks_of(tmp_path / "run")
    assert (first.iteration, first.to) == (9, 8)
    assert (second.iteration, second.to) == (9, 4)
    rates = [r.settings["lr"] / plan.optimisation.lr for r in (first, second)]
    assert rates == pytest.approx([0.5, 0.25])
    seeds = {plan.optimisation.seed, *(r.settings["seed"] for r in (first, second))}
    assert len(seeds) == 3
    assert figures(tmp_path / "run")[-1]["iteration"] == 13


@pytest.mark.slow
def test_training_by_fgsm_that_overfits_to_it_is_seen_and_left(tmp_path):
    """Catastrophic overfitting itself, brought about as by Ortiz-Jimenez et al. (2023): digits with
    a pattern of their class, whose step is too long."""
    torch.manual_seed(0)
    x = torch.cat([DIGITS.train.x, DIGITS.test.x]).float() / 255
    y = torch.cat([DIGITS.train.y, DIGITS.test.y])
    eps, pattern = 0.15, torch.randint(0, 2, (10, 1, 8, 8)) * 2.0 - 1
    images = (0.25 + x / 2 + eps / 2 * pattern[y]).clamp(0, 1)
    np.savez(tmp_path / "made.npz", images=images.permute(0, 2, 3, 1).numpy(), labels=y.numpy())
    plan = Plan(
        "at", data=str(tmp_path / "made.npz"), net="convnet-8", norm="batch", eps=eps,
        objective={"eps": eps, "ratio": 2.0},
        optimisation=Optimisation(
            epochs=34, lr=0.02, schedule="constant", warmup=10, save_every=20, evaluate_images=20
        ),
        recovery=Recovery(tries=9, check_every=10, lr=0.25),
    )  # fmt: skip
    run(plan, tmp_path / "run")
    first = rollbacks_of(tmp_path / "run")[0]
    assert re.match(r"accuracy under PGD fell from .* to .* on 128 images", first.why)
    assert 0 < first.iteration - first.to <= 20
    assert figures(tmp_path / "run")[-1]["iteration"] == 408


def test_two_checkpoints_are_kept(tmp_path):
    assert [f.name for f in checkpoints(run(JEAT_PLAN, tmp_path / "run"))] == [
        "00000012", "00000013",
    ]  # fmt: skip


# What is on the disk


def test_two_runs_cannot_train_into_one_folder(tmp_path):
    first = fit(JEAT_PLAN, tmp_path / "run")
    next(first)
    with pytest.raises(BlockingIOError, match="another process trains into"):
        next(fit(JEAT_PLAN, tmp_path / "run", resume=True))
    first.close()
    assert next(fit(JEAT_PLAN, tmp_path / "run", resume=True)).iteration == 1


def test_a_run_that_another_was_faster_to_begin_is_left_alone(tmp_path, monkeypatch):
    load = jeat.runs.fit.load_data

    def slow(source):
        monkeypatch.undo()
        faster = fit(JEAT_PLAN, tmp_path / "run")
        next(faster)
        faster.close()
        return load(source)

    monkeypatch.setattr(jeat.runs.fit, "load_data", slow)
    with pytest.raises(FileExistsError, match="run exists"):
        next(fit(JEAT_PLAN, tmp_path / "run"))


def test_a_run_whose_checkpoints_are_gone_is_not_begun_anew_unasked(left, tmp_path):
    shutil.copytree(left, tmp_path, dirs_exist_ok=True)
    log = (tmp_path / "log.jsonl").read_text()
    shutil.rmtree(tmp_path / "checkpoints")
    with pytest.raises(FileNotFoundError, match="checkpoints is gone: put it back, or make it"):
        next(fit(JEAT_PLAN, tmp_path, resume=True))
    assert (tmp_path / "log.jsonl").read_text() == log
    (tmp_path / "checkpoints").mkdir()
    assert next(fit(JEAT_PLAN, tmp_path, resume=True)).iteration == 1


@pytest.mark.parametrize("name", ["model", "net", "process-0"])
@pytest.mark.parametrize("fault", ["flipped", "cut", "gone"])
def test_a_damaged_checkpoint_is_refused_by_name(tmp_path, name, fault):
    out = tmp_path / "run"
    for log in fit(JEAT_PLAN, out):
        if log.iteration == 9:
            break
    file = newest(out) / f"{name}.safetensors"
    held = bytearray(file.read_bytes())
    held[-1] ^= 1
    if fault == "gone":
        file.unlink()
    else:
        file.write_bytes(held[: -9 if fault == "cut" else None])
    with pytest.raises(ValueError, match=rf"{name}\.safetensors is (damaged|missing): remove .*08"):
        next(fit(JEAT_PLAN, out, resume=True))
    if name == "net" and fault != "gone":
        with pytest.raises(ValueError, match=r"net\.safetensors is not a jeat checkpoint"):
            jeat.load(out)


def test_a_finished_run_with_a_damaged_net_is_not_taken_for_finished(tmp_path):
    """What is said to do makes it whole again."""
    for _ in fit(JEAT_PLAN, tmp_path):
        pass
    last = newest(tmp_path)
    whole = (last / "net.safetensors").read_bytes()
    (last / "net.safetensors").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ValueError, match=rf"net\.safetensors is damaged: remove {last}"):
        list(fit(JEAT_PLAN, tmp_path, resume=True))
    shutil.rmtree(last)
    assert list(fit(JEAT_PLAN, tmp_path, resume=True))
    assert (last / "net.safetensors").read_bytes() == whole


def test_a_damaged_replay_buffer_is_no_start(tmp_path):
    for _ in fit(JEAT_PLAN, tmp_path):
        pass
    file = newest(tmp_path) / "process-0.safetensors"
    file.with_name("process-x.safetensors").touch()  # a stranger's
    assert len(load_buffer(tmp_path).states) == JEAT_PLAN.objective["buffer_size"]
    held = file.read_bytes()
    file.write_bytes(held[:-1] + bytes([held[-1] ^ 1]))
    with pytest.raises(ValueError, match=r"process-0\.safetensors is damaged: remove"):
        load_buffer(tmp_path)


def test_only_what_a_kill_left_half_written_is_swept(tmp_path):
    (tmp_path / "out").mkdir()
    for name in ("notes.part.txt", "log.7.part.jsonl"):
        (tmp_path / "out" / name).touch()
    run(JEAT_PLAN, tmp_path / "out", resume=True)
    assert {f.name for f in (tmp_path / "out").glob("*part*")} == {"notes.part.txt"}


def test_a_full_disk_costs_no_more_than_the_last_interval(tmp_path):
    """Files may grow to 20 kB: a replay buffer does not fit."""
    out = tmp_path / "run"
    few = ["--objective.buffer_size", "128", "--save_every", "6", "--epochs"]
    subprocess.run(command(out, *few, "1"), check=True, capture_output=True)
    saved = newest(out)

    def little():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    go_on = command(out, *few, "2", "--resume")
    (out / "run.json").write_text(
        (out / "run.json").read_text().replace('"epochs": 1.0', '"epochs": 2')
    )
    full = subprocess.run(go_on, preexec_fn=little, capture_output=True, text=True)
    assert full.returncode == 1, full.stderr
    assert "cannot be written" in full.stderr
    assert "--resume" in full.stderr
    assert "Traceback" not in full.stderr
    assert newest(out) == saved
    assert not list(out.rglob("*.part*"))
    assert subprocess.run(go_on, capture_output=True).returncode == 0


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("manifest.json", '"processes": 1', '"processes": 3', "no checkpoint to go on from"),
        ("manifest.json", '"model.', '"../model.', "no checkpoint to go on from"),
        ("manifest.json", '"log": [', '"log": ["x", ', "no checkpoint to go on from"),
        ("manifest.json", '"log"', '"lag"', "no checkpoint to go on from"),
        ("log.jsonl", '{"iteration": 2', '{"iteration": 3', "log.jsonl is not what was logged"),
        ("run.json", '"data_sha256": "', '"data_sha256": "0', "the images or labels changed"),
        ("rollbacks.jsonl", "", "[]", "rollbacks.jsonl is damaged"),
        ("rollbacks.jsonl", "", "[1]", "rollbacks.jsonl is damaged"),
        ("rollbacks.jsonl", "", "null", "rollbacks.jsonl is damaged"),
        ("rollbacks.jsonl", "", json.dumps(RECORD), "no sum, as those of earlier versions"),
        ("rollbacks.jsonl", "", '{"to": 4}', "rollbacks.jsonl is damaged"),
        ("rollbacks.jsonl", "", "[" * 100_000, "rollbacks.jsonl is damaged"),
        ("run.json", '"plan"', '"plam"', "run.json is damaged"),
        ("run.json", '"lr"', '"rl"', "run.json is damaged"),
        ("run.json", '"method"', '"methods"', "run.json is damaged"),
        *(
            ("rollbacks.jsonl", "", record(to=to, settings=own), "is damaged")
            for to, own in (
                (-4, OWN),
                (1e400, OWN),
                (10, OWN),
                (4, OWN | {"lr": "0.1"}),
                (4, OWN | {"lr": math.nan}),
                (4, OWN | {"seed": -1}),
                (4, OWN | {"seed": 2**63}),
                (4, OWN | {"lr": 0.0}),
                (4, OWN | {"lr": 1e30}),
                (4, OWN | {"steps": 0}),
                (4, OWN | {"steps": "x"}),
                (4, {"lr": 0.1}),
            )
        ),
    ],
)
def test_a_damaged_record_is_refused_by_name(tmp_path, name, old, new, said):
    out = tmp_path / "run"
    for log in fit(JEAT_PLAN, out):
        if log.iteration == 9:
            break
    file = newest(out) / name if name == "manifest.json" else out / name
    text = (file.read_text() if file.exists() else "").replace(old, new, 1)
    if name == "manifest.json":
        text = json.dumps(summed({k: v for k, v in json.loads(text).items() if k != "sum"}))
    file.write_text(text)
    with pytest.raises(ValueError, match=said):
        next(fit(JEAT_PLAN, out, resume=True))


@pytest.mark.parametrize("to", [0, 6])
def test_a_record_of_going_back_to_nothing_removes_nothing(left, tmp_path, to):
    shutil.copytree(left, tmp_path, dirs_exist_ok=True)
    (tmp_path / "rollbacks.jsonl").write_text(record(iteration=9, to=to))
    with pytest.raises(ValueError, match=f"to iteration {to}, of which there is no checkpoint"):
        next(fit(JEAT_PLAN, tmp_path, resume=True))
    assert newest(tmp_path).name == "00000008"


@pytest.mark.parametrize("change", [lambda f: f.unlink(), lambda f: f.write_text("")])
def test_a_record_of_going_back_that_is_lost_is_missed(tmp_path, change):
    out = tmp_path / "run"
    for log in fit(WILD, out):
        if log.iteration == 9:
            break
    assert manifest_of(newest(out))["rollbacks"] == 1
    change(out / "rollbacks.jsonl")
    with pytest.raises(ValueError, match=r"rollbacks.jsonl lacks what the run had gone back to"):
        next(fit(WILD, out, resume=True))


def test_no_bit_of_a_record_or_a_manifest_changes_unseen(left, tmp_path):
    """Every bit of both, at a time; a number may be written otherwise, as 3E-05."""
    file = tmp_path / "rollbacks.jsonl"
    lines = (record(iteration=9, to=8) + record(number=2, iteration=9, to=8)).encode()
    file.write_bytes(lines)
    first = rollbacks_of(tmp_path)
    folder = shutil.copytree(newest(left), tmp_path / "00000008")
    manifest = (folder / "manifest.json").read_bytes()
    sealed = manifest_of(folder)
    refused = []
    for held, place, read, was in (
        (lines, file, partial(rollbacks_of, tmp_path), first),
        (manifest, folder / "manifest.json", partial(manifest_of, folder), sealed),
    ):
        for at in range(8 * len(held)):
            bad = bytearray(held)
            bad[at // 8] ^= 1 << at % 8
            place.write_bytes(bad)
            try:
                assert read() == was
            except ValueError as error:
                refused.append(str(error))
    assert len(refused) > 0.99 * 8 * (len(lines) + len(manifest))
    assert all(file.name in said or folder.name in said for said in refused)
    file.write_bytes(lines.splitlines(keepends=True)[1])
    with pytest.raises(ValueError, match="a record before it is lost"):
        rollbacks_of(tmp_path)


@pytest.mark.parametrize("text", ["null", "[1]", '{"rollbacks": 0}'])
def test_a_manifest_that_holds_something_else_is_refused(left, tmp_path, text):
    shutil.copytree(left, tmp_path, dirs_exist_ok=True)
    (newest(tmp_path) / "manifest.json").write_text(text)
    with pytest.raises(ValueError, match=r"00000008 is no checkpoint to go on from .*: remove"):
        next(fit(JEAT_PLAN, tmp_path, resume=True))


def test_a_damaged_manifest_of_an_older_checkpoint_does_not_stop_a_run(tmp_path):
    out = tmp_path / "run"
    for log in fit(JEAT_PLAN, out):
        if log.iteration == 8:
            break
    older, last = checkpoints(out)
    (older / "manifest.json").write_text("damaged")
    assert next(fit(JEAT_PLAN, out, resume=True)).iteration == int(last.name) + 1


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO])
def test_a_folder_that_cannot_be_forced_onto_the_disk_is_written_all_the_same(
    tmp_path, monkeypatch, number
):
    def fsync(opened):
        if stat.S_ISDIR(os.fstat(opened).st_mode) == (number == errno.EINVAL):
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    if number == errno.EINVAL:
        run(JEAT_PLAN, tmp_path / "run")
    else:
        with pytest.raises(OSError, match=r"run\.json"):
            run(JEAT_PLAN, tmp_path / "run")


@pytest.mark.parametrize("name", ["log.jsonl", "rollbacks.jsonl"])
def test_a_pipe_among_the_files_of_a_run_is_not_waited_for(left, tmp_path, name):
    shutil.copytree(left, tmp_path, dirs_exist_ok=True)
    (tmp_path / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / name)
    with pytest.raises(ValueError, match=f"{name} is no file of a run"):
        next(fit(JEAT_PLAN, tmp_path, resume=True))


def test_a_run_that_another_process_took_on_meanwhile_is_gone_on_with_as_it_left_it(
    tmp_path, monkeypatch
):
    """It was read before the other one, dying, went back; its lr of 30 would run away again."""
    out, left = tmp_path / "run", []

    def slow(*args, **how):
        monkeypatch.undo()
        made = jeat.runs.run.begin(*args, **how)
        for log in fit(WILD, out, resume=True):
            if rollbacks_of(out) and log.iteration == 5:
                left.extend(rollbacks_of(out))
                break
        return made

    monkeypatch.setattr(jeat.runs.run, "begin", slow)
    run(WILD, out, resume=True)
    assert rollbacks_of(out) == left
    assert len(left) == 1
    assert figures(out)[-1]["iteration"] == 13


def test_a_run_whose_checkpoints_are_gone_does_not_begin_with_what_it_went_on_with(left, tmp_path):
    shutil.copytree(left, tmp_path, dirs_exist_ok=True)
    for folder in (tmp_path / "checkpoints").iterdir():
        shutil.rmtree(folder)
    (tmp_path / "rollbacks.jsonl").write_text(record(iteration=9, to=6))
    with pytest.raises(ValueError, match="to iteration 6, of which there is no checkpoint"):
        next(fit(JEAT_PLAN, tmp_path, resume=True))


@pytest.mark.parametrize(
    "change",
    [
        lambda log: log.unlink(),
        lambda log: log.write_text(""),
        lambda log: log.write_text(log.read_text().split("\n", 1)[1]),
        lambda log: log.write_text(log.read_text().split("\n")[0] + "\n" + log.read_text()),
    ],
    ids=["none", "empty", "a gap", "a double"],
)
def test_a_log_that_is_not_as_it_was_written_is_not_gone_on_with(left, tmp_path, change):
    shutil.copytree(left, tmp_path, dirs_exist_ok=True)
    change(tmp_path / "log.jsonl")
    with pytest.raises(ValueError, match=r"is not what was logged up to .*00000008: put it back"):
        next(fit(JEAT_PLAN, tmp_path, resume=True))


def test_data_that_changed_since_are_refused(tmp_path):
    rng, out = np.random.default_rng(0), tmp_path / "run"
    arrays = {"images": rng.integers(0, 255, (80, 8, 8), np.uint8), "labels": np.arange(80) % 2}
    np.savez(tmp_path / "data.npz", **arrays)
    plan = replace(JEAT_PLAN, data=str(tmp_path / "data.npz"), start="uniform")
    plan = replace(plan, optimisation=replace(plan.optimisation, batch_size=8))
    next(fit(plan, out))
    arrays["images"][3, 0, 0] ^= 1
    np.savez(tmp_path / "data.npz", **arrays)
    with pytest.raises(ValueError, match=f"changed since {out} was begun"):
        next(fit(plan, out, resume=True))


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """A run that was left at its checkpoint 8 of 13."""
    out = tmp_path_factory.mktemp("left") / "run"
    for log in fit(JEAT_PLAN, out):
        if log.iteration == 8:
            break
    shutil.rmtree(out / "checkpoints/00000004")
    return out


def forge(left, out, name, key, change):
    """A copy with one tensor changed, or left out, under a manifest that says all is well."""
    shutil.copytree(left, out, dirs_exist_ok=True)
    folder = newest(out)
    tensors = load_file(folder / f"{name}.safetensors")
    changed = change(tensors.pop(key))
    save_file(
        tensors if changed is None else tensors | {key: changed.contiguous()},
        folder / f"{name}.safetensors",
    )
    (folder / "manifest.json").unlink()
    seal(folder, (out / "log.jsonl").read_bytes(), rollbacks=0)


FORGED = {
    "shape": lambda t: t.reshape(-1)[:1].reshape(1, 1, 1),
    "type": lambda t: t.to(torch.int16),
    "none": lambda _: None,
}
KEYS = [
    ("model", "iteration"), ("model", "health.streak"), ("model", "net.conv1.weight"),
    ("model", "average.module.conv1.weight"), ("model", "average.n_averaged"),
    ("model", "optimizer.0.exp_avg"), ("model", "optimizer.0.step"),
    ("process-0", "random"), ("process-0", "objective.buffer.states"),
]  # fmt: skip


@pytest.mark.parametrize("fault", FORGED)
@pytest.mark.parametrize(("name", "key"), KEYS)
def test_a_checkpoint_that_was_forged_is_refused_by_name(left, tmp_path, name, key, fault):
    forge(left, tmp_path, name, key, FORGED[fault])
    with pytest.raises(ValueError, match=r"00000008 is of another net or optimiser \(.+\): remove"):
        next(fit(JEAT_PLAN, tmp_path, resume=True))


@pytest.mark.parametrize(
    ("name", "key", "change", "said"),
    [
        ("model", "iteration", lambda t: t + 1, "of iteration 9"),
        ("model", "iteration", lambda t: t - 99, "of iteration -91"),
        ("process-0", "objective.buffer.states", lambda t: t * math.nan, "not finite"),
        ("process-0", "objective.buffer.states", lambda t: t[:, 0], "no images of one shape"),
        (
            "process-0",
            "objective.buffer.states",
            lambda t: t[:5],
            r"buffer.states is torch.float32 \(5, 1, 8, 8\)",
        ),
    ],
)
def test_a_checkpoint_of_forged_numbers_is_refused_by_name(left, tmp_path, name, key, change, said):
    forge(left, tmp_path, name, key, change)
    with pytest.raises(ValueError, match=said):
        next(fit(JEAT_PLAN, tmp_path, resume=True))


def test_an_empty_checkpoint_is_no_end_of_a_run(left, tmp_path):
    shutil.copytree(left, tmp_path, dirs_exist_ok=True)
    (tmp_path / "checkpoints/99999999").mkdir()
    with pytest.raises(ValueError, match=r"99999999 is no checkpoint to go on from .*: remove"):
        next(fit(JEAT_PLAN, tmp_path, resume=True))


def test_a_checkpoint_of_another_net_is_refused(tmp_path):
    out = run(JEAT_PLAN, tmp_path / "run")
    net = build(Spec("convnet-8", 1, 8, DIGITS.classes))
    training = prepare(net, nn.Identity(), SHORT, images=1437)
    with pytest.raises(ValueError, match="is of another net or optimiser"):
        load_state(training, newest(out))


def test_the_command_line_says_where_it_went_back_to(tmp_path, capsys):
    words = ["--lr", "30", "--warmup", "6", "--recovery.lr", "1e-5", "--recovery.max_energy", "100"]
    assert main([*command(tmp_path / "run", *words)[3:], "--epochs", "1"]) == 0
    (record,) = rollbacks_of(tmp_path / "run")
    said = [line for line in capsys.readouterr().err.splitlines() if "jeat train: " in line]
    assert len(said) == 1
    assert f"{record.why}: back to iteration {record.to} with seed " in said[0]
    assert "lr 0.0003" in said[0]


def test_the_command_line_says_once_that_it_gave_up(tmp_path):
    words = ["--optimizer", "sgd", "--lr", "1e6", "--recovery.tries", "1", "--recovery.lr", "1"]
    done = subprocess.run(
        command(tmp_path / "run", *words), capture_output=True, text=True, check=False
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("jeat:")]
    said = [line for line in lines if not re.match(r"jeat: \d+ of \d+", line)]  # how far it is
    assert done.returncode == 1
    assert len(said) == 1
    assert "gave up after going back 1 times" in said[0]
    record = json.loads((tmp_path / "run/rollbacks.jsonl").read_text())
    assert record["to"] == 0
