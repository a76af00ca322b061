"""How sure a net is: the mean entropy of p(y|x)."""

import torch

from jeat.metrics import Column, Subject

__all__ = ["measure"]

columns = (Column("entropy", "entropy", "of p(y|x), in nats"),)
means_over_images = True


@torch.no_grad()
def measure(subject: Subject, *, base: float = 2.718281828459045) -> dict[str, float]:
    """Mean entropy of p(y|x).

    Args:
        base: of the logarithm.
    """
    p = subject.net.eval()(subject.x).softmax(1)
    nats = torch.special.entr(p).sum(1).mean()
    return {"entropy": float(nats / torch.tensor(base).log())}
