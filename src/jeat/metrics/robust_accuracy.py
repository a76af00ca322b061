"""Accuracy under PGD."""

from jaxtyping import Float, Int
from torch import Tensor, nn

from jeat.attacks import AttackLoss, Norm, doubt_reach
from jeat.metrics._column import Column
from jeat.metrics._pgd import left_by_pgd
from jeat.metrics._subject import Subject
from jeat.nets import Precision

__all__ = ["measure", "robust_accuracy"]

columns = (Column("robust_accuracy", "PGD", "the attack of the settings", "higher", share=True),)

means_over_images = True
robustness = True


def robust_accuracy(
    net: nn.Module,
    x: Float[Tensor, "b c h w"],
    y: Int[Tensor, " b"],
    *,
    eps: float = 8 / 255,
    steps: int = 20,
    step_size: float = 2 / 255,
    norm: Norm = "linf",
    loss: AttackLoss = "ce",
    random_start: bool = True,
    restarts: int = 1,
    precision: Precision = "fp32",
) -> float:
    """The share of images that :func:`jeat.attacks.pgd` leaves classified as their label.

    The defaults are the paper's PGD-20 at 8/255 (Table 3), with the step 2/255, one random start
    and cross-entropy, which it does not print. An image is not robust if it, or any iterate, is
    classified otherwise: it then leaves the attack. Table 1's attacks are one step from the image
    itself, ``steps=1, step_size=eps, random_start=False``. Where bf16 gradients took an image for
    fooled and fp32 does not, it is attacked once more, to the end. Net in eval mode.

    Args:
        net, x, y, eps, steps, step_size, norm, loss, random_start: as :func:`jeat.attacks.pgd`.
        restarts: how often the attack begins anew, each time on what is left: an image is robust if
            it stays right under all of them.
        precision: of the attack's gradients; predictions are always in fp32.

    Warns:
        DoubtWarning: the steps together are shorter than eps.

    Raises:
        ValueError: as :func:`jeat.attacks.pgd`; several restarts without a random start; logits or
            gradients that are NaN or infinite, as no attack was made then.
    """
    stay = left_by_pgd(
        net, x, y, eps=eps, steps=steps, step_size=step_size, norm=norm, loss=loss,
        random_start=random_start, restarts=restarts, precision=precision,
    )  # fmt: skip
    doubt_reach(eps, steps, step_size)
    return int(stay.sum()) / len(y)


def measure(
    subject: Subject,
    *,
    eps: float = 8 / 255,
    steps: int = 20,
    step_size: float = 2 / 255,
    norm: Norm = "linf",
    loss: AttackLoss = "ce",
    random_start: bool = True,
    restarts: int = 1,
    precision: Precision = "fp32",
) -> dict[str, float]:
    """Accuracy under PGD.

    Args:
        eps: radius of the ball, in [0, 1] pixels.
        steps: gradient steps.
        step_size: length of a step.
        norm: linf, l1 or l2.
        loss: what the attack climbs, ce or energy.
        random_start: start inside the ball; false with one step of eps is FGSM.
        restarts: random starts, each on the images that are left.
        precision: of the attack's gradients, predictions are in fp32; auto is bf16 where the device
            has instructions for it, else fp32, and for convolutions in thin groups on a CPU.
    """
    return {
        "robust_accuracy": robust_accuracy(
            subject.net, subject.x, subject.y,
            eps=eps, steps=steps, step_size=step_size, norm=norm, loss=loss,
            random_start=random_start, restarts=restarts, precision=precision,
        )
    }  # fmt: skip
