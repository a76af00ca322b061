"""A run leaves what repeats it; it goes on with no flag but its folder, and for longer."""

import json
import shlex
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

import jeat
from jeat._support.plugins import known_parts
from jeat.cli import _training, main
from jeat.nets.places import newest
from jeat.runs.asked import check_run, usual
from jeat.runs.fit import fit
from jeat.training.flags import command_of, config_of
from jeat.training.plan import Optimisation, Plan, Recovery

from .test_run import JEAT_PLAN, assert_same_run, figures

ODD = Optimisation(
    epochs=0.3, lr=3e-4, clip=1.5, ema=0.9, schedule="step", warmup=2, seed=7, pad=1, flip=True
)
OTHER = {  # of each method, settings that are not its own
    "jeat": {"sampler": {"name": "normalized", "radius": 3.0}, "noise": None, "eps": 0.1},
    "noise": {"sigma": 0.1},
    "igebm": {"buffer_size": 300},
}
NETS = {"igebm": "igebm-8", "glow": "glow-1-2-8"}


def plan_of(method, **settings):
    o = replace(ODD, step={"name": "sharpness_aware", "rho": 0.07})
    r = Recovery(tries=5, max_gap=7.0)
    net, objective = NETS.get(method, "convnet-4"), OTHER.get(method, {})
    return Plan(method, net=net, objective=objective, optimisation=o, recovery=r, **settings)


def asked(words):
    """The plan that a command trains by, with all settings."""
    method, words, before = _training.asked_for(words)
    parser = _training.parser_of(method, words, before)
    return check_run(
        _training.plan_of(method, parser, parser.parse(words)), "nowhere", resume=False
    )[0]


def alike(plan):
    """A plan without changes of recovery that change nothing."""
    own = {k: v for k, v in plan.recovery.objective.items() if v}
    return replace(plan, recovery=replace(plan.recovery, objective=own))


@pytest.mark.parametrize("method", known_parts("objectives"))
def test_a_plan_is_what_its_file_its_command_and_its_record_say(method, tmp_path):
    plan, _ = check_run(plan_of(method, start="gaussian", eps=0.11), tmp_path, resume=False)
    record, file = asdict(plan), tmp_path / "any.yaml"
    file.write_text(config_of(record))
    assert alike(asked([method, "--config", str(file), "--out", "nowhere"])) == alike(plan)
    command = command_of(record, asdict(usual(method, plan.net)), "nowhere")
    assert alike(asked(shlex.split(command)[2:])) == alike(plan)
    (tmp_path / "run.json").write_text(json.dumps({"plan": record}))
    assert alike(asked(["--config", str(tmp_path), "--out", "nowhere"])) == alike(plan)
    assert alike(asked(["--resume", "--out", str(tmp_path)])) == alike(plan)
    other = asked(["--config", str(tmp_path), "--out", "x", "--lr", "0.5", "--step", "plain"])
    o = replace(plan.optimisation, lr=0.5, step="plain")
    assert alike(other) == alike(replace(plan, optimisation=o))


def test_a_net_of_a_library_is_named_as_it_was(tmp_path):
    plan = Plan("normal", net="torchvision:resnet18", architecture={"mean": [0.5, 0.4, 0.3]})
    plan, _ = check_run(plan, tmp_path, resume=False)
    (tmp_path / "run.json").write_text(json.dumps({"plan": asdict(plan)}))
    again = asked(["--config", str(tmp_path), "--out", "nowhere"])
    assert again.net == plan.net
    assert again.architecture == plan.architecture


