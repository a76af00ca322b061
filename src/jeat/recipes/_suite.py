"""The paper's comparison on one data set: train what is missing, measure it, keep every number."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from jeat.drawing import Drawing, draw_to
from jeat.measurement import Measurement, measure_to
from jeat.plan import Plan
from jeat.recipes._progress import Progress
from jeat.run import fit

__all__ = ["Suite", "drawings", "kept", "measurements", "minutes", "records", "runs", "work"]


@dataclass(frozen=True)
class Suite:
    """What is trained, and how it is measured.

    Attributes:
        title, about: of the report.
        data: data set of every run.
        plans: (folder of a seed, seed) -> runs by method, in the order they need each other.
        judge: the classifier that looks at generated images; its seed is its own.
        eps: attack radius of every measurement, in [0, 1] pixels.
        chain: settings of :class:`jeat.drawing.Drawing` for generated images.
        chains: what of those is different, by method.
        images: test images of accuracy and PGD, spread evenly.
        scored: test images of Fisher scores, curvature and out-of-distribution scores.
        attacked: test images of AutoAttack and of signs of gradient masking.
        attacks: the part of AutoAttack that is run; None is the standard set.
        attacked_seeds: so many seeds are put to AutoAttack.
        per_class: generated images of each class.
        shape, classes, train_images: of the data, for the dry run, which loads none.
        paper: whose numbers of the paper stand beside ours.
        outside: images of none of the classes, as of :class:`jeat.measurement.Measurement`.
        compared: training images that generated ones are compared with; None is all of them.
        radius, points: of Fig. 2, in pixel L2; so many points a side.
        settings: further settings of metrics, by name.
        models: the nets of seed 0 are handed on as NAME-METHOD, with a card; "" hands on none.
        licence: of the data, for those cards.
    """

    title: str
    about: str
    data: str
    plans: Callable[[Path, int], dict[str, Plan]]
    judge: Plan
    eps: float
    chain: Mapping[str, Any]
    images: int
    scored: int
    attacked: int
    per_class: int
    shape: tuple[int, int, int]
    classes: int
    train_images: int
    paper: Literal["cifar10", "cifar100"] = "cifar10"
    attacks: str | None = None
    attacked_seeds: int = 1
    outside: str = "interpolated"
    compared: int | None = None
    radius: float = 2.0
    points: int = 41
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    chains: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    models: str = ""
    licence: str = ""

    def chain_of(self, method: str) -> dict[str, Any]:
        """The chain of a method's images."""
        return dict(self.chain) | dict(self.chains.get(method, {}))


def work(suite: Suite, out: Path, *, seeds: int) -> Iterator[Progress]:
    """Train, draw and measure into ``out``; what is there already is left as it is."""
    training = runs(suite, out, seeds=seeds)
    for i, (name, plan) in enumerate(training.items()):
        for log in fit(plan, out / name, resume=True):
            yield Progress("train", i, len(training), f"{name}: {log.iteration} of {log.total}")
    yield Progress("train", len(training), len(training), "done")
    images = drawings(suite, out, seeds=seeds)
    for i, (file, drawing) in enumerate(images.items()):
        yield Progress("draw", i, len(images), str(file.relative_to(out)))
        draw_to(file, drawing)
    yield Progress("draw", len(images), len(images), "done")
    figures = measurements(suite, out, seeds=seeds)
    for i, (file, measurement) in enumerate(figures.items()):
        yield Progress("measure", i, len(figures), str(file.relative_to(out)))
        measure_to(file, measurement)
    yield Progress("measure", len(figures), len(figures), "done")


def runs(suite: Suite, out: Path, *, seeds: int) -> dict[str, Plan]:
    """Every training run, by its folder in ``out``."""
    found = {"judge": suite.judge}
    for seed in range(seeds):
        place = out / f"seed{seed}"
        plans = suite.plans(place, seed)
        found |= {f"seed{seed}/{method}": plan for method, plan in plans.items()}
    return found


def drawings(suite: Suite, out: Path, *, seeds: int) -> dict[Path, Drawing]:
    """Generated images by Eq. 17 of every run, and by Eq. 16 of AT's, from the same starts."""
    found = {}
    for name, plan in runs(suite, out, seeds=seeds).items():
        if name == "judge":
            continue
        chain, seed = suite.chain_of(Path(name).name), plan.optimisation.seed
        eq_17 = Drawing(str(out / name), number=suite.per_class, seed=seed, **chain)
        found[out / name / "eq17.safetensors"] = eq_17
        if Path(name).name == "at":
            found[out / name / "eq16.safetensors"] = replace(eq_17, energy="cross-entropy")
    return found


