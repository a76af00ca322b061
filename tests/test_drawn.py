"""What a run draws and tracks changes nothing in it, and is what it would be without a stop."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

import jeat
from jeat.cli import main
from jeat.data import load_data
from jeat.figures import rows
from jeat.nets import Spec, build
from jeat.runs import drawn, tracking
from jeat.runs.fit import fit
from jeat.samplers import Uniform
from jeat.training.plan import Plan

from .test_run import JEAT_PLAN, assert_same_run, figures

PLAN = replace(JEAT_PLAN, optimisation=replace(JEAT_PLAN.optimisation, epochs=0.75))
ITERATIONS = [3, 6, 8]  # every third, and the last


@pytest.fixture(scope="module", autouse=True)
def short():
    """Two images of three classes by five steps each."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(drawn, "COLUMNS", 2)
        patched.setattr(drawn, "CLASSES", 3)
        patched.setattr(drawn, "sample", partial(jeat.sample, steps=5))
        yield


def watched(**settings):
    return replace(PLAN, optimisation=replace(PLAN.optimisation, **settings))


def trained(plan, out, until=None, **how):
    for log in fit(plan, out, **how):
        if log.iteration == until:
            break  # nothing is saved here, as when the process is killed
    return out


def pictures(out):
    return {int(f.stem): f.read_bytes() for f in sorted((out / "drawn").glob("*"))}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return trained(PLAN, tmp_path_factory.mktemp("plain") / "run")


@pytest.fixture(scope="module")
def drawing(tmp_path_factory):
    return trained(watched(draw_every=3), tmp_path_factory.mktemp("drawing") / "run")


def test_a_run_that_draws_is_bit_for_bit_the_run_that_does_not(plain, drawing):
    assert_same_run(plain, drawing)
    assert [*pictures(drawing)] == ITERATIONS


def test_a_stopped_run_draws_what_it_would_have_drawn(drawing, tmp_path):
    """Stopped at 7, it goes on from 4: what it drew at 6 is drawn anew, and 5 never was."""
    out = trained(watched(draw_every=3), tmp_path / "run", until=7)
    (out / "drawn/00000005.png").write_bytes(b"of a run that went another way")
    (out / "drawn/00000007.123.part.png").write_bytes(b"half written")
    (out / "drawn/00000006.png").write_bytes(b"old")
    assert pictures(trained(watched(draw_every=3), out, resume=True)) == pictures(drawing)


def test_what_is_drawn_is_what_the_kept_net_samples_from_the_start_of_the_run(drawing):
    net, y = jeat.load(drawing), torch.tensor([0, 0, 3, 3, 6, 6])
    torch.manual_seed(PLAN.optimisation.seed)
    x = jeat.sample(net, y, steps=5)
    named = {str(k): x[y == k] for k in (0, 3, 6)}
    expected = rows(named, columns=2, gap=4)
    found = Image.open(drawing / "drawn/00000008.png")
    assert np.array_equal(np.asarray(found), np.asarray(expected))


def test_draw_every_is_no_other_run_and_goes_on_by_what_is_said_last(plain, tmp_path, capsys):
    out = trained(PLAN, tmp_path / "run", until=7)
    words = ["train", "--resume", "--out", str(out), "--draw_every", "5"]
    assert main(words) == 0
    assert_same_run(plain, out)
    assert [*pictures(out)] == [5, 8]


def test_a_net_that_draws_nan_leaves_no_picture_and_says_so(tmp_path):
    net = build(Spec("convnet-4", 1, (8, 8), tuple("abc"), {}))
    torch.nn.init.constant_(next(net.parameters()), float("nan"))
    with pytest.warns(UserWarning, match="no picture at iteration 3: .* NaN"):
        found = drawn.draw(tmp_path, 3, net, Uniform((1, 8, 8)), "abc", seed=0)
    assert found is None
    assert not [*tmp_path.rglob("*.png")]


# Tracking


def scalars(out):
    """{figure: [(iteration, value), ...]} as TensorBoard shows it, of figures of the log."""
    found = events(out)
    return {k: [(s.step, s.value) for s in found.Scalars(k)] for k in found.Tags()["scalars"]}


def events(out):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    everything = {"images": 0, "scalars": 0, "histograms": 0}
    found = accumulator.EventAccumulator(str(out / "tensorboard"), size_guidance=everything)
    return found.Reload()


def logged(out):
    found = {}
    for row in figures(out):
        for name, value in row.items():
            if name != "iteration":
                found.setdefault(name, []).append((row["iteration"], np.float32(value)))
    return found


