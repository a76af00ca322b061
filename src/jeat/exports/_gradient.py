"""A net and its input gradient as one graph of forward operations, which ONNX can hold.

ONNX has no autograd. The net is traced to ATen, the gradient is taken of that, and it is traced
once more: what is left are the operations of both passes. The few backward ones that PyTorch does
not decompose itself are written here by forward ones.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch._decomp import get_decompositions
from torch.export import ExportedProgram, default_decompositions
from torch.fx.experimental.proxy_tensor import disable_proxy_modes_tracing, make_fx
from torch.nn.functional import avg_pool2d, pad

from jeat.energy import marginal_energy
from jeat.exports._program import dtype_of
from jeat.nets import spec_of

__all__ = ["Slope", "program_of_slope"]

_ATEN: Any = torch.ops.aten
_FORWARD = [  # what PyTorch decomposes itself, but only where it is asked to
    _ATEN._adaptive_avg_pool2d, _ATEN.upsample_bilinear2d, _ATEN.upsample_nearest2d,
]  # fmt: skip


class Slope(nn.Module):
    """An image -> f(x), E(x) and the gradient of E(x, y) + w E(x) by the image.

    With w = 0 it is that of Eq. 17 and 18, with w = -1 that of the cross-entropy (Eq. 13 and 16).
    Images and outputs are in fp32, whatever the net's dtype.
    """

    def __init__(self, net: nn.Module, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.net, self.dtype = net, dtype

    def forward(self, image: Tensor, label: Tensor, w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(1, C, H, W), one-hot (1, K) and (1,) -> (1, K), (1,) and (1, C, H, W)."""

        def energy(x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
            logits = self.net(x.to(self.dtype)).float()
            E = marginal_energy(logits)
            return (w * E - (label * logits).sum(1)).sum(), (logits, E)

        gradient, (logits, E) = torch.func.grad(energy, has_aux=True)(image)
        return logits, E, gradient


def program_of_slope(net: nn.Module) -> ExportedProgram:
    """The graph of :class:`Slope`, for one image."""
    spec, dtype = spec_of(net), dtype_of(net)
    image = torch.full((1, *spec.shape), 0.5)
    label = torch.eye(1, len(spec.classes))
    given = image, label, torch.zeros(1)
    rules = default_decompositions()
    for op, rule in get_decompositions(_FORWARD).items():
        rules[op] = rule
    rules[_ATEN.as_strided.default] = lambda x, size, *_: x.reshape(size)  # the order in memory
    forward = torch.export.export(net, (image.to(dtype),), strict=False).run_decompositions(rules)
    both = make_fx(Slope(forward.module(), dtype), decomposition_table=_RULES)(*given)
    return torch.export.export(both, given, strict=False)


def _convolution(
    g: Tensor, x: Tensor, weight: Tensor, bias: object, stride: list[int], padding: list[int],
    dilation: list[int], transposed: bool, output_padding: list[int], groups: int, *_: object,
) -> tuple[Tensor, None, None]:  # fmt: skip
    """The input gradient of a convolution is the transposed one, and the other way round."""
    sides = range(len(stride))
    if transposed:
        back = stride, padding, dilation, False, [0 for _ in sides]
    else:
        reached = [
            (g.shape[i + 2] - 1) * stride[i] - 2 * padding[i]
            + dilation[i] * (weight.shape[i + 2] - 1) + 1
            for i in sides
        ]  # fmt: skip
        back = stride, padding, dilation, True, [x.shape[i + 2] - reached[i] for i in sides]
    return _ATEN.convolution(g, weight, None, *back, groups), None, None


def _mean_pooled(
    g: Tensor, x: Tensor, kernel: list[int], stride: list[int], padding: list[int],
    ceil: bool, padded: bool, divisor: int | None,
) -> Tensor:  # fmt: skip
    """Each pixel has its share of every mean that it is in: a transposed convolution by ones."""
    stride = stride or kernel
    with disable_proxy_modes_tracing():  # constants, as ONNX knows no other divisors
        ones = torch.ones(1, 1, *x.shape[2:], dtype=x.dtype)
        share, inside = (
            avg_pool2d(ones, kernel, stride, padding, ceil, padded, by) for by in (divisor, 1)
        )
        share = share / inside
        kernels = torch.ones(x.shape[1], 1, *kernel, dtype=x.dtype)
    whole = _ATEN.convolution(
        g * share, kernels, None, stride, [0, 0], [1, 1], True, [0, 0], x.shape[1]
    )
    top, left = padding
    height, width = (x.shape[i] - whole.shape[i] for i in (2, 3))
    return pad(whole, (-left, width + left, -top, height + top))


def _largest(g: Tensor, x: Tensor, *others: Any) -> Tensor:
    """The gradient goes to the pixels that were the largest, whose places come last."""
    places = others[-1].flatten(-2)
    return torch.zeros_like(x).flatten(-2).scatter_add(-1, places, g.flatten(-2)).view(x.shape)


_RULES: dict[Any, Callable[..., Any]] = {
    _ATEN.convolution_backward.default: _convolution,
    _ATEN.avg_pool2d_backward.default: _mean_pooled,
    _ATEN.adaptive_max_pool2d_backward.default: _largest,
    _ATEN.max_pool2d_with_indices_backward.default: _largest,
}
