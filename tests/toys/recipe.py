"""A recipe of one's own: a method beside the paper's, in tables, cards, claims and figures."""

from pathlib import Path

from jeat.recipes.paper import CLAIMS, FIGURES, Paper
from jeat.suites import Suite
from jeat.training.plan import Optimisation, Plan

from .averages import averages

__all__ = ["suite"]


def plans(out: Path, seed: int) -> dict[str, Plan]:
    """Normal training, and chains that grow from its weights."""
    o = Optimisation(epochs=1, seed=seed)
    return {
        "normal": Plan("normal", net="convnet-4", optimisation=o),
        "growing": Plan(
            "tests.toys.growing:Growing", net="convnet-4", init=str(out / "normal"), optimisation=o
        ),
    }


def suite(*, images: int = 100) -> Suite:
    """Normal training and growing chains, on digits.

    Args:
        images: number of test images.
    """
    return Suite(
        title="growing",
        about="Do chains that grow make the energy flatter?",
        data="digits",
        plans=plans,
        judge=Plan("normal", net="convnet-8", optimisation=Optimisation(epochs=1, seed=1000)),
        comparison=Paper(
            0.1, n_accuracy=images, n_scores=images, n_autoattack=20, eq_16=("growing",),
            further=("tests.toys.entropy:measure",),
            claims_tested=(*CLAIMS, ("mfs", "normal > growing", "MFS (ours)")),
            pictures=(*FIGURES, averages),
        ),
        chain={"steps": 5, "step_size": 0.25, "noise": 0.01},
        per_class=2,
        shape=(1, 8, 8),
        classes=10,
        train_images=1437,
        models="growing",
    )  # fmt: skip
