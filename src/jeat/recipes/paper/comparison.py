"""How the nets of the paper's comparison are drawn, measured and shown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from jeat._support.checks import SettingError
from jeat._support.signatures import check_takes
from jeat.data import load_data
from jeat.figures import check_drawing
from jeat.jobs.drawing import Drawing
from jeat.jobs.measurement import Measurement
from jeat.metrics import columns_of
from jeat.recipes.paper._balls import ball_in_words, settings_of_ball
from jeat.recipes.paper.accuracies import CURVE
from jeat.recipes.paper.figures import FIGURES
from jeat.recipes.paper.shown import Shown
from jeat.recipes.paper.tables import CLAIMS, check_claims, further_tables, tables
from jeat.recipes.paper.words import words
from jeat.report import Figure, Summary, Table
from jeat.suites import Suite

__all__ = ["Paper", "inception_settings"]

JUDGED = ("judge_accuracy", "sample_quality", "nearest")
RULERS = {"test": "test images", "start": "starts"}
LITE0 = {"sample_quality": {"features": "efficientnet-lite0"}}
EQ_16 = "eq16"
FURTHER = "further"
DRAWN = ("at",)


def inception_settings(inception: str | None) -> dict[str, dict[str, Any]]:
    """Settings of metrics with a file of Inception's weights, where there is one."""
    return {} if inception is None else {"sample_quality": {"inception": inception}}


