"""Runs that leave nothing to train: a divergence is a result, and results outlast their nets."""

import base64
import json
import shutil
from dataclasses import replace

import pytest

from jeat.recipes.paper import Variants
from jeat.suites import Suite, reproduce
from jeat.training.health import DivergenceError
from jeat.training.plan import Optimisation, Plan, Recovery

SEEDS = 2
SHORT = Optimisation(epochs=0.01, batch_size=64, save_every=5)


def plan(method="normal", init=None, seed=0, lr=1e-3, **objective):
    o = replace(SHORT, seed=seed, lr=lr, epochs=0.5 if lr > 1 else SHORT.epochs)
    return Plan(
        method, net="convnet-4", init=init, objective=objective, optimisation=o,
        recovery=Recovery(tries=0),
    )  # fmt: skip


def suite_of(plans, **settings):
    return Suite(
        title="toy", about="", data="digits", plans=plans, judge="cifar10-judge",
        comparison=Variants(0.1, lite0=False, compared=8).smoke(),
        chain={"steps": 1}, per_class=1, shape=(1, 8, 8), classes=10, train_images=1437,
        **settings,
    )  # fmt: skip


def plans(out, seed):
    """A net, one that goes on from it, and one that diverges in the second seed."""
    return {
        "one": plan(seed=seed),
        "two": plan(init=str(out / "one"), seed=seed),
        "wild": plan(seed=seed, lr=1e9 if seed else 1e-3),
    }


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    """A net of digits that is there."""
    from jeat import fit

    out = tmp_path_factory.mktemp("judge") / "judge"
    list(fit(replace(plan(), net="convnet-8"), out))
    return str(out)


@pytest.fixture
def suite(judge):
    return replace(suite_of(plans, may_diverge=frozenset({"wild"})), judge=judge)


def stages(suite, out):
    return [p for p in reproduce(suite, out, seeds=SEEDS) if p.note not in ("", "done")]


def results(out):
    return json.loads((out / "results.json").read_text())


@pytest.fixture
def out(suite, tmp_path):
    stages(suite, tmp_path / "out")
    return tmp_path / "out"


def test_a_report_that_tests_no_orderings_has_no_list_of_them(out):
    """Of variants of one's own nothing was claimed."""
    page, tables = ((out / name).read_text() for name in ("report.html", "tables.md"))
    assert "<h1>toy</h1>" in page
    assert "orderings" not in page
    assert "orderings" not in tables


def test_a_run_that_diverges_is_a_result_and_the_others_go_on(out, suite):
    wild = {r["seed"]: r["value"] for r in results(out)["records"] if r["column"] == "diverged"}
    assert wild == {0: 0.0, 1: 1.0}
    assert results(out)["summary"]["wild"]["diverged"]["mean"] == 0.5
    others = {
        (r["method"], r["seed"]) for r in results(out)["records"] if r["column"] == "accuracy"
    }
    assert others == {("one", 0), ("one", 1), ("two", 0), ("two", 1), ("wild", 0)}
    why = json.loads((out / "seed1/wild/diverged.json").read_text())["why"]
    assert f"seed1/wild: {why}" in results(out)["warnings"]
    assert "training diverged: " in why
    assert "| wild " in (out / "tables.md").read_text()
    assert not stages(suite, out)[0].note.startswith("seed1/wild")


def test_the_report_begins_with_what_each_net_draws(out):
    picture = (out / "figures/drawn.png").read_bytes()
    page = (out / "report.html").read_text()
    assert page.index(base64.b64encode(picture).decode()) < page.index("<table")
    assert "What each net draws" in page


def test_a_run_that_may_not_diverge_stops_the_suite(suite, tmp_path):
    with pytest.raises(DivergenceError):
        stages(replace(suite, may_diverge=frozenset()), tmp_path)
    assert not (tmp_path / "seed1/wild/diverged.json").exists()


def drop_nets(run):
    shutil.rmtree(run / "checkpoints")
    (run / "eq17.safetensors").unlink()


def test_figures_outlast_their_nets(out, suite):
    before = results(out)
    for run in ("seed0/one", "seed0/two", "seed0/wild", "seed1/one", "seed1/two"):
        drop_nets(out / run)
    assert not stages(suite, out)
    again = results(out)
    assert again["records"] == before["records"]
    assert again["summary"] == before["summary"]


@pytest.mark.slow
def test_a_net_that_another_begins_from_is_asked_for(out, suite):
    """It is not as good as finished: it is begun anew, once the user has said so."""
    drop_nets(out / "seed1/one")
    shutil.rmtree(out / "seed1/two")
    with pytest.raises(FileNotFoundError, match="seed1/one/checkpoints is gone: put it back, or"):
        stages(suite, out)
    (out / "seed1/one/checkpoints").mkdir()
    trained = {p.note.split(":")[0] for p in stages(suite, out) if p.stage == "train"}
    assert trained == {"seed1/one", "seed1/two"}


@pytest.mark.slow
def test_a_figure_of_another_measurement_does_not_count(out, suite):
    drop_nets(out / "seed0/two")
    other = replace(suite, comparison=replace(suite.comparison, number=3))
    with pytest.raises((ValueError, FileNotFoundError), match="seed0/two"):
        stages(other, out)
