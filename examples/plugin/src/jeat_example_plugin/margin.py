"""How far the classes are apart: the energy of the second best class less that of the best."""

import torch

from jeat.metrics import Column, Subject

__all__ = ["measure"]

columns = (Column("margin", "margin", "energy of the second class less that of the first"),)
means_over_images = True


@torch.no_grad()
def measure(subject: Subject, *, temperature: float = 1.0) -> dict[str, float]:
    """Mean over images of E(x, k2) - E(x, k1), k1 and k2 being the classes of least energy.

    Args:
        temperature: that energies are divided by.
    """
    best = subject.net.eval()(subject.x).topk(2, 1).values / temperature
    return {"margin": float((best[:, 0] - best[:, 1]).mean())}