def test_a_run_that_was_stopped_goes_on_by_its_folder_alone(tmp_path, capsys):
    for _ in fit(JEAT_PLAN, tmp_path / "whole"):
        pass
    for log in fit(JEAT_PLAN, tmp_path / "run"):
        if log.iteration == 7:
            break
    written = (tmp_path / "run/config.yaml").read_text()
    (tmp_path / "run/config.yaml").unlink()  # as if killed before it was there
    assert main(["train", "--resume", "--out", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run/config.yaml").read_text() == written
    assert_same_run(tmp_path / "run", tmp_path / "whole")
    last = figures(tmp_path / "run")[-1]
    said = f"(test accuracy {last['test_accuracy']:.3g}, {last['test_robust_accuracy']:.3g} under"
    assert said in capsys.readouterr().out.splitlines()[-1]


LONGER = replace(JEAT_PLAN, optimisation=replace(JEAT_PLAN.optimisation, epochs=2))


def test_a_finished_run_goes_on_for_longer_as_exactly_as_any(tmp_path):
    for place in ("one", "two"):
        for _ in fit(JEAT_PLAN, tmp_path / place):
            pass
    for _ in fit(LONGER, tmp_path / "one", resume=True, longer=True):
        pass
    for log in fit(LONGER, tmp_path / "two", resume=True, longer=True):
        if log.iteration == 16:
            break
    words = ["train", "--resume", "--out", str(tmp_path / "two")]
    assert main([*words, "--epochs", "2"]) == 0
    assert_same_run(tmp_path / "one", tmp_path / "two")
    record = json.loads((tmp_path / "two/run.json").read_text())
    first = round(JEAT_PLAN.optimisation.epochs * 11)
    before = {"epochs": JEAT_PLAN.optimisation.epochs, "finished_at": first}
    assert record["raised"] == [before]
    assert record["plan"]["optimisation"]["epochs"] == 2
    first_command, longer = record["command"].split(" && ")
    assert asked(shlex.split(first_command)[2:]).optimisation.epochs == before["epochs"]
    assert shlex.split(longer)[1:] == [*words, "--epochs", "2"]
    assert int(newest(tmp_path / "two").name) == 22
    rate = [row["lr"] for row in figures(tmp_path / "two") if row["iteration"] == first + 1]
    assert rate == [] or rate[0] > 0
    assert jeat.load(tmp_path / "two")(torch.zeros(1, 1, 8, 8)).isfinite().all()


def test_epochs_are_raised_of_finished_runs_only_and_where_that_is_asked_for(tmp_path, capsys):
    for log in fit(JEAT_PLAN, tmp_path):
        if log.iteration == 7:
            break
    words = ["train", "--resume", "--out", str(tmp_path)]
    assert main([*words, "--epochs", "2"]) == 1
    assert "is to be finished by its" in capsys.readouterr().err
    assert main(words) == 0
    with pytest.raises(ValueError, match="begun with other settings"):
        next(fit(LONGER, tmp_path, resume=True))
    assert main([*words, "--epochs", "0.5"]) == 1
    assert "begun with other settings: optimisation.epochs" in capsys.readouterr().err
    assert "raised" not in json.loads((tmp_path / "run.json").read_text())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--out", "x"], "name a METHOD"),
        (["--resume", "--out", "x"], "name a METHOD"),
        (["at", "--config", "RUN", "--out", "x"], "RUN is a run of jeat, not of at"),
        (["--config", ".", "--out", "x"], "name a METHOD"),
    ],
)
def test_a_run_that_is_none_is_refused_in_one_line(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "RUN").mkdir()
    plan, _ = check_run(plan_of("jeat"), tmp_path / "no", resume=False)
    (tmp_path / "RUN/run.json").write_text(json.dumps({"plan": asdict(plan)}))
    assert main(["train", *words]) in (1, 2)
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_what_no_command_can_repeat_has_none(tmp_path, net):
    x, y = torch.rand(200, 1, 8, 8), torch.arange(200) % 10
    plan = replace(JEAT_PLAN, optimisation=replace(JEAT_PLAN.optimisation, epochs=1))
    for _ in fit(plan, tmp_path / "data", data=((x, y), (x, y))):
        pass
    for _ in fit(plan, tmp_path / "net", net=net):
        pass
    for place in ("data", "net"):
        assert "command" not in json.loads((tmp_path / place / "run.json").read_text())
        assert not (tmp_path / place / "config.yaml").exists()


def test_a_run_goes_on_from_any_folder(tmp_path, monkeypatch, capsys):
    """It keeps whole paths of what it was given by a path from where it began."""
    x, y = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8), np.arange(60) % 2
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    np.savez(tmp_path / "here/own.npz", images=x, labels=y)
    monkeypatch.chdir(tmp_path / "here")
    words = ["--data", "own.npz?validation=6", "--net", "convnet-4", "--batch_size", "16"]
    assert main(["train", "normal", *words, "--epochs", "1", "--out", "../run"]) == 0
    plan = json.loads((tmp_path / "run/run.json").read_text())["plan"]
    assert plan["data"] == f"{tmp_path}/here/own.npz?validation=6"
    again = ["train", "--resume", "--out", "../run", "--epochs", "2"]
    monkeypatch.chdir(tmp_path / "there")
    assert main(again) == 0
    monkeypatch.chdir(tmp_path / "here")
    for data in ("own.npz", "./own.npz", f"{tmp_path}/here/own.npz"):
        assert main([*again, "--data", f"{data}?validation=6"]) == 0
    capsys.readouterr()
    assert main([*again, "--data", "own.npz"]) == 1
    assert "other settings: data" in capsys.readouterr().err
    few = jeat.Plan("eb_jdat", objective={"unlabelled": "own.npz"})
    assert check_run(few, "new", resume=False)[0].objective["unlabelled"] == f"{Path.cwd()}/own.npz"
