"""File systems that cannot do everything; the mode of files; what a kill at the very end leaves."""

import errno
import fcntl
import os
import stat
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

import jeat
from jeat._support.files import say_unsupported
from jeat.cli import main
from jeat.data import load_data
from jeat.nets import save_net
from jeat.nets.places import checkpoints
from jeat.runs import save as saving
from jeat.runs.fit import fit
from jeat.sweeps.study import opened
from jeat.sweeps.sweep import Sweep

from .test_run import JEAT_PLAN, assert_same_run

NUMBERS = [errno.EINVAL, errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP]


def run(out, **how):
    for _ in fit(JEAT_PLAN, out, **how):
        pass
    return out


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return run(tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture
def failing(monkeypatch):
    """A function that has ``fsync`` or ``flock`` fail with an error's number."""

    def fail(what, number):
        def raising(*_):
            raise OSError(number, os.strerror(number))

        say_unsupported.cache_clear()
        monkeypatch.setattr(os if what == "fsync" else fcntl, what, raising)

    yield fail
    say_unsupported.cache_clear()


@pytest.mark.parametrize("number", NUMBERS, ids=errno.errorcode.get)
@pytest.mark.parametrize("what", ["fsync", "flock"])
def test_a_file_system_that_cannot_sync_or_lock_is_written_and_said_once(
    whole, failing, tmp_path, what, number
):
    failing(what, number)
    with pytest.warns(UserWarning, match=f"does not support {what}") as said:
        run(tmp_path / "run")
    assert len([w for w in said if "does not support" in str(w.message)]) == 1
    assert_same_run(tmp_path / "run", whole)
    with warnings.catch_warnings(action="error"):
        run(tmp_path / "run", resume=True)


@pytest.mark.parametrize("what", ["fsync", "flock"])
def test_other_errors_of_the_disk_are_errors(failing, tmp_path, what):
    failing(what, errno.EIO)
    with pytest.raises(OSError, match="error"):
        run(tmp_path / "run")


def test_commands_write_where_nothing_can_be_synced(failing, whole, tmp_path, capsys):
    failing("fsync", errno.ENOSYS)
    assert main(["sample", str(whole), str(tmp_path / "x.png"), "-n", "1", "--steps", "1"]) == 0
    said = capsys.readouterr().err
    assert said.count("jeat: warning: the file system does not support fsync") == 1
    assert (tmp_path / "x.png").stat().st_size


def test_a_folder_in_use_is_still_refused_where_it_can_be_locked(whole, tmp_path):
    logs = fit(JEAT_PLAN, tmp_path / "run")
    next(logs)
    with pytest.raises(BlockingIOError, match="another process"):
        next(fit(JEAT_PLAN, tmp_path / "run", resume=True))
    logs.close()


@pytest.fixture(params=[0o022, 0o077, 0o002])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_files_have_the_mode_that_the_user_gives_files(umask, whole, tmp_path, monkeypatch):
    monkeypatch.setenv("JEAT_CACHE", str(tmp_path / "cache"))
    for i in range(20):
        place = tmp_path / "set" / "ab"[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4), i, np.uint8)).save(place / f"{i}.png")
    load_data(tmp_path / "set")
    made = tmp_path / "made"
    logs = fit(JEAT_PLAN, made / "run")
    while next(logs).iteration < JEAT_PLAN.optimisation.save_every:
        pass
    logs.close()
    save_net(jeat.load(whole), None, made / "net.safetensors", about={})
    net, tiny = str(whole), ["-n", "1", "--steps", "1"]
    assert main(["sample", net, str(made / "x.png"), *tiny]) == 0
    assert main(["sample", net, str(made / "x.safetensors"), *tiny]) == 0
    assert main(["attack", net, "--out", str(made / "x.npz"), "-n", "4", "--steps", "1"]) == 0
    words = ["--metrics", "accuracy", "-n", "4", "--out", str(made / "x.json")]
    assert main(["measure", net, *words]) == 0
    assert main(["landscape", net, str(made / "y.png"), "--points", "3"]) == 0
    files = [f for top in (made, tmp_path / "cache") for f in top.rglob("*") if f.is_file()]
    assert {".json", ".jsonl", ".npz", ".png", ".safetensors"} <= {f.suffix for f in files}
    for file in files:
        if file.name != ".lock":
            assert stat.S_IMODE(file.stat().st_mode) == 0o666 & ~umask, file


def test_a_sweep_has_the_mode_that_the_user_gives_files(umask, tmp_path):
    pytest.importorskip("optuna")
    out = tmp_path / "sweep"
    out.mkdir()
    opened(out, Sweep({}, seeds=1))
    assert stat.S_IMODE((out / "sweep.db").stat().st_mode) == 0o666 & ~umask


class KilledError(BaseException):
    """What no clean-up may survive."""


@pytest.mark.parametrize("at", ["the last rename", "the removal"])
def test_a_run_killed_at_its_very_last_rename_is_swept_when_it_is_opened_again(
    whole, tmp_path, monkeypatch, at
):
    out, total = tmp_path / "run", int(checkpoints(whole)[-1].name)

    def kill(*_):
        if at == "the removal":
            place = checkpoints(out)[0]
            place.rename(place.with_suffix(".part"))
        raise KilledError

    logs = fit(JEAT_PLAN, out)
    while next(logs).iteration < total - 1:
        pass
    monkeypatch.setattr(saving, "removed", kill)
    with pytest.raises(KilledError):
        next(logs)
    left = sorted(p.name for p in (out / "checkpoints").iterdir())
    assert len(left) == 3
    assert int(left[-1]) == total
    run(out, resume=True)
    assert [p.name for p in sorted((out / "checkpoints").iterdir())] == [
        p.name for p in checkpoints(whole)
    ]
    assert_same_run(out, whole)


def test_a_finished_run_that_may_not_be_written_is_left_as_it_is(whole, monkeypatch):
    before = sorted((p, p.stat().st_mtime_ns) for p in whole.rglob("*"))
    extra = whole / "checkpoints" / "00000001.part"
    extra.mkdir()
    monkeypatch.setattr("jeat.runs.fit.drop_leftovers", lambda _: (_ for _ in ()).throw(OSError()))
    run(whole, resume=True)
    extra.rmdir()
    assert sorted(whole.rglob("*")) == [p for p, _ in before]


def test_tensors_are_written_over_a_file_of_another_mode(tmp_path, whole):
    file = tmp_path / "net.safetensors"
    file.write_bytes(b"")
    file.chmod(0o640)
    save_net(jeat.load(whole), None, file, about={})
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert torch.equal(*(next(jeat.load(f).parameters()) for f in (file, whole)))
