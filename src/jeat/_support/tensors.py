"""Checks of images, labels and logits: what is wrong is said in one line."""

import math

import torch
from torch import Tensor

__all__ = ["check_images", "check_labels", "check_logits", "check_pixels"]


def check_logits(logits: Tensor) -> None:
    """Check that what a net gives is floats (B, classes).

    Raises:
        ValueError: it is not.
    """
    if not isinstance(logits, Tensor):
        raise ValueError(
            f"logits must be a tensor (B, classes), got a {type(logits).__name__}: put the net in "
            "a module that returns its logits alone"
        )
    if logits.dim() != 2 or not logits.shape[1] or not logits.is_floating_point():
        raise ValueError(
            f"logits must be floats (B, classes), got {logits.dtype} {tuple(logits.shape)}"
        )


def check_labels(y: Tensor, logits: Tensor | None = None) -> None:
    """Check that labels are a tensor (B,) of whole numbers, and fit ``logits`` (B, classes).

    Raises:
        ValueError: they are not, or do not.
    """
    if not isinstance(y, Tensor):
        raise ValueError(f"labels must be a tensor, such as torch.tensor([3, 8]), got {y!r}")
    if y.dim() != 1 or y.is_floating_point() or y.dtype == torch.bool:
        raise ValueError(
            f"labels must be whole numbers (B,), one an image: got {y.dtype} {tuple(y.shape)}"
        )
    if logits is None:
        return
    rows, classes = logits.shape
    if len(y) != rows:
        raise ValueError(f"{rows} rows of logits but {len(y)} labels")
    if y.device != logits.device:
        raise ValueError(
            f"labels are on {y.device}, logits on {logits.device}: move one with .to()"
        )
    if y.numel() and (int(y.min()) < 0 or int(y.max()) >= classes):
        raise ValueError(f"labels must lie in 0..{classes - 1}, got {int(y.min())}..{int(y.max())}")


def check_pixels(x: Tensor, *, box: bool = True) -> None:
    """Check that images are finite floats (B, C, H, W), and in [0, 1] where ``box``.

    Raises:
        ValueError: they are not.
    """
    if not isinstance(x, Tensor):
        raise ValueError(f"images must be a tensor (B, C, H, W), got a {type(x).__name__}")
    got = f"{x.dtype} {tuple(x.shape)}"
    if x.dim() == 4 and x.is_floating_point() and x.numel():
        low, high = float(x.detach().min()), float(x.detach().max())  # NaN where a pixel is
        if (low >= 0 and high <= 1) if box else math.isfinite(low) and math.isfinite(high):
            return
        got += f" from {low:g} to {high:g}"
    hint = "divide uint8 pixels by 255" if x.numel() else "there is no image"
    raise ValueError(
        f"images must be finite floats{' in [0, 1]' * box} of shape (B, C, H, W), got {got}; {hint}"
    )


def check_images(images: Tensor, train: Tensor) -> None:
    """Check that images can be compared with training images.

    Raises:
        ValueError: no image on either side, other shapes, pixels that are not finite.
    """
    if not len(images) or not len(train):
        raise ValueError(f"no image to compare: got {len(images)} and {len(train)} to train on")
    if images.shape[1:] != train.shape[1:]:
        raise ValueError(
            f"images of {tuple(images.shape[1:])} do not compare with training images of "
            f"{tuple(train.shape[1:])}"
        )
    if not (images.isfinite().all() and train.isfinite().all()):
        raise ValueError("images to compare must have finite pixels")
