"""How variants of a training are compared: a few measures of each, a table a question."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from jeat.data import load_data
from jeat.jobs.drawing import Drawing
from jeat.jobs.measurement import Measurement
from jeat.recipes.paper._balls import ball_in_words, settings_of_ball
from jeat.recipes.paper._plain import Plain
from jeat.recipes.paper.figures import drawn_by_each
from jeat.recipes.paper.shown import Shown
from jeat.recipes.paper.tables import ATTACKS, columns
from jeat.recipes.paper.words import chains_in_words, judge_in_words, run_in_words
from jeat.report import Column, Figure, Summary, Table
from jeat.suites import Suite

__all__ = ["Variants"]

DRAWN = "eq17"
EXTRACTORS = {"judge": {}, "lite0": {"features": "efficientnet-lite0"}}
RULERS = {"test": "test images", "start": "starts"}
TABLES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "Accuracy and robustness",
        "AutoAttack, or the named part of it, is an upper bound of robust accuracy.",
        ("diverged", "accuracy", "pgd_20", "auto_attack", "apgd-ce+apgd-t", "apgd-ce", "ece"),
    ),
    (
        "Flatness",
        "JFS and MFS as they are, with logits calibrated on training images, and at unit spread "
        "of logits; the last two do not depend on the scale of the logits.",
        (
            "jfs", "jfs_calibrated", "jfs_unit_spread", "mfs", "mfs_calibrated",
            "mfs_unit_spread", "curvature_absolute_calibrated", "temperature", "logit_spread",
        ),
    ),
    (
        "Images",
        "By two nets that look at them, beside test images and the starts of the chains.",
        (
            "judge_fid", "judge_fid_error", "judge_kid", "judge_kid_error", "judge_swd",
            "judge_density", "judge_coverage", "judge_accuracy", "lite0_kid", "lite0_kid_error",
            "lite0_swd", "lite0_swd_error", "lite0_density", "lite0_coverage", "contrast",
            "saturated", "total_variation",
        ),
    ),
    (
        "Density and cost",
        "How well scores tell test images from images of other classes; bits per dimension of test "
        "images, where a net knows its density; and minutes of training, without the net that it "
        "goes on from.",
        (
            "ood_auroc_energy", "ood_auroc_confidence", "ood_auroc_gradient",
            "bits_per_dimension", "bits_per_dimension_error", "minutes",
        ),
    ),
)  # fmt: skip
OWN = (
    *ATTACKS,
    Column("apgd-ce+apgd-t", "APGD", "the first two parts of AutoAttack", "higher", share=True),
    Column("ood_auroc_energy", "AUROC energy", "of -E(x)", "higher"),
    Column("minutes", "minutes", "of training, one thread of a shared machine", "lower"),
    Column("diverged", "diverged", "share of the seeds whose training diverged", "lower"),
)


@dataclass(frozen=True)
class Variants(Plain):
    """Variants of a training, measured alike, and what they draw.

    Attributes:
        eps: attack radius of every measurement, in [0, 1] pixels.
        norm: the norm that it is measured in.
        number: test images of accuracy, PGD, AutoAttack and flatness, spread evenly.
        attacks: the part of AutoAttack that is run; None is the standard set.
        not_attacked: runs that are left out of AutoAttack.
        lite0: whether EfficientNet-Lite0 looks at images, too: the extra ``features``.
        compared: training images that generated ones are compared with; None is all of them.
        outside: the out-of-distribution set, as of :class:`jeat.jobs.measurement.Measurement`; None
            leaves it out.
        some: metrics of some methods alone, by method.
        settings: further settings of metrics, by name.
    """

    eps: float
    norm: Literal["linf", "l2", "l1"] = "linf"
    number: int = 1000
    attacks: str | None = None
    not_attacked: frozenset[str] = frozenset()
    lite0: bool = True
    compared: int | None = None
    outside: str | None = None
    some: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def drawings(self, suite: Suite, method: str, net: str, seed: int) -> dict[str, Drawing]:
        """Images by Eq. 17."""
        return {DRAWN: Drawing(net, number=suite.per_class, seed=seed, **suite.chain_of(method))}

    def measurements(
        self, suite: Suite, method: str, folder: Path, judge: str, seed: int
    ) -> dict[str, Measurement]:
        """What is measured of a net; of the first one of the first seed the two rulers, too."""
        net = str(folder)
        found = {
            "clean": self._measurement(net, seed, "accuracy", "calibration"),
            "pgd_20": self._measurement(
                net, seed, "robust_accuracy", robust_accuracy={"steps": 20}
            ),
            "flatness": self._measurement(net, seed, "fisher_score", "flatness"),
        }
        if method not in self.not_attacked:
            how = {"attacks": self.attacks}
            found["auto_attack"] = self._measurement(net, seed, "auto_attack", auto_attack=how)
        if self.outside is not None:
            told_apart = self._measurement(net, seed, "out_of_distribution")
            found["outside"] = replace(told_apart, outside=self.outside)
        if method in self.some:
            found["some"] = self._measurement(net, seed, *self.some[method])
        sources = {DRAWN: str(folder / f"{DRAWN}.safetensors")}
        if (method, seed) == suite.first():
            sources |= {ruler: ruler for ruler in RULERS}
        n = suite.per_class * suite.classes
        for source, samples in sources.items():
            for extractor in EXTRACTORS if self.lite0 else ("judge",):
                metrics: tuple[str, ...] = ("sample_quality",)
                if extractor == "judge":
                    metrics = ("judge_accuracy", "sample_quality", "image_statistics")
                found[f"{source}_{extractor}"] = replace(
                    self._measurement(net, seed, *metrics, sample_quality=EXTRACTORS[extractor]),
                    number=n, samples=samples, compared=self.compared,
                    judge=judge if extractor == "judge" else None,
                )  # fmt: skip
        return found

    def measurements_of_judge(self, judge: str) -> dict[str, Measurement]:
        """The judge's accuracy."""
        return {"clean": Measurement(judge, ("accuracy",), number=self.number)}

    def name(self, method: str, what: str, figure: str) -> tuple[str, str]:
        """Accuracy under PGD is named by the attack; the rulers have rows of their own."""
        source, _, _ = what.partition("_")
        return RULERS.get(source, method), what if figure == "robust_accuracy" else figure

    def tables(self, suite: Suite, summary: Summary) -> Sequence[Table]:
        """A table a question."""
        rows = [*suite.methods(), *RULERS.values()]
        return [Table(title, note, columns(*names, own=OWN), rows) for title, note, names in TABLES]

    def figures(self, suite: Suite, out: Path) -> list[Figure]:
        """Images of the first seed, into ``out/figures``, where there are any."""
        place = out / "figures"
        place.mkdir(exist_ok=True)
        shown = Shown(
            out / "seed0", suite.methods(), load_data(suite.data), place, self.eps, self.norm,
            0.0, 0, self.compared,
        )  # fmt: skip
        figure = drawn_by_each(shown)
        return [] if figure is None else [figure]

    def words(
        self, suite: Suite, measured: Mapping[Path, dict[str, Any]], *, seeds: int
    ) -> dict[str, str]:
        """How the numbers were obtained, in words."""
        every = suite.plans_of(Path(), 0)
        n = suite.per_class * suite.classes
        return {
            "data": suite.data,
            "training": "; ".join(run_in_words(m, p) for m, p in every.items()),
            "seeds": f"{seeds} (0 to {seeds - 1}): of training, attacks, starts and noise; means "
            "and sample standard deviations over seeds",
            "accuracy, PGD-20, ECE, flatness": f"{self.number} test images, spread evenly; fp32; "
            f"{ball_in_words(self.eps, self.norm)}, PGD-20 in steps of eps / 4",
            "AutoAttack": f"{self.attacks or 'the standard set'}, {self.number} test images; "
            f"left out for {', '.join(sorted(self.not_attacked)) or 'none'}",
            "generated images": f"{n} a method and seed, {suite.per_class} of each class, fresh "
            f"chains, unselected; {chains_in_words(suite)}; compared with "
            f"{self.compared or 'all'} training images; errors are the jackknife's over samples",
            "judge": judge_in_words(suite, measured),
            "outside": f"{self.outside or 'none'}, {self.number} images",
        }

    def attacks_in_words(self) -> str:
        """Their ball."""
        return f". Attacks have {ball_in_words(self.eps, self.norm)}"

    def smoke(self) -> "Variants":
        """The same on a few images, without the weights of another library."""
        far = self.outside and "uniform"
        return replace(self, number=2, attacks="apgd-ce", compared=8, lite0=False, outside=far)

    def _measurement(
        self, net: str, seed: int, *metrics: str, **own: Mapping[str, Any]
    ) -> Measurement:
        how = {
            k: {**settings_of_ball(k, self.eps, self.norm), **self.settings.get(k, {})}
            | dict(own.get(k, {}))
            for k in metrics
        }
        return Measurement(net, metrics, how, number=self.number, seed=seed)
