"""AT and JEAT on CIFAR-100 with small nets: an hour or two on two CPU cores."""

from jeat.recipes._two_cores import on_two_cores
from jeat.suites import Suite

__all__ = ["suite"]


def suite(*, data: str = "uoft-cs/cifar100", inception: str | None = None) -> Suite:
    """AT and JEAT with the nets of cifar10-cpu on CIFAR-100, or some of it: two cores.

    Args:
        data: a data set like it, by hub name or path.
        inception: file of torch-fidelity's Inception weights, or "reference" to fetch it, for IS,
            FID and KID.
    """
    return on_two_cores(
        "cifar100", data=data, inception=inception, methods=("at", "jeat"), joint=4.0,
        n_accuracy=2000, n_scores=200, per_class=10, classes=100,
    )  # fmt: skip
