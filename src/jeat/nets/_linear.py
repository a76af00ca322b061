"""Which nets are known to be piecewise linear: by their classes, or by what a pass of them does."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from jeat._support.passes import leaf, logits_of, repeatable

__all__ = ["is_piecewise_linear"]

_PIECEWISE_LINEAR = (
    nn.Identity, nn.Linear, nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.LeakyReLU, nn.Flatten,
    nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.MaxPool2d, nn.AdaptiveMaxPool2d, nn.Dropout,
    nn.PixelUnshuffle, nn.Sequential,
)  # fmt: skip

# Operations of torch that are piecewise linear in all their tensors at once,
_IN_ALL = (
    "_adaptive_avg_pool2d", "_reshape_alias", "_to_copy", "_unsafe_view", "abs",
    "adaptive_max_pool2d", "add", "alias", "amax", "amin", "as_strided", "avg_pool2d", "cat",
    "channel_shuffle", "clamp", "clamp_max", "clamp_min", "clone", "constant_pad_nd", "copy",
    "cumsum", "detach", "diagonal", "empty_like", "eq", "expand", "fill", "flip", "full_like",
    "gather", "ge", "gt", "hardsigmoid", "hardtanh", "im2col", "index", "index_select", "le",
    "leaky_relu", "lt", "masked_fill", "max", "max_pool2d_with_indices", "maximum", "mean", "min",
    "minimum", "ne", "neg", "new_empty", "new_full", "new_zeros", "ones_like", "permute",
    "pixel_shuffle", "pixel_unshuffle", "reflection_pad2d", "relu", "replication_pad2d", "roll",
    "rsub", "select", "slice", "split", "split_with_sizes", "squeeze", "stack", "sub", "sum", "t",
    "threshold", "transpose", "unbind", "unfold", "unsqueeze", "upsample_bilinear2d",
    "upsample_nearest2d", "view", "where", "zero", "zeros_like",
)  # fmt: skip
# in any one of them, and in the first.
_IN_ONE = (
    "_convolution", "_prelu_kernel", "addmm", "addmv", "baddbmm", "bmm", "convolution", "dot",
    "linear", "mm", "mul", "mv",
)  # fmt: skip
_IN_FIRST = (
    "_native_batch_norm_legit", "_native_batch_norm_legit_no_training", "cudnn_batch_norm", "div",
    "native_batch_norm",
)  # fmt: skip


def is_piecewise_linear(net: nn.Module, x: Tensor | None = None) -> bool:
    """Whether the logits are known to be piecewise linear in x, so that tr Hess f_y = 0 a.e.

    True where every module is affine or (leaky) ReLU and nothing depends on the batch: neither
    dropout in train mode nor batch statistics. Subclasses count as not known, unless the class
    itself declares ``only_sums``.

    Args:
        net: is run in the mode that it is in.
        x: images. With them, any net is known whose every operation on what depends on x, in one
            pass, is piecewise linear, such as sums of branches and max pooling.
    """
    if all(_is_known(m) and not _sees_the_batch(m) for m in net.modules()):
        return True
    return x is not None and _only_sums(net, x)


def _is_known(m: nn.Module) -> bool:
    """Whether its class says all that it does: no hook, and no other ``forward`` of its own."""
    known = type(m) in _PIECEWISE_LINEAR or "only_sums" in vars(type(m))
    hooks = [*m._forward_hooks.values(), *m._forward_pre_hooks.values()]
    ours = all(getattr(hook, "__module__", "") == "jeat.nets.spec" for hook in hooks)
    return known and ours and "forward" not in vars(m)


def _sees_the_batch(m: nn.Module) -> bool:
    if isinstance(m, nn.BatchNorm2d):
        return m.training or m.running_mean is None
    return m.training and isinstance(m, nn.Dropout)


def _only_sums(net: nn.Module, x: Tensor) -> bool:
    try:
        with repeatable(), _Followed() as followed:
            x = leaf(x)
            followed.mark([x])
            logits = logits_of(net, x)
    except Exception:  # of what cannot be followed; what is wrong with the net shows in its score
        return False
    return followed.linear and followed.depends(logits) and not _has_own_gradient(logits)


class _Followed(TorchDispatchMode):
    """Follows what depends on images through every operation, by the memory that it is in."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.linear = True
        self.memory: dict[int, Any] = {}  # kept, so that no address comes again

    def mark(self, found: Iterable[Any]) -> None:
        for t in found:
            if isinstance(t, Tensor):
                self.memory[t.untyped_storage()._cdata] = t.untyped_storage()

    def depends(self, t: object) -> bool:
        if not isinstance(t, Tensor) or t.layout != torch.strided:  # else it is in no memory
            return False
        return t.untyped_storage()._cdata in self.memory

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        given = tree_leaves((args, kwargs))
        depend = [i for i, t in enumerate(given) if self.depends(t)]
        out = func(*args, **kwargs)
        if depend:
            names = [a.name for a in func._schema.arguments]
            values = dict(zip(names, args, strict=False)) | kwargs
            real = not any(
                isinstance(t, Tensor) and t.is_complex() for t in tree_leaves((given, out))
            )
            self.linear &= real and func.namespace == "aten" and "dtype" not in func._overloadname
            self.linear &= _is_linear(func.overloadpacket.__name__, depend, values)
            written = [values.get(a.name) for a in func._schema.arguments if a.is_write]
            self.mark(tree_leaves((out, written)))
        return out


def _is_linear(operation: str, depend: list[int], values: dict[str, Any]) -> bool:
    """Whether an operation is piecewise linear in those of its tensors that depend on images."""
    name = operation.rstrip("_")
    if name in _IN_FIRST:
        return depend == [0] and values.get("training", False) is False
    return name in _IN_ALL or (name in _IN_ONE and len(depend) == 1)


def _has_own_gradient(logits: Tensor) -> bool:
    """Whether a gradient is an ``autograd.Function`` of one's own, which may be any."""
    nodes, seen = [logits.grad_fn], set()
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if isinstance(node, BackwardCFunction):
            return True
        nodes += [next_ for next_, _ in node.next_functions]
    return False
