"""The page of verdicts, from ``results/``: ``python -m docs.claims`` writes claims.md.

The rule was written down before the figures of several seeds were there (:data:`RULE`).
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from scipy import stats

from docs import contributions
from docs.contributions import Values, mean_and_error
from jeat.report import table

HERE = Path(__file__).parent
RESULTS = HERE.parent / "results"
LEAST_SEEDS = 3
LEVEL = 0.95

RULE = f"""A claim orders methods in a figure, such as *a > b > c*. Of each pair, the difference of
the two methods with the same seed is taken, seed by seed. A pair **held** if the mean difference is
on the claimed side by a two-sided paired t-test at {LEVEL:.0%}, **failed** if it is on the other
side by that test, and is **undecided** if it is neither, or if there are fewer than {LEAST_SEEDS}
seeds. A claim held if all of its pairs held, failed if one failed, and is undecided otherwise. Of
*a >= b*, equal counts as undecided, too."""


@dataclass(frozen=True)
class Claim:
    """What is said, where, and what decides it: an order of methods in a column.

    A number in an order stands for itself.
    """

    said: str
    where: str
    column: str
    order: str


PAPER = "cifar10-cpu"
CLAIMS: dict[str, tuple[str, Sequence[Claim]]] = {
    "The paper's claims, on CIFAR-10 with two CPU cores": (
        PAPER,
        (
            Claim("Attacks on E(x, y) leave a normal net right on fewer than 1 image of 10",
                  "Table 1", "energy_pgd_20", "0.1 > normal"),
            Claim("Attacks on cross-entropy do, too", "Table 1", "pgd_20", "0.1 > normal"),
            Claim("An attack raises E(x, y) while AT trains", "Fig. 3", "delta_x_E_y", "at > 0"),
            Claim("The optimiser step lowers E(x_adv, y) while AT trains", "Fig. 3",
                  "delta_theta_E_y", "0 > at"),
            Claim("An attack raises E(x, y) less while JEAT trains", "Fig. 3", "delta_x_E_y",
                  "at > jeat"),
            Claim("Adversarial training flattens the energy; JEAT most", "Table 2", "jfs",
                  "normal > at > jem > jeat"),
            Claim("The same for E(x)", "Table 2", "mfs", "normal > at > jem > jeat"),
            Claim("Energy landscapes: from natural training to JEAT ever flatter", "Fig. 2",
                  "curvature_absolute", "normal > at > prejeat > jeat"),
            Claim("The lowest point is nearer to the data with JEAT", "Fig. 2",
                  "curvature_minimum_distance", "normal > at > prejeat"),
            Claim("From a robust classifier, Eq. 17 draws better than Eq. 16", "Fig. 4",
                  "lite0_kid", "at, Eq. 16 > at"),
            Claim("Images of JEAT are as good as JEM's, and better than AT's", "Table 2",
                  "lite0_kid", "at > jem >= jeat"),
            Claim("The same, by the judge", "Table 2", "judge_fid", "at > jem >= jeat"),
            Claim("PreJEAT draws better than AT", "Sec. 3.3", "lite0_kid", "at > prejeat"),
            Claim("JEAT is robust, JEM is not", "Table 3", "pgd_20", "jeat > jem"),
            Claim("JEM is more accurate than JEAT", "Table 3", "accuracy", "jem > jeat"),
        ),
    ),
    "The same, without the scale of the logits (not in the paper)": (
        PAPER,
        (
            Claim("JFS, calibrated", "Table 2", "jfs_calibrated", "normal > at > jem > jeat"),
            Claim("JFS, at unit spread of logits", "Table 2", "jfs_unit_spread",
                  "normal > at > jem > jeat"),
            Claim("MFS, calibrated", "Table 2", "mfs_calibrated", "normal > at > jem > jeat"),
            Claim("MFS, at unit spread of logits", "Table 2", "mfs_unit_spread",
                  "normal > at > jem > jeat"),
            Claim("PreJEAT is flatter than AT, calibrated", "Sec. 3.3", "jfs_calibrated",
                  "at > prejeat"),
        ),
    ),
    "JEAT beside the net that it begins from (not in the paper)": (
        PAPER,
        (
            Claim("JEAT costs clean accuracy", "", "accuracy", "at > jeat"),
            Claim("JEAT costs accuracy under PGD-20", "", "pgd_20", "at > jeat"),
            Claim("JEAT costs accuracy under AutoAttack", "", "auto_attack", "at > jeat"),
            Claim("JEAT is less robust than AT at equal clean accuracy", "",
                  "pgd_20_at_equal_accuracy", "at > jeat"),
            Claim("JEAT is worse calibrated", "", "ece", "jeat > at"),
            Claim("PreJEAT is less robust than AT of as many epochs", "", "pgd_20", "at > prejeat"),
        ),
    ),
    "What of JEAT comes from its start, its attack and its energy term (not in the paper)": (
        contributions.SUITE,
        (
            Claim("Robustness: from the start", "", "pgd_20",
                  "at-energy-0.75 > normal-energy-0.75"),
            Claim("Robustness: from the attack", "", "pgd_20", "at-energy-0.75 > at-none-0.75"),
            Claim("Robustness: not from the energy term", "", "pgd_20",
                  "at-energy-0 > at-energy-0.75"),
            Claim("Cross-entropy attacks give more of it", "", "pgd_20",
                  "at-ce-0.75 > at-energy-0.75"),
            Claim("Flatness, calibrated: from the energy term", "", "jfs_calibrated",
                  "at-energy-0 > at-energy-0.75"),
            Claim("Flatness, calibrated: from the start", "", "jfs_calibrated",
                  "normal-energy-0.75 > at-energy-0.75"),
            Claim("Flatness, calibrated: from the attack", "", "jfs_calibrated",
                  "at-none-0.75 > at-energy-0.75"),
            Claim("Images: from the energy term", "", "lite0_kid", "at-energy-0 > at-energy-0.75"),
            Claim("Images: from the start", "", "lite0_kid",
                  "normal-energy-0.75 > at-energy-0.75"),
            Claim("Images: from the attack", "", "lite0_kid", "at-none-0.75 > at-energy-0.75"),
        ),
    ),
}  # fmt: skip
"""{heading: (suite, claims)}"""


def values_of(suite: str) -> Values:
    """Every number of a suite's results; none where it has none yet."""
    file = RESULTS / suite / "results.json"
    found: dict[str, dict[str, dict[int, float]]] = {}
    for r in json.loads(file.read_text())["records"] if file.exists() else ():
        found.setdefault(r["column"], {}).setdefault(r["method"], {})[r["seed"]] = r["value"]
    if equal := at_equal_accuracy(found):
        found["pgd_20_at_equal_accuracy"] = equal
    return found