@dataclass(frozen=True)
class Paper:
    """The paper's comparison, for any methods.

    Attributes:
        eps: attack radius of every measurement, in [0, 1] pixels.
        n_accuracy: test images of accuracy and PGD, spread evenly.
        n_scores: test images of Fisher scores, curvature and out-of-distribution scores.
        n_autoattack: test images of AutoAttack and of signs of gradient masking.
        norm: the norm that it is measured in.
        attacks: the part of AutoAttack that is run; None is the standard set.
        autoattack_seeds: number of seeds that are put to AutoAttack.
        outside: the out-of-distribution set, as of :class:`jeat.jobs.measurement.Measurement`.
        compared: training images that generated ones are compared with; None is all of them.
        radius, points: of Fig. 2, in pixel L2; points a side.
        settings: further settings of metrics, by name.
        printed: whose numbers of the paper stand beside ours.
        eq_16: the methods whose images are drawn by Eq. 16, too (Fig. 4).
        further: metrics beside the paper's, by name; each gets a table of its columns.
        thorough: whether images are seen by EfficientNet-Lite0, too, and their contrast is
            measured, beside test images and the starts of chains; and Fisher scores without the
            scale of logits, and accuracy over the radius of attack.
        claims_tested: (column, order, what it is) to test; of the paper's own, orders of methods
            that a suite lacks are left out.
        pictures: figures of the report, each a function of :class:`Shown`.
    """

    eps: float
    n_accuracy: int
    n_scores: int
    n_autoattack: int
    norm: Literal["linf", "l2", "l1"] = "linf"
    attacks: str | None = None
    autoattack_seeds: int = 1
    outside: str = "interpolated"
    compared: int | None = None
    radius: float = 2.0
    points: int = 41
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    printed: Literal["cifar10", "cifar100"] = "cifar10"
    eq_16: tuple[str, ...] = DRAWN
    further: tuple[str, ...] = ()
    thorough: bool = False
    claims_tested: Sequence[tuple[str, str, str]] = CLAIMS
    pictures: Sequence[Callable[[Shown], Figure | None]] = FIGURES

    def check(self, suite: Suite) -> None:
        """Raise where its pictures could not be drawn, or a name in it means nothing.

        Raises:
            SettingError: a name that is no run, or no column; an order that is none.
        """
        for picture in self.pictures:
            check_takes(picture, f"picture {getattr(picture, '__name__', picture)}", "shown")
        rows = suite.methods()
        if self.eq_16 != DRAWN and (unknown := [m for m in self.eq_16 if m not in rows]):
            raise SettingError(f"eq_16 names no run {unknown[0]!r}: runs are {', '.join(rows)}")
        rows += [f"{m}, Eq. 16" for m in self.eq_16]
        check_claims([c for c in self.claims_tested if c not in CLAIMS], rows, self.further)
        check_drawing()

    def drawings(self, suite: Suite, method: str, net: str, seed: int) -> dict[str, Drawing]:
        """Images by Eq. 17, and of some methods by Eq. 16, from the same starts."""
        eq_17 = Drawing(net, number=suite.per_class, seed=seed, **suite.chain_of(method))
        found = {"eq17": eq_17}
        if method in self.eq_16:
            found[EQ_16] = replace(eq_17, energy="cross-entropy")
        return found

    def measurements(
        self, suite: Suite, method: str, folder: Path, judge: str, seed: int
    ) -> dict[str, Measurement]:
        """What is measured of a net, by the name that figures of an attack take."""
        net = str(folder)
        found = self._of_a_net(net, seed)
        drawn = self.drawings(suite, method, net, seed)
        samples = {name: str(folder / f"{name}.safetensors") for name in drawn}
        if self.thorough and (method, seed) == suite.first():
            samples |= {ruler: ruler for ruler in RULERS}
        for name, file in samples.items():
            looks = JUDGED + ("image_statistics",) * self.thorough
            number = self.n_accuracy
            if name in RULERS:  # as many as are drawn; their nearest images are known
                looks = tuple(metric for metric in looks if metric != "nearest")
                number = suite.per_class * suite.classes
            looked = Measurement(
                net, looks, self.settings, number=number,
                seed=seed, judge=judge, samples=file, compared=self.compared,
            )  # fmt: skip
            found[name] = looked
            if self.thorough:
                found[f"{name}_lite0"] = replace(
                    looked, metrics=("sample_quality",), settings=LITE0, judge=None
                )
        return found

    def measurements_of_judge(self, judge: str) -> dict[str, Measurement]:
        """The judge's accuracy."""
        return {"clean": Measurement(judge, ("accuracy",), number=self.n_accuracy)}

    def name(self, method: str, what: str, figure: str) -> tuple[str, str]:
        """Accuracies under PGD are named by the attack; images of Eq. 16 have their own row."""
        source = what.partition("_")[0]
        row = f"{method}, Eq. 16" if source == EQ_16 else RULERS.get(source, method)
        if what == FURTHER:  # what they do not declare may be a figure of the paper's metrics
            own = [c for metric in self.further for c in columns_of(metric)]
            return row, figure if any(c.takes(figure) for c in own) else f"{what}_{figure}"
        return row, what if figure == "robust_accuracy" else figure

    def tables(self, suite: Suite, summary: Summary) -> Sequence[Table]:
        """The paper's tables, and one of the columns of each further metric."""
        rows = suite.methods()
        drawn = [r for m in rows for r in (m, *([f"{m}, Eq. 16"] if m in self.eq_16 else []))]
        drawn += [*RULERS.values()]
        return [*tables(self.printed, rows, drawn, self.norm), *further_tables(self.further, rows)]

    def claims(self, suite: Suite) -> Sequence[tuple[str, str, str]]:
        """Those that it was given."""
        return self.claims_tested

    def shows(self, seed: int) -> bool:
        """Of seed 0."""
        return seed == 0 and bool(self.pictures)

    def figures(self, suite: Suite, out: Path) -> list[Figure]:
        """Draw them into ``out/figures``, of the first seed."""
        place = out / "figures"
        place.mkdir(exist_ok=True)
        shown = Shown(
            out / "seed0", suite.methods(), load_data(suite.data), place, self.eps, self.norm,
            self.radius, self.points, self.compared,
        )  # fmt: skip
        made = (picture(shown) for picture in self.pictures)
        return [figure for figure in made if figure is not None]

    def words(
        self, suite: Suite, measured: Mapping[Path, dict[str, Any]], *, seeds: int
    ) -> dict[str, str]:
        """How every number was obtained, in words."""
        return words(self, suite, measured, seeds=seeds)

    def attacks_in_words(self) -> str:
        """Their ball."""
        return f". Attacks have {ball_in_words(self.eps, self.norm)}"

    def smoke(self) -> "Paper":
        """The same on a few images."""
        return replace(
            self, n_accuracy=2, n_scores=2, n_autoattack=1, compared=8, outside="uniform",
            attacks="apgd-ce", points=5,
            settings=dict(self.settings) | {"curvature": {"points": 3}},
        )  # fmt: skip

    def _of_a_net(self, net: str, seed: int) -> dict[str, Measurement]:
        def measurement(*metrics: str, number: int, **own: Mapping[str, Any]) -> Measurement:
            how = {
                k: {**settings_of_ball(k, self.eps, self.norm), **self.settings.get(k, {})}
                | dict(own.get(k, {}))
                for k in metrics
            }
            return Measurement(net, metrics, how, number=number, seed=seed)

        def attack(how: Mapping[str, Any], *, number: int = self.n_accuracy) -> Measurement:
            return measurement("robust_accuracy", number=number, robust_accuracy=how)

        once: dict[str, Any] = {"steps": 1, "step_size": self.eps, "random_start": False}
        often: dict[str, Any] = {"steps": 20, "step_size": self.eps / 4}
        found = {
            "clean": measurement(
                "accuracy", "calibration", "zero_gradient", number=self.n_accuracy
            ),
            "fgsm": attack(once),
            "energy_fgsm": attack(once | {"loss": "energy"}),
            "pgd_20": attack(often),
            "energy_pgd_20": attack(often | {"loss": "energy"}),
            "fisher": measurement("fisher_score", number=self.n_scores),
            "curvature": measurement(
                "curvature", number=self.n_scores,
                curvature={"images": self.n_scores, "radius": self.radius},
            ),
            "outside": replace(
                measurement("out_of_distribution", number=self.n_scores), outside=self.outside
            ),
            "masking": measurement(
                "gradient_masking", number=self.n_autoattack,
                gradient_masking={"images": self.n_autoattack},
            ),
        }  # fmt: skip
        if seed < self.autoattack_seeds:
            found["pgd_20_few"] = attack(often, number=self.n_autoattack)
            found["auto_attack"] = measurement(
                "auto_attack", number=self.n_autoattack, auto_attack={"attacks": self.attacks}
            )
        if self.thorough:
            found["flatness"] = measurement("flatness", number=self.n_scores)
            found[CURVE] = measurement(
                "robustness_curve", number=self.n_scores, robustness_curve={"points": 8}
            )
        if self.further:
            found[FURTHER] = measurement(*self.further, number=self.n_accuracy)
        return found
