"""Signs of gradient masking: input gradients that are exactly zero, and how large margins are."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from jeat._support.passes import leaf, logits_of, repeatable
from jeat.energy import cross_entropy, joint_energy
from jeat.metrics._column import Column
from jeat.metrics._subject import Subject, pieces
from jeat.nets import autocast, evaluating

__all__ = ["measure", "zero_gradient"]

columns = (
    Column("zero_gradient_share", "zero gradients", "of the cross-entropy, in fp32"),
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
        ``zero_gradient_share``: share of images whose gradient of cross-entropy is exactly zero.
        ``zero_gradient_pixels``: share of the values of that gradient which are exactly zero.
        ``zero_gradient_share_energy``: share of images whose gradient of E(x, y) is exactly zero.
        ``logit_margin``: mean of f(x)[y] less the largest other logit.

    Raises:
        ValueError: no image, images outside of [0, 1], or labels that do not fit.
    """
    parts = pieces(x, y, 250, box=True)
    zero, zero_energy, margins = [], [], []
    with autocast("fp32", x.device), evaluating(net), repeatable():
        for a, b in parts:
            a = leaf(a)
            logits = logits_of(net, a)
            (g,) = torch.autograd.grad(cross_entropy(logits, b).sum(), a, retain_graph=True)
            (g_energy,) = torch.autograd.grad(joint_energy(logits, b).sum(), a)
            zero.append((g == 0).flatten(1).float().mean(1))
            zero_energy.append((g_energy == 0).flatten(1).all(1))
            others = logits.detach().scatter(1, b.long()[:, None], -torch.inf).amax(1)
            margins.append(-joint_energy(logits.detach(), b) - others)
    return {
        "zero_gradient_share": float((torch.cat(zero) == 1).float().mean()),
        "zero_gradient_pixels": float(torch.cat(zero).mean()),
        "zero_gradient_share_energy": float(torch.cat(zero_energy).float().mean()),
        "logit_margin": float(torch.cat(margins).mean()),
    }


def measure(subject: Subject) -> dict[str, float]:
    """Shares of exactly zero input gradients, and the mean margin of the logits."""
    return zero_gradient(subject.net, subject.x, subject.y)
