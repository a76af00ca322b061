"""What the tables of the report show, and what the paper claims of them."""

import re
from collections.abc import Sequence

from jeat._support.checks import SettingError, quoted
from jeat._support.plugins import short_name
from jeat.metrics import Column, columns_of
from jeat.recipes.paper.numbers import PAPER
from jeat.report import Table

__all__ = ["CLAIMS", "check_claims", "further_tables", "tables"]

# columns that are named by the attack of a measurement, or by where they stand
ATTACKS = (
    Column("fgsm", "FGSM", "one step, cross-entropy", "higher"),
    Column("energy_fgsm", "energy FGSM", "one step, E(x, y)", "higher"),
    Column("pgd_20", "PGD-20", "20 steps, cross-entropy", "higher"),
    Column("energy_pgd_20", "energy PGD-20", "20 steps, E(x, y)", "higher"),
    Column("pgd_20_few", "PGD-20, few", "on the images and seeds of AutoAttack", "higher"),
)
CHANGES = (
    Column("delta_x_E_y", "attack, E(x, y)", "what the attack adds to E(x, y)"),
    Column("delta_theta_E_y", "step, E(x, y)", "what the optimiser step adds to E(x_adv, y)"),
    Column("delta_x_E", "attack, E(x)", "what the attack adds to E(x)"),
    Column("delta_theta_E", "step, E(x)", "what the optimiser step adds to E(x_adv)"),
)
METRICS = (
    "accuracy", "auto_attack", "bits_per_dimension", "calibration", "curvature", "fisher_score",
    "flatness", "gradient_masking", "image_statistics", "judge_accuracy", "nearest",
    "out_of_distribution", "robustness_curve", "sample_quality", "zero_gradient",
)  # fmt: skip


TABLES = (
    (
        "In short",
        "Some columns of the tables below.",
        (
            "accuracy", "pgd_20", "mfs", "mfs_calibrated", "fid", "judge_fid", "judge_kid",
            "lite0_kid", "judge_accuracy",
        ),
    ),
    (
        "Table 1: attacks on a naturally trained classifier",
        "Accuracy without attack, under one step of eps from the image (FGSM), and under 20 "
        "steps of eps / 4 from a random start (PGD-20), climbing cross-entropy or E(x, y). One "
        "step cannot give the paper's 0.1 %: its attacks are read as iterated.",
        (
            "accuracy", "fgsm", "energy_fgsm", "pgd_20", "energy_pgd_20",
        ),
    ),
    (
        "Table 2: Fisher scores and generated images",
        "JFS and MFS (Eq. 23, 24; lower is better) with their two terms, half the squared "
        "gradient norm less the trace of the Hessian, in [0, 1] pixels. The paper prints "
        "neither pixel range nor estimator. IS and FID are Inception's; the judge's stand in "
        "for them where its weights are not given, and do not compare with the paper's.",
        (
            "jfs", "jfs_gradient", "jfs_trace", "mfs", "mfs_gradient", "mfs_trace", "is", "fid",
            "kid", "precision", "recall", "judge_is", "judge_fid", "judge_kid", "judge_precision",
            "judge_recall", "judge_density", "judge_coverage", "judge_accuracy",
        ),
    ),
    (
        "Images, by a net that never saw the data",
        "In features of EfficientNet-Lite0, trained on ImageNet, and pixel by pixel, beside test "
        "images, as many as are drawn, and the starts of the chains. Errors are the jackknife's "
        "over samples.",
        (
            "lite0_fid", "lite0_fid_error", "lite0_kid", "lite0_kid_error", "lite0_swd",
            "lite0_swd_error", "lite0_density", "lite0_coverage", "judge_fid_error", "contrast",
            "saturated", "total_variation",
        ),
    ),
    (
        "Fisher scores without the scale of logits",
        "Logits calibrated by a temperature that training images give, or divided by their "
        "spread.",
        (
            "jfs_calibrated", "jfs_unit_spread", "mfs_calibrated", "mfs_unit_spread",
            "curvature_absolute_calibrated", "curvature_absolute_unit_spread", "temperature",
            "logit_spread",
        ),
    ),
    (
        "Table 3: accuracy and robustness",
        "Clean accuracy, PGD-20 (eps / 4 a step, one random start, cross-entropy), AutoAttack "
        "or the named part of it, the share of images whose gradient is exactly zero (a sign "
        "of gradient masking), calibration error in 15 bins, and AUROC of telling test images "
        "from averages of two, by JEM's three scores. Glow and IGEBM are the paper's figures "
        "and were not run here.",
        (
            "accuracy", "pgd_20", "pgd_20_few", "auto_attack", "apgd-ce+apgd-dlr+fab-t+square",
            "apgd-ce+fab-t+square", "apgd-ce", "zero_gradient_share", "ece", "ood_auroc_energy",
            "ood_auroc_confidence", "ood_auroc_gradient",
        ),
    ),
    (
        "Accuracy over the radius of attack",
        "PGD-20 in {norm}, each radius on what the smaller ones left.",
        ("robust_accuracy@*",),
    ),
    (
        "Signs of gradient masking",
        "Accuracies on the same images under attacks that should not beat PGD-20 on "
        "cross-entropy and under PGD-20 in a ball that holds every image, which should leave "
        "none right, and the share of images whose gradient is exactly zero. What is beyond "
        "noise is a warning below.",
        (
            "masking_pgd", "masking_square", "masking_scaled", "masking_fgsm",
            "masking_unbounded", "masking_zero_gradient",
        ),
    ),
    (
        "Fig. 2 in numbers",
        "Over many test images, each with its own plane: second difference of E(x, y) out to "
        "the radius of the figure, distance of the plane's lowest point from the image, and "
        "how far below the image it is.",
        (
            "curvature", "curvature_absolute", "curvature_minimum_distance", "curvature_drop",
        ),
    ),
    (
        "Fig. 3 in numbers",
        "What an attack and an optimiser step do to the energies (Eq. 15): means over the whole "
        "training. An attack raises an energy, and the step lowers that of the same example.",
        ("delta_x_E_y", "delta_theta_E_y", "delta_x_E", "delta_theta_E"),
    ),
    (
        "Fig. 7 in numbers",
        "Distance of generated images to their nearest training image beside that of test "
        "images.",
        (
            "nearest_l2", "nearest_l2_real", "nearest_auroc", "nearest_copies",
        ),
    ),
)  # fmt: skip
"""(title, note, columns), in order; what stands before a colon names a table of the paper."""