def at_equal_accuracy(values: Values) -> dict[str, dict[int, float]]:
    """Robust accuracy of JEAT, and of AT after the iteration at which it was as accurate on clean
    images: where its accuracy on test images last rose past JEAT's, between two evaluations.
    """
    found: dict[str, dict[int, float]] = {"at": {}, "jeat": {}}
    for seed, aimed in values.get("accuracy", {}).get("jeat", {}).items():
        passed = [
            (int(column.partition("@")[2]), rows["at"][seed], robust)
            for column, rows in values.items()
            if column.startswith("test_accuracy@") and seed in rows.get("at", {})
            for robust in [values[column.replace("accuracy", "robust_accuracy")]["at"][seed]]
        ]
        for (_, a, r), (_, b, s) in reversed([*pairwise(sorted(passed))]):
            if a <= aimed < b:
                found["at"][seed] = r + (s - r) * (aimed - a) / (b - a)
                found["jeat"][seed] = values["pgd_20"]["jeat"][seed]
                break
    return found if found["at"] else {}


def of_a_pair(above: Mapping[int, float], below: Mapping[int, float]) -> tuple[str, str]:
    """The verdict on above > below, and the difference that it rests on."""
    seeds = sorted(above.keys() & below.keys())
    differences = [above[s] - below[s] for s in seeds]
    if not seeds:
        return "undecided", "not measured"
    mean, error = mean_and_error(differences)
    if error is None or len(seeds) < LEAST_SEEDS:
        return "undecided", f"{mean:+.3g}, {len(seeds)} seed{'s' * (len(seeds) > 1)}"
    told = f"{mean:+.3g} ± {error:.2g}, {len(seeds)} seeds"
    half = error * float(stats.t.ppf((1 + LEVEL) / 2, len(seeds) - 1))
    if abs(mean) <= half:
        return "undecided", told
    return ("held" if mean > 0 else "failed"), told


def is_number(name: str) -> bool:
    """Whether a name in an order stands for itself."""
    return name.replace(".", "", 1).isdigit()


def verdict(claim: Claim, values: Values) -> tuple[str, str]:
    """The verdict on a claim, and the differences of its pairs."""
    names = re.split(" >=? ", claim.order)
    rows = values.get(claim.column, {})
    seeds = {seed for name in names for seed in rows.get(name, {})}

    def of(name: str) -> Mapping[int, float]:
        return dict.fromkeys(seeds, float(name)) if is_number(name) else rows.get(name, {})

    pairs = [(f"{a} - {b}", *of_a_pair(of(a), of(b))) for a, b in pairwise(names)]
    found = {of for _, of, _ in pairs}
    whole = "failed" if "failed" in found else "held" if found == {"held"} else "undecided"
    return whole, "; ".join(f"{names}: {told}" for names, _, told in pairs)


def page() -> str:
    """The page in Markdown."""
    parts = [
        "# Which claims held\n\n<!-- written by python -m docs.claims -->\n",
        "Each claim of the paper that this library can test on a small net, and some that a "
        "sceptic would ask for, with the verdict that `results/` gives. A net here has 0.7 million "
        "weights, fifty times fewer than the paper's, so a claim that failed here may hold at the "
        "paper's size, and the other way round.\n",
        f"**The rule.** {RULE}\n",
        "Robust accuracies are upper bounds: no attack finds all adversarial examples, AutoAttack "
        "included. Errors are standard errors of the mean difference over seeds. AT at equal clean "
        "accuracy is AT stopped early: its accuracies after each epoch, on 1,000 test images, "
        "interpolated at the clean accuracy that JEAT has.\n",
    ]
    for heading, (suite, claims) in CLAIMS.items():
        values, rows = values_of(suite), []
        for claim in claims:
            found, why = verdict(claim, values)
            rows.append({
                "claim": claim.said, "where": claim.where,
                "figure": f"`{claim.column}`: {claim.order}", "verdict": f"**{found}**",
                "differences": why,
            })  # fmt: skip
        known = "" if values else " It was not run yet."
        parts.append(
            f"## {heading}\n\nFrom `results/{suite}/results.json`.{known}\n\n{table(rows)}\n"
        )
        if suite == contributions.SUITE and values:
            parts.append(f"{contributions.ABOUT}\n\n{table(contributions.rows(values))}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    (HERE / "claims.md").write_text(page())
