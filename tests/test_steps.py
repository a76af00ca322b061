"""The chain that draws a method's images is chosen by the rule that is written down."""

import json

import pytest

from jeat.recipes import cifar10_steps
from jeat.recipes.paper import Steps
from jeat.recipes.paper.steps import Chosen, chosen
from jeat.suites import Suite, reproduce
from jeat.training.plan import Optimisation, Plan


def kids(**by_extractor):
    return {f"{of}_kid": value for of, value in by_extractor.items()}


def test_the_least_mean_rank_is_taken():
    found = chosen({
        "at 1x20": kids(judge=0.1, lite0=9.0, robust=0.3),  # ranks 1, 3, 2
        "at 2x20": kids(judge=0.2, lite0=7.0, robust=0.2),  # ranks 2, 1, 1
        "at 4x20": kids(judge=0.3, lite0=8.0, robust=0.4),  # ranks 3, 2, 3
    })  # fmt: skip
    assert found == {"at": Chosen(2.0, 20, pytest.approx(4 / 3))}


def test_no_extractor_counts_more_for_its_scale():
    far = {"at 1x20": kids(judge=1.0, lite0=1e9), "at 2x20": kids(judge=2.0, lite0=0.0)}
    assert chosen(far)["at"].rank == 1.5


def test_of_equal_ranks_the_smallest_step_is_taken():
    found = chosen({
        "at 2x20": kids(judge=0.1, lite0=2.0),
        "at 1x40": kids(judge=0.2, lite0=1.0),
        "at 1x20": kids(judge=0.3, lite0=3.0),
    })  # fmt: skip
    assert found["at"][:2] == (1.0, 40)


def test_each_method_has_its_own_and_other_rows_count_nothing():
    found = chosen({
        "at 1x20": kids(judge=1.0),
        "at 2x20": kids(judge=0.5),
        "jeat, Eq. 16 1x20": kids(judge=0.1),
        "judge": {"accuracy": 0.9},
    })  # fmt: skip
    assert {m: c.step_size for m, c in found.items()} == {"at": 2.0, "jeat, Eq. 16": 1.0}


@pytest.fixture
def suite():
    o = Optimisation(epochs=0.01, batch_size=64)

    def plans(out, seed):
        return {m: Plan("normal", net="convnet-4", optimisation=o) for m in ("one", "noise-8")}

    return Suite(
        title="toy", about="", data="digits", plans=plans,
        judge=Plan("normal", net="convnet-8", optimisation=o),
        comparison=Steps((0.1, 0.5, 1.0), (1, 2), left_out=frozenset({"noise-8"})).smoke(),
        chain={"steps": 1}, per_class=1, shape=(1, 8, 8), classes=10, train_images=1437,
    )  # fmt: skip


def test_every_chain_is_drawn_alike_and_the_report_says_what_was_chosen(suite, tmp_path):
    list(reproduce(suite, tmp_path, seeds=1))
    results = json.loads((tmp_path / "results.json").read_text())
    tried = [
        r
        for r in results["records"]
        if r["method"] != "judge" and not r["file"].endswith("log.jsonl")
    ]
    assert {r["method"] for r in tried} == {"one 0.1x1", "one 0.5x1"}
    commands = [r["drawing"] for r in tried]
    assert all("--seed 1000" in c and "--noise 0.001" in c for c in commands)
    best = min(("0.1", "0.5"), key=lambda s: results["summary"][f"one {s}x1"]["judge_kid"]["mean"])
    assert f"one step {best}, 1 steps" in results["protocol"]["chosen"]
    assert f"| one {best}x1" in (tmp_path / "tables.md").read_text()


def test_the_steps_recipe_tries_the_same_chains_for_each_method_of_cifar10_cpu():
    suite = cifar10_steps.suite()
    tried = {
        method: [
            (d.step_size, d.steps, d.noise, d.seed, d.number)
            for d in suite.comparison.drawings(suite, method, "NET", 0).values()
        ]
        for method in suite.methods()
    }
    assert {m for m, chains in tried.items() if not chains} == {"noise-8", "noise-16", "noise-24"}
    assert len({tuple(chains) for chains in tried.values() if chains}) == 1
