"""Which chain draws the images of each method of cifar10-cpu, by a rule fixed beforehand."""

from dataclasses import replace

from jeat.recipes._two_cores import on_two_cores
from jeat.recipes.paper import Steps
from jeat.suites import Suite

__all__ = ["suite"]


def suite(*, data: str = "uoft-cs/cifar10", robust: str | None = None) -> Suite:
    """The same chains for each method of cifar10-cpu, whose runs it uses: an hour on two cores.

    Give it the --out of cifar10-cpu, so that nothing is trained twice. The chosen chains stand in
    the recipe of cifar10-cpu.

    Args:
        data: a data set like it, by hub name or path.
        robust: an adversarially trained net of another seed, which looks at images, too.
    """
    whole = on_two_cores("cifar10", data=data, inception=None)
    return replace(
        whole,
        title="cifar10-steps",
        about="Chains of several steps and lengths, the same for each method, seen by nets that "
        "know nothing of the methods. What is chosen draws the images of cifar10-cpu.",
        comparison=Steps(
            step_sizes=(0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0), steps=(20, 40), robust=robust,
            left_out=frozenset(m for m in whole.methods() if m.startswith("noise")),
        ),
    )  # fmt: skip
