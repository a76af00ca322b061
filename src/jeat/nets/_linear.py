"""Which nets are known to be piecewise linear."""

from torch import nn

__all__ = ["is_piecewise_linear"]

_PIECEWISE_LINEAR = (
    nn.Identity, nn.Linear, nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.LeakyReLU, nn.Flatten,
    nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.MaxPool2d, nn.AdaptiveMaxPool2d, nn.Dropout,
    nn.PixelUnshuffle, nn.Sequential,
)  # fmt: skip


def is_piecewise_linear(net: nn.Module) -> bool:
    """Whether the logits are known to be piecewise linear in x, so that tr Hess f_y = 0 a.e.

    True where every module is affine or (leaky) ReLU and nothing depends on the batch: neither
    dropout in train mode nor batch statistics. Subclasses count as not known, unless the class
    itself declares ``only_sums``.
    """
    return all(
        (type(m) in _PIECEWISE_LINEAR or "only_sums" in vars(type(m))) and not _sees_the_batch(m)
        for m in net.modules()
    )


def _sees_the_batch(m: nn.Module) -> bool:
    if isinstance(m, nn.BatchNorm2d):
        return m.training or m.running_mean is None
    return m.training and isinstance(m, nn.Dropout)
