"""Mean energies of labelled images."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from jeat.energy import joint_energy, marginal_energy
from jeat.metrics._column import Column
from jeat.metrics._subject import Subject, checked, logits_of, pieces
from jeat.nets import autocast, evaluating

__all__ = ["energies", "measure"]

columns = (
    Column("E_y", "E(x, y)", "mean over test images"),
    Column("E", "E(x)", "mean over test images"),
    Column("cross_entropy", "cross-entropy", "E(x, y) - E(x)", "lower"),
)

means_over_images = True


@torch.no_grad()
def energies(net: nn.Module, x: Float[Tensor, "b c h w"], y: Int[Tensor, " b"]) -> dict[str, float]:
    """Mean E(x, y), E(x) and cross-entropy (Eq. 12, 13), and accuracy; net in eval mode, fp32.

    Raises:
        ValueError: no image, images outside of [0, 1], labels that do not fit, logits that are NaN
            or infinite.
    """
    parts = pieces(x, y, 500)
    with autocast("fp32", x.device), evaluating(net):
        logits = torch.cat([logits_of(net, a, b) for a, b in parts])
    E_y, E = float(joint_energy(logits, y).mean()), float(marginal_energy(logits).mean())
    figures = {
        "accuracy": int((logits.argmax(1) == y).sum()) / len(y),
        "E_y": E_y,
        "E": E,
        "cross_entropy": E_y - E,
    }
    return checked(figures, "the logits are too large")


def measure(subject: Subject) -> dict[str, float]:
    """Mean energies E(x, y) and E(x), and cross-entropy."""
    return energies(subject.net, subject.x, subject.y)
