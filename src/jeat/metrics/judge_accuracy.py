"""Whether samples look like the classes they were asked for, to another classifier."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from jeat.metrics._column import Column
from jeat.metrics._subject import Subject, given, logits_of, pieces
from jeat.nets import autocast, evaluating

__all__ = ["judge_accuracy", "measure"]

columns = (
    Column(
        "judge_accuracy",
        "judge accuracy",
        "share the judge takes for the class asked",
        "higher",
        share=True,
    ),
)

needs = ("samples", "sample_labels", "judge")


@torch.no_grad()
def judge_accuracy(
    judge: nn.Module, samples: Float[Tensor, "b c h w"], labels: Int[Tensor, " b"]
) -> float:
    """The share of samples that ``judge`` takes for the class asked for; in eval mode, fp32.

    The net that drew the samples is no judge of them: chains descend its own energy.

    Raises:
        ValueError: images outside of [0, 1], labels that do not fit, logits that are NaN or
            infinite, or the same for all images.
    """
    parts = pieces(samples, labels, 500)
    with autocast("fp32", samples.device), evaluating(judge):
        logits = torch.cat([logits_of(judge, a, b) for a, b in parts])
    if len(logits) > 1 and (logits == logits[0]).all() and len(samples.unique(dim=0)) > 1:
        raise ValueError(
            "the judge gives all images the same logits: it cannot tell them apart, give another"
        )
    return int((logits.argmax(1) == labels).sum()) / len(labels)


def measure(subject: Subject) -> dict[str, float]:
    """The share of samples that the judge takes for the class asked for."""
    samples, labels, judge = given(subject, "judge_accuracy", needs)
    return {"judge_accuracy": judge_accuracy(judge, samples, labels)}
