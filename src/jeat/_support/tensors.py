"""Checks of images, labels and logits: what is wrong is said in one line."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor, nn

from jeat._support.checks import NotFiniteError, quoted

__all__ = [
    "check_dense", "check_finite", "check_images", "check_labels", "check_logits", "check_pixels",
    "full", "known_labels", "pixel_fault", "weights_of",
]  # fmt: skip

_KNOWN: ContextVar[bool] = ContextVar("known", default=False)

TOLERANCE = 1e-6  # of pixels outside of [0, 1]: fp32 rounds so when they are normalised and back


def check_dense(t: object, said: str) -> None:
    """Check that a tensor holds values, and each of them; what is none is not looked at.

    Raises:
        ValueError: it is of the device ``meta``, or sparse.
    """
    if isinstance(t, Tensor) and t.is_meta:
        raise ValueError(f"{said}: a tensor of the device meta holds no values: give one that does")
    if isinstance(t, Tensor) and t.layout is not torch.strided:
        raise ValueError(f"{said}: tensors must be dense, got {t.layout}: call .to_dense()")


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
    if logits.layout is not torch.strided:
        raise ValueError(f"logits must be a dense tensor, got {logits.layout}: call .to_dense()")
    if logits.dim() != 2 or not logits.shape[1] or not logits.is_floating_point():
        raise ValueError(
            f"logits must be floats (B, classes), got {logits.dtype} {tuple(logits.shape)}"
        )


def full(t: Tensor) -> Tensor:
    """bf16 and fp16 in fp32: an energy keeps two or three digits otherwise."""
    return t.float() if t.dtype in (torch.bfloat16, torch.float16) else t


@contextmanager
def known_labels(known: bool = True) -> Iterator[None]:
    """``with known_labels():`` does not look at the values of labels, which were looked at before.

    A look at a number on a GPU waits until the GPU has done all that it was given.
    """
    token = _KNOWN.set(known)
    try:
        yield
    finally:
        _KNOWN.reset(token)


def check_labels(y: Tensor, logits: Tensor | None = None) -> None:
    """Check that labels are a tensor (B,) of whole numbers, and fit ``logits`` (B, classes).

    Their values are looked at unless they are known (:func:`known_labels`).

    Raises:
        ValueError: they are not, or do not.
    """
    if not isinstance(y, Tensor):
        raise ValueError(f"labels must be a tensor, such as torch.tensor([3, 8]), got {quoted(y)}")
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
    if not y.numel() or _KNOWN.get():
        return
    low, high = torch.stack(y.aminmax()).tolist()  # one wait for the device
    if low < 0 or high >= classes:
        raise ValueError(f"labels must lie in 0..{classes - 1}, got {low}..{high}")


def check_pixels(x: Tensor) -> Tensor:
    """Images (B, C, H, W) in [0, 1]: as they are, or clamped where only rounding takes them out.

    Raises:
        ValueError: they are not finite floats, or are outside of [0, 1] by more than 1e-6.
    """
    if not isinstance(x, Tensor):
        raise ValueError(f"images must be a tensor (B, C, H, W), got a {type(x).__name__}")
    got = f"{x.dtype} {tuple(x.shape)}"
    if not x.is_floating_point():
        got += "; divide uint8 pixels by 255"
    elif not x.numel():
        got += "; there is no image"
    elif x.dim() == 4:
        low, high = torch.stack(x.detach().aminmax()).tolist()  # NaN where a pixel is
        if (fault := pixel_fault(low, high)) is None:
            return x if low >= 0 and high <= 1 else x.clamp(0, 1)
        got += f" {fault}"
    raise ValueError(f"images must be finite floats in [0, 1] of shape (B, C, H, W), got {got}")


def pixel_fault(low: float, high: float) -> str | None:
    """What is wrong with pixels from ``low`` to ``high``, and its remedy; None in [0, 1].

    Rounding errors of 1e-6 are nothing to say: the pixels are to be clamped.
    """
    beyond = max(-low, high - 1)
    if beyond <= TOLERANCE:
        return None
    span = f"from {low:.4g} to {high:.4g}"
    if not math.isfinite(beyond):
        return f"{span}: some pixels are NaN or infinite"
    if beyond <= 0.01:
        remedy = "x.clamp(0, 1) takes them back"
    elif low >= 0 and high > 2:
        remedy = "divide uint8 pixels by 255"
    elif low >= -1 and high <= 1:
        remedy = "(x + 1) / 2 takes [-1, 1] to it"
    else:
        remedy = "undo what normalised them, then x.clamp(0, 1)"
    return f"{span}, which is outside of [0, 1] by {beyond:.3g}: {remedy}"


def weights_of(net: nn.Module) -> dict[str, Tensor]:
    """The state dict of a net, all of tensors.

    Raises:
        ValueError: something in it is none, as in a quantised net.
    """
    found: dict[str, object] = net.state_dict()
    for name, value in found.items():
        if not isinstance(value, Tensor):
            raise ValueError(
                f"the net keeps {name}, a {type(value).__name__} and no tensor, as quantised nets "
                "do: it can be neither trained nor saved; train and save it before it is quantised"
            )
    return found  # type: ignore[return-value]


def check_images(images: Tensor, train: Tensor) -> tuple[Tensor, Tensor]:
    """Images and training images that can be compared, each as of :func:`check_pixels`.

    Raises:
        ValueError: no image on either side, other shapes, pixels outside of [0, 1] or not finite.
    """
    if not len(images) or not len(train):
        raise ValueError(f"no image to compare: got {len(images)} and {len(train)} to train on")
    if images.shape[1:] != train.shape[1:]:
        raise ValueError(
            f"images of {tuple(images.shape[1:])} do not compare with training images of "
            f"{tuple(train.shape[1:])}"
        )
    return check_pixels(images), check_pixels(train)


def check_finite(values: Tensor, said: str) -> None:
    """Check that values (B, ...) are finite.

    Args:
        values: of B images.
        said: the error, with ``{}`` for how many of them it is.

    Raises:
        NotFiniteError: they are not.
    """
    finite = values.detach().isfinite().reshape(len(values), math.prod(values.shape[1:])).all(1)
    if not finite.all():
        raise NotFiniteError(said.format(f"{int((~finite).sum())} of {len(finite)}"))
