"""What a suite is: which runs, and how their nets are drawn, measured and shown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from jeat._support.checks import SettingError, quoted
from jeat._support.signatures import check_takes
from jeat.jobs.drawing import Drawing
from jeat.jobs.measurement import Measurement
from jeat.report import Figure, Summary, Table
from jeat.training.plan import Plan

__all__ = ["JUDGE", "Comparison", "Suite", "drawings", "measurements", "runs"]

JUDGE = "judge"  # the run, beside those of the seeds, that looks at images


@runtime_checkable
class Comparison(Protocol):
    """How the nets of a suite are drawn, measured and shown: ``jeat.recipes.paper.Paper`` is one.

    ``method`` is the name of a run in the suite's plans, ``what`` that of a drawing or measurement.
    """

    def check(self, suite: "Suite") -> None:
        """Raise where something that is needed at the end is not there, or means nothing."""

    def drawings(self, suite: "Suite", method: str, net: str, seed: int) -> dict[str, Drawing]:
        """The images to draw from the net of a run."""

    def measurements(
        self, suite: "Suite", method: str, folder: Path, judge: str, seed: int
    ) -> dict[str, Measurement]:
        """What to measure of the net of a run, whose images lie in ``folder``."""

    def measurements_of_judge(self, judge: str) -> dict[str, Measurement]:
        """What to measure of the judge."""

    def name(self, method: str, what: str, figure: str) -> tuple[str, str]:
        """The row and the column of a figure."""

    def tables(self, suite: "Suite", summary: Summary) -> Sequence[Table]:
        """The tables of the report."""

    def claims(self, suite: "Suite") -> Sequence[tuple[str, str, str]]:
        """Orderings to test: (column, such as ``"a >= b > c"``, what it is)."""

    def shows(self, seed: int) -> bool:
        """Whether pictures of the report are made of the nets and images of a seed."""

    def figures(self, suite: "Suite", out: Path) -> list[Figure]:
        """The pictures of the report, drawn into ``out/figures``."""

    def words(
        self, suite: "Suite", measured: Mapping[Path, dict[str, Any]], *, seeds: int
    ) -> dict[str, str]:
        """How the numbers were obtained, in words."""

    def attacks_in_words(self) -> str:
        """What a card says of the attacks behind its figures, as the end of a sentence."""

    def smoke(self) -> "Comparison":
        """The same on a few images."""


@dataclass(frozen=True)
class Suite:
    """What is trained, and how it is compared.

    Attributes:
        title, about: of the report.
        data: data set of every run.
        plans: (folder of a seed, seed) -> runs by method, in the order they need each other.
        judge: the classifier that looks at generated images, to be trained, with a seed of its own;
            or a net that is there, by name.
        comparison: how nets are drawn, measured and shown.
        chain: settings of :class:`jeat.jobs.drawing.Drawing` for generated images.
        per_class: generated images of each class.
        shape, classes, train_images: of the data, for the dry run, which loads none.
        chains: which settings of the chain are different, by method.
        models: the nets of seed 0 are handed on as NAME-METHOD, with a card; "" hands on none.
        licence: of the data, for those cards.
        may_diverge: runs whose divergence is a result: the others go on, and the report says it.
    """

    title: str
    about: str
    data: str
    plans: Callable[[Path, int], dict[str, Plan]]
    judge: Plan | str
    comparison: Comparison
    chain: Mapping[str, Any]
    per_class: int
    shape: tuple[int, int, int]
    classes: int
    train_images: int
    chains: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    models: str = ""
    licence: str = ""
    may_diverge: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        check_takes(self.plans, f"plans of suite {self.title!r}", "out", "seed")
        known = [f.name for f in fields(Drawing)]
        for own in (self.chain, *self.chains.values()):
            if unknown := [k for k in own if k not in known]:
                raise SettingError(
                    f"the chain of suite {self.title!r} has no setting {quoted(unknown[0])}: it "
                    f"has {', '.join(known[1:])}"
                )

    def plans_of(self, folder: Path, seed: int) -> dict[str, Plan]:
        """The runs of a seed.

        Raises:
            SettingError: the recipe gives none, or something else.
        """
        found: object = self.plans(folder, seed)
        right = isinstance(found, dict) and all(isinstance(p, Plan) for p in found.values())
        if not isinstance(found, dict) or not found or not right:
            raise SettingError(
                f"plans of suite {self.title!r} must return {{run: jeat.Plan(...)}}, got "
                f"{quoted(found)}"
            )
        return found

    def chain_of(self, method: str) -> dict[str, Any]:
        """The chain of a method's images."""
        return dict(self.chain) | dict(self.chains.get(method, {}))

    def methods(self) -> list[str]:
        """The names of the runs of a seed."""
        return [*self.plans_of(Path(), 0)]

    def first(self) -> tuple[str, int]:
        """The name and the seed of the first run; most suites count seeds from 0."""
        name, plan = next(iter(self.plans_of(Path(), 0).items()))
        return name, plan.optimisation.seed


def runs(suite: Suite, out: Path, *, seeds: int) -> dict[str, Plan]:
    """Every training run, by its folder in ``out``."""
    found = {JUDGE: suite.judge} if isinstance(suite.judge, Plan) else {}
    for seed in range(seeds):
        place = out / f"seed{seed}"
        plans = suite.plans_of(place, seed)
        found |= {f"seed{seed}/{method}": plan for method, plan in plans.items()}
    return found


def drawings(suite: Suite, out: Path, *, seeds: int) -> dict[Path, Drawing]:
    """Every drawing of images, by the file that holds them."""
    return {
        out / name / f"{what}.safetensors": drawing
        for name, plan in runs(suite, out, seeds=seeds).items()
        if name != JUDGE
        for what, drawing in suite.comparison.drawings(
            suite, Path(name).name, str(out / name), plan.optimisation.seed
        ).items()
    }


def measurements(suite: Suite, out: Path, *, seeds: int) -> dict[Path, Measurement]:
    """Every measurement, by the file that holds it."""
    judge = str(out / JUDGE) if isinstance(suite.judge, Plan) else suite.judge
    found: dict[Path, Measurement] = {}
    for name, plan in runs(suite, out, seeds=seeds).items():
        own = (
            suite.comparison.measurements_of_judge(judge)
            if name == JUDGE
            else suite.comparison.measurements(
                suite, Path(name).name, out / name, judge, plan.optimisation.seed
            )
        )
        found |= {out / name / f"figures/{what}.json": m for what, m in own.items()}
    return found