def columns(*names: str, own: Sequence[Column] = ()) -> tuple[Column, ...]:
    """Columns by name: ``own`` ones, those of the attacks, and those that metrics declare."""
    known = {c.name: c for metric in METRICS for c in columns_of(metric)}
    known |= {c.name: c for c in (*ATTACKS, *CHANGES, *own)}
    return tuple(known[name] for name in names)


def tables(data: str, rows: Sequence[str], drawn: Sequence[str], norm: str = "linf") -> list[Table]:
    """The paper's tables, with its numbers for ``data``, and some of its figures in numbers.

    Args:
        data: whose numbers of the paper stand beside ours, ``"cifar10"`` or ``"cifar100"``.
        rows: methods.
        drawn: the same with the further drawings of some, such as those of Eq. 16: rows of what is
            said of images.
        norm: of the balls of attacks.
    """
    made = []
    for title, note, names in TABLES:
        printed = PAPER[data].get(title.partition(":")[0], {})
        only_printed = [m for m in _rows_of(printed) if m not in rows]
        of_images = {"judge_recall", "contrast", "nearest_l2"} & {*names}
        these = drawn if of_images else rows
        if title.startswith("Table 1"):
            these = ("normal",)
        every = tuple(dict.fromkeys([*only_printed, *these]))
        said = note.format(norm=norm)
        made.append(Table(title, said, columns(*names), every, printed))
    return made


def further_tables(metrics: Sequence[str], rows: Sequence[str]) -> list[Table]:
    """A table of the columns of each metric that is not the paper's."""
    return [
        Table(f"{short_name(metric)}, not in the paper", "", tuple(columns_of(metric)), rows)
        for metric in metrics
    ]


def check_claims(
    claims: Sequence[tuple[str, str, str]], rows: Sequence[str], further: Sequence[str]
) -> None:
    """Check that claims are orders of these rows, in columns that metrics declare.

    Raises:
        SettingError: one is not.
    """
    known = {c.name for metric in (*METRICS, *further) for c in columns_of(metric)}
    known |= {c.name for c in (*ATTACKS, *CHANGES)}
    for claim in claims:
        column, order, _ = claim
        names = re.split(" >=? ", order)
        if len(names) < 2 or not {*names} <= {*rows}:
            raise SettingError(
                f"claim {quoted(claim)} must order runs, as 'a > b' or 'a >= b', of "
                f"{', '.join(rows)}"
            )
        if column not in known:
            raise SettingError(
                f"claim {quoted(claim)} names no column {column!r} that a metric declares: there "
                f"are {', '.join(sorted(known))}"
            )


def _rows_of(printed: dict[str, dict[str, float]]) -> list[str]:
    return list(dict.fromkeys(method for column in printed.values() for method in column))


CLAIMS = (
    ("jfs", "normal > at > jem > jeat", "JFS (Table 2)"),
    ("mfs", "normal > at > jem > jeat", "MFS (Table 2)"),
    ("is", "jeat >= jem > at", "IS (Table 2)"),
    ("fid", "at > jem >= jeat", "FID (Table 2)"),
    ("pgd_20", "jeat > jem", "PGD-20 (Table 3)"),
    ("jfs_gradient", "normal > at > jem > jeat", "gradient term of JFS (not in the paper)"),
    ("mfs_gradient", "normal > at > jem > jeat", "gradient term of MFS (not in the paper)"),
    ("curvature_absolute", "normal > at > prejeat > jeat", "absolute curvature (Fig. 2)"),
    ("curvature_minimum_distance", "normal > at > prejeat", "distance of minimum (Fig. 2)"),
    ("judge_is", "jeat >= jem > at", "judge-IS, in place of IS"),
    ("judge_fid", "at > jem >= jeat", "judge-FID, in place of FID"),
    ("judge_is", "at > at, Eq. 16", "judge-IS, for what Fig. 4 shows: Eq. 17 better than Eq. 16"),
    ("judge_fid", "at, Eq. 16 > at", "judge-FID, for what Fig. 4 shows: Eq. 17 better than Eq. 16"),
)
"""(column, order, what it is)."""
