"""The page of verdicts is what its rule makes of the results."""

import random
from importlib import import_module
from itertools import product
from pathlib import Path

import pytest
from docs import contributions
from docs.claims import (
    CLAIMS,
    LEAST_SEEDS,
    Claim,
    at_equal_accuracy,
    is_number,
    of_a_pair,
    page,
    values_of,
    verdict,
)

ROOT = Path(__file__).parents[1]


def test_the_page_is_what_the_results_give():
    """Written by `python -m docs.claims`."""
    assert (ROOT / "docs/claims.md").read_text() == page()


@pytest.mark.parametrize(
    ("above", "below", "found"),
    [
        ((0.50, 0.52, 0.51), (0.40, 0.41, 0.42), "held"),
        ((0.40, 0.41, 0.42), (0.50, 0.52, 0.51), "failed"),
        ((0.50, 0.30, 0.51), (0.40, 0.41, 0.42), "undecided"),
        ((0.50, 0.52), (0.40, 0.41), "undecided"),
        ((0.5,) * 3, (0.5,) * 3, "undecided"),
    ],
)
def test_a_pair_is_decided_by_a_paired_test(above, below, found):
    assert of_a_pair(dict(enumerate(above)), dict(enumerate(below)))[0] == found


def test_only_seeds_that_both_have_count():
    above, below = {0: 0.5, 1: 0.6, 2: 0.7, 7: -9.0}, {0: 0.4, 1: 0.5, 2: 0.6001, 8: 9.0}
    found, told = of_a_pair(above, below)
    assert found == "held"
    assert "3 seeds" in told


def test_equal_methods_are_called_apart_as_rarely_as_the_level_says():
    rng, calls = random.Random(0), 0
    for _ in range(2000):
        a, b = ({s: rng.gauss(0, 1) for s in range(LEAST_SEEDS)} for _ in range(2))
        calls += of_a_pair(a, b)[0] != "undecided"
    assert abs(calls / 2000 - 0.05) < 4 * (0.05 * 0.95 / 2000) ** 0.5


@pytest.mark.parametrize(("middle", "found"), [(5.0, "held"), (20.0, "failed"), (0.9, "undecided")])
def test_a_claim_is_decided_by_all_of_its_pairs(middle, found):
    noise = (0.0, 0.3, -0.2)
    values = {
        "jfs": {
            "at": {s: 10 + e for s, e in enumerate(noise)},
            "jem": {s: middle - e for s, e in enumerate(noise)},
            "jeat": {s: 1 + e for s, e in enumerate(noise)},
        }
    }
    whole, why = verdict(Claim("", "", "jfs", "at > jem >= jeat"), values)
    assert whole == found
    assert "at - jem: " in why
    assert "jem - jeat: " in why


def test_every_claim_names_methods_and_columns_that_its_suite_can_have():
    from jeat.recipes.paper.tables import TABLES

    columns = {c for _, _, names in TABLES for c in names}
    for suite, claims in CLAIMS.values():
        made = import_module(f"jeat.recipes.{suite.replace('-', '_')}").suite()
        rows = {*made.methods(), *(f"{m}, Eq. 16" for m in made.methods())}
        for claim in claims:
            names = {*claim.order.replace(">=", ">").split(" > ")}
            assert {name for name in names if not is_number(name)} <= rows
            assert claim.column in columns | {"pgd_20_at_equal_accuracy"}


def test_results_that_are_not_there_decide_nothing():
    assert values_of("nowhere") == {}
    assert verdict(Claim("", "", "jfs", "at > jeat"), {})[0] == "undecided"


def test_a_number_in_an_order_stands_for_itself():
    values = {"pgd_20": {"normal": {0: 0.001, 1: 0.002, 2: 0.003}}}
    assert verdict(Claim("", "", "pgd_20", "0.1 > normal"), values)[0] == "held"
    assert verdict(Claim("", "", "pgd_20", "normal > 0.1"), values)[0] == "failed"


def test_at_equal_accuracy_at_is_stopped_where_it_last_rose_past_jeats():
    """It was at .65 twice: between .6 and .7 after 20 to 30 iterations, a quarter from the end."""
    course = {10: (0.70, 0.20), 20: (0.60, 0.30), 30: (0.70, 0.34), 40: (0.75, 0.50)}
    values = {"accuracy": {"jeat": {5: 0.675}}, "pgd_20": {"jeat": {5: 0.31}}}
    for i, (clean, robust) in course.items():
        values[f"test_accuracy@{i}"] = {"at": {5: clean}}
        values[f"test_robust_accuracy@{i}"] = {"at": {5: robust}}
    found = at_equal_accuracy(values)
    assert found["at"][5] == pytest.approx(0.33)
    assert found["jeat"] == {5: 0.31}


def test_where_at_was_never_as_accurate_nothing_is_compared():
    values = {
        "accuracy": {"jeat": {0: 0.9}}, "pgd_20": {"jeat": {0: 0.3}},
        "test_accuracy@1": {"at": {0: 0.5}}, "test_robust_accuracy@1": {"at": {0: 0.4}},
        "test_accuracy@2": {"at": {0: 0.6}}, "test_robust_accuracy@2": {"at": {0: 0.4}},
    }  # fmt: skip
    assert at_equal_accuracy(values) == {}


def planted(worth, noise):
    """Runs of the factorial of three seeds, whose factors add what ``worth`` says."""
    cells = [*product(*contributions.LEVELS)]
    of = {
        "-".join(cell): {s: sum(worth.get(level, 0) for level in cell) + noise[s] for s in range(3)}
        for cell in cells
    }
    assert {*of} == {*import_module("jeat.recipes.cifar10_factorial").suite().methods()}
    return of


def test_what_a_factor_is_worth_is_what_was_planted():
    """Noise of a seed is in both runs of a pair, so that it cancels."""
    worth = {"at": 0.3, "energy": 0.1, "ce": 0.15, "0.75": -0.05}
    accuracy = planted(worth, (0.5, 0.51, 0.48))
    scores = {name: {s: 2.0 ** (10 * v) for s, v in r.items()} for name, r in accuracy.items()}
    rows = contributions.rows({"pgd_20": accuracy, "jfs_calibrated": scores})
    cells = [(r["PGD-20"], r["JFS, calibrated"]) for r in rows]
    assert [c.split(" ± ") for c, _ in cells] == [
        ["+0.300", "0.000"], ["+0.100", "0.000"], ["+0.050", "0.000"], ["-0.050", "0.000"],
    ]  # fmt: skip
    ratios = [float(c.split()[1]) for _, c in cells]
    assert ratios == pytest.approx([8, 2, 2**0.5, 2**-0.5], rel=5e-3)


def test_the_error_of_what_a_factor_is_worth_is_that_of_its_mean_over_seeds():
    found = planted({}, (0, 0, 0))
    for name, of in found.items():
        of.update(dict(enumerate((0.1, 0.2, 0.3))) if name.endswith("-0.75") else {})
    cell = contributions.effect(found, "energy term: weight 0.75, not 0", ratio=False)
    assert cell == f"+0.200 ± {0.1 / 3**0.5:.3f}"


def test_what_cannot_be_said_of_a_factor_is_left_empty():
    found = planted({"at": 1.0}, (0, 0, 0))
    assert contributions.effect(found, "start: AT, not normal", ratio=True) == ""
    del found["at-ce-0"]
    assert contributions.effect(found, "start: AT, not normal", ratio=False) == ""
    assert contributions.effect({}, "start: AT, not normal", ratio=False) == ""
