"""Expected calibration error (Guo et al. 2017), by torchmetrics."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from jeat.metrics._column import Column
from jeat.metrics._subject import Subject, logits_of, pieces
from jeat.nets import autocast, evaluating

__all__ = ["calibration_error", "measure"]

columns = (Column("ece", "ECE", "15 bins", "lower", by_count=True),)


@torch.no_grad()
def calibration_error(
    net: nn.Module, x: Float[Tensor, "b c h w"], y: Int[Tensor, " b"], *, bins: int = 15
) -> float:
    """``ECE = sum_m n_m / N |accuracy_m - confidence_m|`` over equal bins of max_k p(k|x).

    Between 0 and 1; net in eval mode, fp32. It has a bias upwards of the order of sqrt(bins / N).

    Raises:
        ValueError: no image, images outside of [0, 1], labels that do not fit, logits that are NaN
            or infinite, or ``bins`` below 1.
    """
    from torchmetrics.functional.classification import multiclass_calibration_error

    parts = pieces(x, y, 500)
    with autocast("fp32", x.device), evaluating(net):
        p = torch.cat([logits_of(net, a, b).softmax(1) for a, b in parts])
    p = p.clamp(max=1 - 2**-24)  # torchmetrics has a bin of its own for exactly 1
    return float(multiclass_calibration_error(p, y, num_classes=p.shape[1], n_bins=bins, norm="l1"))


def measure(subject: Subject) -> dict[str, float]:
    """Expected calibration error in 15 bins."""
    return {"ece": calibration_error(subject.net, subject.x, subject.y)}
