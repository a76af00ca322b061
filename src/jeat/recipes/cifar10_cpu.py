"""CIFAR-10 with small nets: hours on two CPU cores."""

from jeat.recipes._two_cores import ALL, on_two_cores
from jeat.suites import Suite

__all__ = ["suite"]


def suite(
    *, data: str = "uoft-cs/cifar10", inception: str | None = None, short: bool = False
) -> Suite:
    """Tables 1-3 and Fig. 2-7 with a folded WRN-16-2 on CIFAR-10: hours on two cores.

    Args:
        data: a data set like it, by hub name or path.
        inception: file of torch-fidelity's Inception weights, or "reference" to fetch it, for IS,
            FID and KID.
        short: normal, AT, JEM and JEAT only, by 0.15 of the epochs and half of them for the last
            two, with a tenth of the images: for more seeds.
    """
    few = 10 if short else 1
    return on_two_cores(
        "cifar10", data=data, inception=inception, n_accuracy=10_000 // few, n_scores=1000 // few,
        per_class=1000 // few, models="" if short else "cifar10",
        classifiers=0.15 if short else 1.0, joint=0.5 if short else 1.0,
        methods=("normal", "at", "jem", "jeat") if short else ALL,
        licence="CIFAR-10 (Krizhevsky 2009) is published for research, without a licence of its "
        "own.",
    )  # fmt: skip