def measurements(suite: Suite, out: Path, *, seeds: int) -> dict[Path, Measurement]:
    """Every measurement, by the file that holds it."""
    found = {}
    for name, plan in runs(suite, out, seeds=seeds).items():
        if name == "judge":
            found[out / "judge/figures/clean.json"] = Measurement(
                str(out / "judge"), ("accuracy",), number=suite.images
            )
            continue
        seed = plan.optimisation.seed
        for what, measurement in _of_a_net(suite, str(out / name), seed).items():
            found[out / name / f"figures/{what}.json"] = measurement
        for equation in ("eq17", "eq16") if Path(name).name == "at" else ("eq17",):
            found[out / name / f"figures/{equation}.json"] = Measurement(
                str(out / name), ("judge_accuracy", "sample_quality", "nearest"),
                suite.settings, number=suite.images, seed=seed, judge=str(out / "judge"),
                samples=str(out / name / f"{equation}.safetensors"), compared=suite.compared,
            )  # fmt: skip
    return found


def _of_a_net(suite: Suite, net: str, seed: int) -> dict[str, Measurement]:
    def measurement(*metrics: str, number: int, **settings: Mapping[str, Any]) -> Measurement:
        how = {k: dict(suite.settings.get(k, {})) | dict(settings.get(k, {})) for k in metrics}
        return Measurement(net, metrics, how, number=number, seed=seed)

    def attack(how: Mapping[str, Any], *, number: int = suite.images) -> Measurement:
        return measurement(
            "robust_accuracy", number=number, robust_accuracy={"eps": suite.eps, **how}
        )

    once: dict[str, Any] = {"steps": 1, "step_size": suite.eps, "random_start": False}
    often: dict[str, Any] = {"steps": 20, "step_size": suite.eps / 4}
    found = {
        "clean": measurement("accuracy", "calibration", "zero_gradient", number=suite.images),
        "fgsm": attack(once),
        "energy_fgsm": attack(once | {"loss": "energy"}),
        "pgd_20": attack(often),
        "energy_pgd_20": attack(often | {"loss": "energy"}),
        "fisher": measurement("fisher_score", number=suite.scored),
        "curvature": measurement(
            "curvature", number=suite.scored,
            curvature={"images": suite.scored, "radius": suite.radius},
        ),
        "outside": replace(
            measurement("out_of_distribution", number=suite.scored), outside=suite.outside
        ),
        "masking": measurement(
            "gradient_masking", number=suite.attacked,
            gradient_masking={"eps": suite.eps, "images": suite.attacked},
        ),
    }  # fmt: skip
    if seed < suite.attacked_seeds:
        how = {"eps": suite.eps, "attacks": suite.attacks}
        found["pgd_20_few"] = attack(often, number=suite.attacked)
        found["auto_attack"] = measurement("auto_attack", number=suite.attacked, auto_attack=how)
    return found


def kept(suite: Suite, out: Path, *, seeds: int) -> dict[Path, dict[str, Any]]:
    """What each file of :func:`measurements` holds, its commands as they are from here."""
    drawn = {str(f): d.command(str(f)) for f, d in drawings(suite, out, seeds=seeds).items()}
    found = {}
    for file, m in measurements(suite, out, seeds=seeds).items():
        here = {"command": m.command(), "net": m.net, "judge": m.judge}
        here["drawing"] = drawn.get(m.samples or "")
        found[file] = json.loads(file.read_text()) | here
    return found


def minutes(run: Path) -> float:
    """How long a run trained, in all its sittings: the log counts seconds anew in each."""
    log = (run / "log.jsonl").read_text().splitlines()
    seconds: list[float] = [json.loads(line)["seconds"] for line in log]
    ends = [a for a, b in zip(seconds, [*seconds[1:], 0.0], strict=True) if b < a]
    return sum(ends) / 60


def records(measured: Mapping[Path, dict[str, Any]], out: Path) -> list[dict[str, Any]]:
    """Every number: method, seed, column, value, the command that recomputes it, its file.

    A column is the metric's figure; accuracies under PGD are named by the attack. What concerns
    images drawn by Eq. 16 belongs to the method ``at, Eq. 16``. ``images`` are test images, or
    generated ones where the number is of those, and ``drawing`` the command that drew them.
    """
    found = []
    for file, m in measured.items():
        folder, what = file.parents[1], file.stem
        method = f"{folder.name}, Eq. 16" if what == "eq16" else folder.name
        for figure, value in m["figures"].items():
            found.append({
                "method": method,
                "seed": m["seed"],
                "column": what if figure == "robust_accuracy" else figure,
                "value": value,
                "images": m["samples"] or m["images"],
                "command": m["command"],
                "drawing": m["drawing"],
                "file": str(file.relative_to(out)),
            })  # fmt: skip
    return found