def test_tensorboard_shows_the_log_without_gaps_or_doubles_after_a_kill(plain, tmp_path):
    pytest.importorskip("tensorboard")
    plan = watched(draw_every=3, track="tensorboard")
    out = trained(plan, tmp_path / "run", until=7)
    trained(plan, out, resume=True)
    assert_same_run(plain, out)
    assert scalars(out) == logged(out)
    found = events(out)
    assert [image.step for image in found.Images("drawn")] == ITERATIONS
    assert [h.step for h in found.Histograms("E/test")] == [5, 8]
    last = found.Histograms("E_y/drawn")[-1].histogram_value
    assert last.num == 6
    data = load_data("digits")
    with torch.no_grad():
        energies = jeat.energy.marginal_energy(jeat.load(out)(data.test.floats(20)[0]))
    shown = found.Histograms("E/test")[-1].histogram_value
    assert shown.sum / shown.num == pytest.approx(float(energies.mean()), rel=1e-5)


@pytest.mark.slow
def test_a_run_that_is_tracked_from_its_middle_on_has_its_beginning_too(plain, tmp_path):
    pytest.importorskip("tensorboard")
    out = trained(PLAN, tmp_path / "run", until=7)
    trained(watched(track="tensorboard"), out, resume=True)
    assert scalars(out) == logged(out)


def test_a_tracker_that_fails_is_said_once_and_training_goes_on(plain, tmp_path, monkeypatch):
    def failing(out, at):
        def send(iteration, seen):
            if iteration > 2:
                raise RuntimeError("the disk of events is full")

        return tracking._Open(send, at, lambda: None)

    monkeypatch.setattr(tracking, "_tensorboard", failing)
    monkeypatch.setattr(tracking, "find_spec", lambda name: name)
    with pytest.warns(UserWarning, match="tracks no more") as said:
        out = trained(watched(track="tensorboard"), tmp_path / "run")
    (line,) = [str(w.message) for w in said if "tracks no more" in str(w.message)]
    assert "RuntimeError: the disk of events is full" in line
    assert_same_run(plain, out)


@pytest.mark.slow
def test_trackio_has_the_log_once_whatever_was_lost_and_a_curve_each_time_it_went_back(
    plain, tmp_path, monkeypatch
):
    storage = pytest.importorskip("trackio.sqlite_storage")
    for module in ("trackio.sqlite_storage", "trackio.utils"):
        monkeypatch.setattr(f"{module}.TRACKIO_DIR", tmp_path / "trackio")
    plan = watched(draw_every=3, track="trackio")
    out = trained(plan, tmp_path / "run", until=7)
    trained(plan, out, resume=True)
    assert_same_run(plain, out)
    name = json.loads((out / "tracked.json").read_text())["name"]
    rows = storage.SQLiteStorage.get_logs(tracking.PROJECT, name)
    told = {row.pop("iteration"): row for row in figures(out)}
    assert [row["step"] for row in rows] == sorted({*told, *ITERATIONS})
    for row in rows:
        assert all(row[k] == v for k, v in told.get(row["step"], {}).items())
        assert ("drawn" in row) == (row["step"] in ITERATIONS)
    with tracking.tracked(out, plan, at=8, rollbacks=1):
        pass
    again = storage.SQLiteStorage.get_logs(tracking.PROJECT, f"{name}-back1")
    assert [row["step"] for row in again] == [row["step"] for row in rows]
    assert all(("drawn" in row) == (row["step"] in ITERATIONS) for row in again)


def test_a_tracker_that_is_not_installed_is_said_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)
    with pytest.raises(
        ValueError, match=r"track trackio needs trackio: pip install 'jeat\[trackio"
    ):
        next(fit(watched(track="trackio"), tmp_path / "run"))
    assert not (tmp_path / "run").exists()


# Validation


def test_validation_images_are_the_last_of_each_class_in_its_share_and_nothing_is_tested_on():
    whole, held = load_data("digits"), load_data("digits?validation=150")
    assert len(held.test) == 150
    share = whole.train.y.bincount() * 150 / len(whole.train)
    assert (held.test.y.bincount() - share).abs().max() < 1
    for k in range(10):
        of_class = whole.train.x[whole.train.y == k]
        parts = [split.x[split.y == k] for split in (held.train, held.test)]
        assert torch.equal(torch.cat(parts), of_class)
    with pytest.raises(ValueError, match=r"validation 1430 .* leaves class '0' none of its 142"):
        load_data("digits", validation=1430)


def test_accuracy_of_a_run_with_validation_is_said_to_be_that(tmp_path, capsys):
    words = ["train", "normal", "--net", "convnet-4", "--epochs", "0.2", "--validation", "100"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    assert "(validation accuracy 0." in capsys.readouterr().out
    plan = json.loads((tmp_path / "run/run.json").read_text())["plan"]
    assert Plan(**{k: plan[k] for k in ("method", "data")}).data == "digits?validation=100"
