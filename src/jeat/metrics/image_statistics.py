"""Contrast, saturation and total variation of samples, beside those of test images."""

import torch
from jaxtyping import Float
from torch import Tensor

from jeat._support.tensors import check_pixels
from jeat.metrics._column import Column
from jeat.metrics._subject import Subject, given

__all__ = ["image_statistics", "measure"]

columns = (
    Column("contrast", "contrast", "deviation of all pixel values"),
    Column("contrast_real", "contrast of test images", "as for samples"),
    Column("saturated", "saturated", "share of pixel values at 0 or 1"),
    Column("saturated_real", "saturated in test images", "as for samples"),
    Column("total_variation", "total variation", "mean difference of neighbouring pixels"),
    Column("total_variation_real", "total variation of test images", "as for samples"),
)

needs = ("samples",)


def image_statistics(x: Float[Tensor, "b c h w"]) -> dict[str, float]:
    """Three figures of images in [0, 1], which are rounded to 8 bits, as an image file would.

    - ``contrast``: standard deviation of all pixel values, of all images and channels together.
    - ``saturated``: share of pixel values that are exactly 0 or 1.
    - ``total_variation``: mean of ``|x[i + 1, j] - x[i, j]|`` and of ``|x[i, j + 1] - x[i, j]|``,
      averaged.

    Images that chains drove too far have more of the first two than real ones, noise has more of
    the third, blur less. They are as good as real images where they are equal to theirs, at most.

    Raises:
        ValueError: no image, images outside of [0, 1], or of a single row or column.
    """
    x = (check_pixels(x) * 255).round().double() / 255
    if not len(x) or min(x.shape[2:]) < 2:
        raise ValueError(
            f"image_statistics takes images of 2 x 2 pixels or more, got {tuple(x.shape)}"
        )
    down, along = x.diff(dim=2).abs().mean(), x.diff(dim=3).abs().mean()
    return {
        "contrast": float(x.std(correction=0)),
        "saturated": float(((x == 0) | (x == 1)).double().mean()),
        "total_variation": float((down + along) / 2),
    }


@torch.no_grad()
def measure(subject: Subject) -> dict[str, float]:
    """Contrast, saturated share and total variation of samples, and of test images (``_real``)."""
    (samples,) = given(subject, "image_statistics", needs)
    real = image_statistics(subject.x)
    return image_statistics(samples) | {f"{name}_real": value for name, value in real.items()}
