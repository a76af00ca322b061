"""Which chain draws a method's images: tried on a grid, chosen by a rule that is written down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from jeat.jobs.drawing import Drawing
from jeat.jobs.measurement import Measurement
from jeat.recipes.paper._plain import Plain
from jeat.recipes.paper.words import judge_in_words
from jeat.report import Column, Summary, Table
from jeat.suites import Suite

__all__ = ["Chosen", "Steps", "chosen"]

SEED = 1000  # of the chains that are tried: no table of results has it
RULE = (
    "for each method the same chains are tried; they are ranked by KID in the features of each "
    "extractor, and the least mean rank is taken, of equal ones the smallest step"
)
COLUMNS = tuple(
    Column(f"{of}_kid", f"KID, {of}", f"in features of {what}", "lower", by_count=True)
    for of, what in {
        "judge": "the judge",
        "lite0": "EfficientNet-Lite0",
        "robust": "a net that was trained to be robust",
    }.items()
)


class Chosen(NamedTuple):
    """The chain that a method draws with, and its mean rank over extractors; 1 is the best."""

    step_size: float
    steps: int
    rank: float


@dataclass(frozen=True)
class Steps(Plain):
    """Chains of several steps and lengths for each method, alike, seen by several nets.

    Attributes:
        step_sizes, steps: every pair is tried.
        noise: of each.
        number: images of each class.
        robust: another net that looks at images, none of those that draw; None leaves it out.
        lite0: whether EfficientNet-Lite0 looks at them: the extra ``features``.
        compared: training images that generated ones are compared with.
        left_out: runs that draw with what the suite says.
    """

    step_sizes: Sequence[float]
    steps: Sequence[int]
    noise: float = 0.001
    number: int = 30
    robust: str | None = None
    lite0: bool = True
    compared: int | None = 2000
    left_out: frozenset[str] = frozenset()

    def drawings(self, suite: Suite, method: str, net: str, seed: int) -> dict[str, Drawing]:
        """A drawing a chain, all from the same starts."""
        if method in self.left_out:
            return {}
        how = suite.chain_of(method) | {"noise": self.noise}
        return {
            f"{size:g}x{steps}": Drawing(
                net, number=self.number, seed=SEED, **how | {"step_size": size, "steps": steps}
            )
            for size, steps in product(self.step_sizes, self.steps)
        }  # fmt: skip

    def measurements(
        self, suite: Suite, method: str, folder: Path, judge: str, seed: int
    ) -> dict[str, Measurement]:
        """Each drawing, by each net that looks."""
        found = {}
        for chain in self.drawings(suite, method, str(folder), seed):
            seen = Measurement(
                str(folder), ("sample_quality",), {}, number=self.number * suite.classes, seed=SEED,
                samples=str(folder / f"{chain}.safetensors"), judge=judge, compared=self.compared,
            )  # fmt: skip
            found[f"{chain}_judge"] = seen
            if self.lite0:
                how = {"sample_quality": {"features": "efficientnet-lite0"}}
                found[f"{chain}_lite0"] = replace(seen, settings=how, judge=None)
            if self.robust is not None:
                found[f"{chain}_robust"] = replace(seen, judge=self.robust)
        return found

    def measurements_of_judge(self, judge: str) -> dict[str, Measurement]:
        """The judge's accuracy."""
        return {"clean": Measurement(judge, ("accuracy",))}

    def name(self, method: str, what: str, figure: str) -> tuple[str, str]:
        """A row a method and chain, a column a net that looks."""
        chain, _, of = what.partition("_")
        row = f"{method} {chain}" if of else method
        return row, f"{of}_{figure.partition('_')[2]}" if of else figure

    def tables(self, suite: Suite, summary: Summary) -> Sequence[Table]:
        """A table a method."""
        tried = [f"{size:g}x{steps}" for size, steps in product(self.step_sizes, self.steps)]
        return [
            Table(f"Chains of {m}", "STEPxLENGTH.", COLUMNS, [f"{m} {chain}" for chain in tried])
            for m in suite.methods()
            if m not in self.left_out
        ]

    def words(
        self, suite: Suite, measured: Mapping[Path, dict[str, Any]], *, seeds: int
    ) -> dict[str, str]:
        """The rule, and what it chose."""
        figures: dict[str, dict[str, float]] = {}
        for file, m in measured.items():
            for figure, value in m["figures"].items():
                row, column = self.name(file.parents[1].name, file.stem, figure)
                figures.setdefault(row, {})[column] = value
        taken = chosen(figures)
        return {
            "data": suite.data,
            "rule": RULE,
            "chosen": "; ".join(
                f"{m} step {c.step_size:g}, {c.steps} steps (mean rank {c.rank:.2f})"
                for m, c in taken.items()
            ),
            "generated images": f"{self.number} of each class, chains of seed {SEED}, noise "
            f"{self.noise:g}; compared with {self.compared or 'all'} training images",
            "robust": self.robust or "none",
            "judge": judge_in_words(suite, measured),
        }

    def attacks_in_words(self) -> str:
        """Nothing is attacked."""
        return ""

    def smoke(self) -> "Steps":
        """The same of two short chains, without the weights of another library."""
        return replace(
            self, step_sizes=self.step_sizes[:2], steps=(1,), number=1, lite0=False, robust=None,
            compared=8,
        )  # fmt: skip


def chosen(figures: Mapping[str, Mapping[str, float]]) -> dict[str, Chosen]:
    """The chain of each method by the rule, from KIDs by ``"METHOD STEPxLENGTH"`` and extractor."""
    tried: dict[str, dict[tuple[float, int], list[float]]] = {}
    for row, kids in figures.items():
        method, _, chain = row.rpartition(" ")
        size, _, steps = chain.partition("x")
        values = [kids[c.name] for c in COLUMNS if c.name in kids]
        if method and values:
            tried.setdefault(method, {})[float(size), int(steps)] = values
    found = {}
    for method, values_of in tried.items():
        columns = [*zip(*values_of.values(), strict=True)]
        ranks = {
            chain: fmean(
                1 + sum(other < kid for other in column)
                for kid, column in zip(kids, columns, strict=True)
            )
            for chain, kids in values_of.items()
        }
        best = min(ranks, key=lambda chain: (ranks[chain], chain))
        found[method] = Chosen(*best, ranks[best])
    return found
