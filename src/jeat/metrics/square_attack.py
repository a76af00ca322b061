"""Accuracy under Square (Andriushchenko et al. 2020), a black box by scores, by pyautoattack."""

from jeat.attacks import Norm
from jeat.metrics._column import Column
from jeat.metrics._ensemble import left_by_ensemble
from jeat.metrics._subject import Subject

__all__ = ["measure"]

columns = (
    Column(
        "square_attack", "Square", "a black box by scores, of few queries", "higher", share=True
    ),
)

expensive = True
means_over_images = True

_NAME = "square"  # of pyautoattack's


def measure(
    subject: Subject,
    *,
    eps: float = 8 / 255,
    norm: Norm = "linf",
    queries: int = 1000,
    batch_size: int = 250,
) -> dict[str, float]:
    """The share of images that stay right under Square's random search by scores.

    The attack sees logits and no gradient. It changes squares of pixels at random, and keeps what
    lowers the label's margin; an image that falls leaves. Its squares shrink as those of its
    paper's 10,000 queries do, whatever ``queries`` is. In fp32.

    Args:
        eps: radius of the ball, in [0, 1] pixels.
        norm: linf, l2 or l1.
        queries: largest number of passes an image.
        batch_size: images a pass.
    """
    left = left_by_ensemble(
        subject.net, subject.x, subject.y,
        eps=eps, norm=norm, attacks=[_NAME], batch_size=batch_size, queries=queries,
    )  # fmt: skip
    return {"square_attack": int(left.sum()) / len(left)}
