"""Clean accuracy."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from jeat.metrics._column import Column
from jeat.metrics._subject import Subject, pieces, right
from jeat.nets import autocast, evaluating

__all__ = ["accuracy", "measure"]

columns = (Column("accuracy", "clean", "no attack", "higher", share=True),)

means_over_images = True


@torch.no_grad()
def accuracy(net: nn.Module, x: Float[Tensor, "b c h w"], y: Int[Tensor, " b"]) -> float:
    """The share of images in [0, 1] whose largest logit is the label's; net in eval mode, fp32.

    Raises:
        ValueError: images outside of [0, 1], not as many labels as images, or labels outside of the
            classes; logits that are NaN or infinite.
    """
    parts = pieces(x, y, 500)
    with autocast("fp32", x.device), evaluating(net):
        count = sum(int(right(net, a, b).sum()) for a, b in parts)
    return count / len(y)


def measure(subject: Subject) -> dict[str, float]:
    """Clean accuracy."""
    return {"accuracy": accuracy(subject.net, subject.x, subject.y)}
