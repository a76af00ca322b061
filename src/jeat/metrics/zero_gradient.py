"""Signs of gradient masking: input gradients that are exactly zero, and how large margins are."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from jeat._support.passes import repeatable
from jeat.energy import energy_of, loss_of
from jeat.metrics._column import Column
from jeat.metrics._gradient import zeros_and_faults
from jeat.metrics._subject import Subject, checked, logits_of, margin, pieces
from jeat.nets import autocast, evaluating

__all__ = ["measure", "zero_gradient"]

_ZERO = "of the cross-entropy, in fp32, or NaN ones"
columns = (
    Column(
        "zero_gradient_share",
        "zero gradients",
        "of the cross-entropy, in fp32, or NaN ones",
        share=True,
    ),
    Column("logit_margin", "margin", "of the label's logit, mean"),
)


def zero_gradient(
    net: nn.Module, x: Float[Tensor, "b c h w"], y: Int[Tensor, " b"]
) -> dict[str, float]:
    r"""How much of what gradient attacks follow is lost to fp32, at the images themselves.

    The gradient of cross-entropy (Eq. 14) is :math:`\sum_k p_k \nabla_x (f_k - f_y)` over the
    other classes k. Where the logit of the label leads by more than about 17, 1 - p_y rounds to 0
    in fp32 and the term of f_y is lost; by more than about 100, every p_k is 0, too, and PGD on
    cross-entropy stands still, whatever the net's robustness. The gradient of E(x, y) (Eq. 18),
    which is :math:`-\nabla_x f_y`, does not vanish with p.

    Returns:
        ``zero_gradient_share``: share of images at which an attack on cross-entropy stands still,
        its gradient being exactly zero, or NaN or infinite.
        ``nan_gradient_share``: share of images whose gradient of cross-entropy is NaN or infinite.
        ``zero_gradient_pixels``: share of the values of that gradient which are exactly zero.
        ``zero_gradient_share_energy``: the first, for the gradient of E(x, y).
        ``logit_margin``: mean of f(x)[y] less the largest other logit.

    Raises:
        ValueError: no image, images outside of [0, 1], labels that do not fit, logits that are NaN
            or infinite.
    """
    found: dict[str, list[Tensor]] = {}
    cut = pieces(x, y, 250)
    with autocast("fp32", x.device), evaluating(net), repeatable():
        for a, b in cut:
            with torch.no_grad():
                logits = logits_of(net, a, b)
            zero, nan = zeros_and_faults(loss_of(net, b), a)
            zero_energy, nan_energy = zeros_and_faults(energy_of(net, b), a)
            parts = {
                "zero_gradient_share": (zero == 1) | nan,
                "nan_gradient_share": nan,
                "zero_gradient_pixels": zero,
                "zero_gradient_share_energy": (zero_energy == 1) | nan_energy,
                "logit_margin": margin(logits, b),
            }
            for name, values in parts.items():
                found.setdefault(name, []).append(values)
    means = {name: float(torch.cat(values).float().mean()) for name, values in found.items()}
    return checked(means, "the logits are too large")


def measure(subject: Subject) -> dict[str, float]:
    """Shares of exactly zero input gradients, and the mean margin of the logits."""
    return zero_gradient(subject.net, subject.x, subject.y)
