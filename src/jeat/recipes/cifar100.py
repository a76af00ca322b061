"""CIFAR-100 at the paper's scale, for GPUs."""

from jeat.recipes._cifar import at_scale
from jeat.suites import Suite

__all__ = ["suite"]


def suite(*, data: str = "uoft-cs/cifar100", inception: str | None = None) -> Suite:
    """Tables 1-3 and Fig. 2-7 with a WRN-28-10 on CIFAR-100: GPU days.

    Args:
        data: a data set like it, by hub name or path.
        inception: file of torch-fidelity's Inception weights, or "reference" to fetch it, for IS,
            FID and KID.
    """
    return at_scale("cifar100", data=data, inception=inception, classes=100)
