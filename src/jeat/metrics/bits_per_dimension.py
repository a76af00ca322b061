"""Bits per dimension of test images, of nets that know p(x) and not only up to a constant."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jeat._support.checks import SettingError
from jeat._support.passes import bare
from jeat._support.tensors import check_pixels
from jeat.data.dequantise import dequantised, in_bits
from jeat.energy import marginal_energy
from jeat.metrics._column import Column
from jeat.metrics._subject import Subject, checked, logits_of, pieces
from jeat.nets import autocast, evaluating

__all__ = ["bits_per_dimension", "measure"]

columns = (
    Column("bits_per_dimension", "bits/dim", "-log2 p(x) of dequantised images", "lower"),
    Column("bits_per_dimension_error", "its error", "standard error over images"),
)

expensive = True  # most nets know E(x) up to a constant only


@torch.no_grad()
def bits_per_dimension(net: nn.Module, x: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
    """E(x) / (D ln 2) + 8 of each image, dequantised once; net in eval mode, fp32.

    An upper bound, in the mean, of the bits that an 8-bit image takes, over its D numbers
    (:func:`jeat.data.dequantise.in_bits`).

    Args:
        net: whose E(x) is -log p(x), in nats: it says so by an attribute ``normalised = True``.
        x: images in [0, 1].

    Raises:
        ValueError: another net; no image, images outside of [0, 1], logits that are NaN or
            infinite.
    """
    if not getattr(bare(net), "normalised", False):
        raise SettingError(
            "the net knows p(x) up to a constant only: bits per dimension are of one whose E(x) is "
            "-log p(x), such as a flow, which says so by an attribute normalised = True"
        )
    x = check_pixels(x)
    parts = pieces(x, torch.zeros(len(x), dtype=torch.int64), 500)
    with autocast("fp32", x.device), evaluating(net):
        bits = []
        for a, _ in parts:
            a = dequantised(a)
            bits.append(in_bits(marginal_energy(logits_of(net, a)), a))
    return torch.cat(bits)


def measure(subject: Subject) -> dict[str, float]:
    """Mean bits per dimension, and its standard error."""
    pieces(subject.x, subject.y)
    bits = bits_per_dimension(subject.net, subject.x).double()
    figures = {"bits_per_dimension": float(bits.mean())}
    if len(bits) > 1:
        figures["bits_per_dimension_error"] = float(bits.std() / len(bits) ** 0.5)
    return checked(figures, "the logits are too large")
