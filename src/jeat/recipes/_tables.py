"""What the tables of the report show, and what the paper claims of them."""

from jeat.report import Column, Table

__all__ = ["CLAIMS", "TABLES"]

CLASSIFIERS = ("normal", "noise-8", "noise-16", "noise-24", "at", "prejeat", "jem", "jeat")

TABLES = (
    Table(
        "In short",
        "Some columns of the tables below.",
        (
            Column("accuracy", "clean", "no attack"),
            Column("pgd_20", "PGD-20", "20 steps, cross-entropy"),
            Column("jfs_gradient", "JFS gradient", "1/2 |grad E(x, y)|^2"),
            Column("mfs_gradient", "MFS gradient", "1/2 |grad E(x)|^2"),
            Column("fid", "FID", "Inception's, lower is better"),
            Column("judge_fid", "judge-FID", "in the judge's features, lower is better"),
            Column("judge_accuracy", "judge accuracy", "share the judge takes for the class asked"),
        ),
        CLASSIFIERS,
    ),
    Table(
        "Table 1: attacks on a naturally trained classifier",
        "Accuracy without attack, under one step of eps from the image (FGSM), and under 20 steps "
        "of eps / 4 from a random start (PGD-20), climbing cross-entropy or E(x, y). One step "
        "cannot give the paper's 0.1 %: its attacks are read as iterated.",
        (
            Column("accuracy", "clean", "no attack"),
            Column("fgsm", "FGSM", "one step, cross-entropy"),
            Column("energy_fgsm", "energy FGSM", "one step, E(x, y)"),
            Column("pgd_20", "PGD-20", "20 steps, cross-entropy"),
            Column("energy_pgd_20", "energy PGD-20", "20 steps, E(x, y)"),
        ),
        ("normal",),
    ),
    Table(
        "Table 2: Fisher scores and generated images",
        "JFS and MFS (Eq. 23, 24; lower is better) with their two terms, half the squared gradient "
        "norm less the trace of the Hessian, in [0, 1] pixels. The paper prints neither pixel "
        "range nor estimator. IS and FID are Inception's; the judge's stand in for them where its "
        "weights are not given, and do not compare with the paper's.",
        (
            Column("jfs", "JFS", "joint Fisher score"),
            Column("jfs_gradient", "JFS gradient term", "1/2 |grad E(x, y)|^2"),
            Column("jfs_trace", "JFS trace term", "tr Hess E(x, y), which is taken off"),
            Column("mfs", "MFS", "marginal Fisher score"),
            Column("mfs_gradient", "MFS gradient term", "1/2 |grad E(x)|^2"),
            Column("mfs_trace", "MFS trace term", "tr Hess E(x), which is taken off"),
            Column("is", "IS", "Inception Score, higher is better"),
            Column("fid", "FID", "Frechet Inception Distance, lower is better"),
            Column("kid", "KID", "lower is better"),
            Column("precision", "precision", "in Inception's features"),
            Column("recall", "recall", "in Inception's features"),
            Column("judge_is", "judge-IS", "in the judge's probabilities, higher is better"),
            Column("judge_fid", "judge-FID", "in the judge's features, lower is better"),
            Column("judge_kid", "judge-KID", "in the judge's features, lower is better"),
            Column("judge_precision", "judge-precision", "in the judge's features"),
            Column("judge_recall", "judge-recall", "in the judge's features"),
            Column("judge_accuracy", "judge accuracy", "share the judge takes for the class asked"),
        ),
        (*CLASSIFIERS[:5], "at, Eq. 16", *CLASSIFIERS[5:]),
    ),
    Table(
        "Table 3: accuracy and robustness",
        "Clean accuracy, PGD-20 (eps / 4 a step, one random start, cross-entropy), AutoAttack or "
        "the named part of it, the share of images whose gradient is exactly zero (a sign of "
        "gradient masking), calibration error in 15 bins, and AUROC of telling test images from "
        "averages of two, by JEM's three scores. Glow and IGEBM are the paper's figures and were "
        "not run here.",
        (
            Column("accuracy", "clean", "no attack"),
            Column("pgd_20", "PGD-20", "20 steps, cross-entropy"),
            Column("pgd_20_few", "PGD-20, few", "on the images and seeds of AutoAttack"),
            Column("auto_attack", "AutoAttack", "the standard set, on few images and seeds"),
            Column("apgd-ce+apgd-dlr+fab-t+square", "AutoAttack of 3 classes", "likewise"),
            Column("apgd-ce+fab-t+square", "AutoAttack of 2 classes", "likewise"),
            Column("apgd-ce", "APGD-CE", "the first part of AutoAttack only, likewise"),
            Column("zero_gradient_share", "zero gradients", "of the cross-entropy, in fp32"),
            Column("ece", "ECE", "15 bins"),
            Column("ood_auroc_energy", "AUROC energy", "of -E(x), against interpolated images"),
            Column("ood_auroc_confidence", "AUROC confidence", "of max p(y|x)"),
            Column("ood_auroc_gradient", "AUROC gradient", "of -|grad E(x)|"),
        ),
        ("glow", "igebm", *CLASSIFIERS),
    ),
    Table(
        "Signs of gradient masking",
        "Accuracies on the same images under attacks that should not beat PGD-20 on cross-entropy "
        "and under PGD-20 in a ball that holds every image, which should leave none right, and the "
        "share of images whose gradient is exactly zero. What is beyond noise is a warning below.",
        (
            Column("masking_pgd", "PGD-20", "20 steps, cross-entropy"),
            Column("masking_square", "Square", "200 queries, no gradient"),
            Column("masking_scaled", "PGD-20, one scale", "of logits divided by their own spread"),
            Column("masking_fgsm", "one step", "of eps, from the image"),
            Column("masking_unbounded", "PGD-20, unbounded", "from the image, eps 1"),
            Column("masking_zero_gradient", "zero gradients", "of the cross-entropy, in fp32"),
        ),
        CLASSIFIERS,
    ),
    Table(
        "Fig. 2 in numbers",
        "Over many test images, each with its own plane: second difference of E(x, y) out to the "
        "radius of the figure, distance of the plane's lowest point from the image, and how far "
        "below the image it is.",
        (
            Column("curvature", "curvature", "of E(x, y), per squared pixel L2"),
            Column("curvature_absolute", "absolute curvature", "mean of absolute values"),
            Column("curvature_minimum_distance", "distance of minimum", "pixel L2"),
            Column("curvature_drop", "drop to minimum", "energy"),
        ),
        CLASSIFIERS,
    ),
    Table(
        "Fig. 7 in numbers",
        "Distance of generated images to their nearest training image beside that of test images.",
        (
            Column("nearest_l2", "generated", "mean L2 to the nearest training image"),
            Column("nearest_l2_real", "test images", "mean L2 to the nearest training image"),
            Column(
                "nearest_auroc", "P(generated nearer)", "than a test image; 1/2 is as new as those"
            ),
            Column("nearest_copies", "copies", "share nearer than 99 % of test images are"),
        ),
        (*CLASSIFIERS[:5], "at, Eq. 16", *CLASSIFIERS[5:]),
    ),
)

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
