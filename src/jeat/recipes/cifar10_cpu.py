"""CIFAR-10 with small nets: hours on two CPU cores."""

from jeat.recipes._suite import Suite
from jeat.recipes._two_cores import on_two_cores

__all__ = ["suite"]


def suite(*, data: str = "uoft-cs/cifar10", inception: str | None = None) -> Suite:
    """Tables 1-3 and Fig. 2-7 with a folded WRN-16-2 on CIFAR-10: hours on two cores.

    Args:
        data: a data set like it, by hub name or path.
        inception: file of torch-fidelity's Inception weights, or "reference" to fetch it, for IS,
            FID and KID.
    """
    return on_two_cores(
        "cifar10", data=data, inception=inception, images=10_000, scored=1000, attacked=1000,
        per_class=1000, shape=(3, 32, 32), classes=10, train_images=50_000, radius=8.0,
        models="cifar10", licence="CIFAR-10 (Krizhevsky 2009) is published for research, without "
        "a licence of its own.",
    )  # fmt: skip
