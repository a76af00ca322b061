"""What each factor of :data:`SUITE` is worth, from its results: a table of claims.md."""

import math
from collections.abc import Mapping, Sequence
from itertools import product
from statistics import fmean, stdev

Values = Mapping[str, Mapping[str, Mapping[int, float]]]  # column -> method -> seed -> value

SUITE = "cifar10-factorial"
LEVELS = (("at", "normal"), ("none", "energy", "ce"), ("0", "0.75"))
FACTORS = {  # the place in START-ATTACK-WEIGHT, and the levels that are compared
    "start: AT, not normal": (0, "at", "normal"),
    "attack: on E(x, y), not none": (1, "energy", "none"),
    "attack: on cross-entropy, not E(x, y)": (1, "ce", "energy"),
    "energy term: weight 0.75, not 0": (2, "0.75", "0"),
}
FIGURES = {  # heading: the figure, and whether its effect is a ratio
    "clean": ("accuracy", False),
    "PGD-20": ("pgd_20", False),
    "APGD": ("apgd-ce+apgd-t", False),
    "JFS, calibrated": ("jfs_calibrated", True),
    "MFS, calibrated": ("mfs_calibrated", True),
    "KID, EfficientNet-Lite0": ("lite0_kid", True),
    "FID, judge": ("judge_fid", True),
}
ABOUT = f"""The main effects, over all {math.prod(map(len, LEVELS))} cells: two runs that differ in
one factor alone are compared, with the same seed, and the comparisons of a seed are averaged.
Accuracies are differences; scores and distances are ratios, averaged as logarithms. Errors are
standard errors over seeds. A cell is empty where a score is not positive or a run is missing."""


def mean_and_error(values: Sequence[float]) -> tuple[float, float | None]:
    """The mean, and its standard error where there are several."""
    several = len(values) > 1
    return fmean(values), stdev(values) / math.sqrt(len(values)) if several else None


def pairs_of(place: int, level: str, other: str) -> list[tuple[str, str]]:
    """Runs with a level of a factor, and those with another that are else the same."""
    rest = [levels for i, levels in enumerate(LEVELS) if i != place]
    made = [[*cell[:place], "{}", *cell[place:]] for cell in product(*rest)]
    return [("-".join(c).format(level), "-".join(c).format(other)) for c in made]


def effect(found: Mapping[str, Mapping[int, float]], factor: str, *, ratio: bool) -> str:
    """A factor's mean effect on a figure, with its error over seeds."""
    pairs = pairs_of(*FACTORS[factor])
    known = [{*found.get(name, {})} for pair in pairs for name in pair]
    of_seeds = []
    for seed in sorted(set.intersection(*known)):
        values = [(found[a][seed], found[b][seed]) for a, b in pairs]
        if ratio and min(min(pair) for pair in values) <= 0:
            return ""
        of_seeds.append(fmean(math.log(a / b) if ratio else a - b for a, b in values))
    if not of_seeds:
        return ""
    mean, error = mean_and_error(of_seeds)
    if ratio:
        mean, error = math.exp(mean), error and math.exp(mean) * error
        return f"x {mean:.3g}" + (f" ± {error:.2g}" if error is not None else "")
    return f"{mean:+.3f}" + (f" ± {error:.3f}" if error is not None else "")


def rows(values: Values) -> list[dict[str, str]]:
    """A row a factor, a cell a figure."""
    return [
        {"factor": factor}
        | {title: effect(values.get(c, {}), factor, ratio=r) for title, (c, r) in FIGURES.items()}
        for factor in FACTORS
    ]
