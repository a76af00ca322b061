"""How a net is run: in eval mode with frozen weights, and in which precision."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, get_args

import torch
from torch import nn

from jeat._support.checks import SettingError, quoted

__all__ = ["Precision", "autocast", "evaluating", "in_bf16"]

Precision = Literal["fp32", "bf16", "auto"]


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """``with evaluating(net):`` runs in eval mode with frozen weights, and restores both after.

    Input gradients of frozen weights neither keep nor compute what only weights need. Within
    :func:`autocast` to bf16, convolutions and linear layers meanwhile hold copies of their weights
    in bf16: autocast would cast frozen weights anew at every pass, to the same values. What is to
    be in fp32 has its own ``with autocast("fp32", ...), evaluating(net):``, not inside of this one.
    """
    if not isinstance(net, nn.Module):
        raise ValueError(f"a net is a torch.nn.Module, got a {type(net).__name__}")
    training = [m for m in net.modules() if m.training]
    thawed = [p for p in net.parameters() if p.requires_grad]
    full = _cast_by_autocast(net)
    try:
        net.eval().requires_grad_(False)
        for m, name, p in full:  # another parameter: hooks and optimisers keep the one they know
            low = p.detach().to(torch.get_autocast_dtype(p.device.type))
            m.register_parameter(name, nn.Parameter(low, requires_grad=False))
        yield
    finally:
        for m, name, p in full:
            m.register_parameter(name, p)
        for m in training:
            m.training = True
        for p in thawed:
            p.requires_grad = True


def _cast_by_autocast(net: nn.Module) -> list[tuple[nn.Module, str, nn.Parameter]]:
    """The weights that autocast casts, each with its module and name; none outside of autocast."""
    return [
        (m, name, p)
        for m in net.modules()
        if type(m) in (nn.Conv2d, nn.Linear)
        for name, p in m.named_parameters(recurse=False)
        if name in ("weight", "bias") and p.dtype == torch.float32
        if torch.amp.is_autocast_available(p.device.type)
        and torch.is_autocast_enabled(p.device.type)
    ]


@contextmanager
def autocast(precision: Precision, device: torch.device) -> Iterator[None]:
    """A context in which nets multiply in bf16, or in fp32 whatever is around it.

    Logits come out in bf16 and :mod:`jeat.energy` takes them to fp32; images, chains and
    gradients with respect to images stay in fp32. On a GPU, fp32 that is asked for is no TF32.
    """
    kinds: list[Any] = [torch.backends.cudnn, torch.backends.cuda.matmul]
    allowed = [kind.allow_tf32 for kind in kinds]
    exact = device.type == "cuda" and precision == "fp32"
    try:
        for kind, tf32 in zip(kinds, allowed, strict=True):
            kind.allow_tf32 = tf32 and not exact
        with torch.autocast(device.type, torch.bfloat16, enabled=in_bf16(precision, device)):
            yield
    finally:
        for kind, tf32 in zip(kinds, allowed, strict=True):
            kind.allow_tf32 = tf32


def in_bf16(precision: Precision, device: torch.device) -> bool:
    """Whether nets multiply in bf16: ``"auto"`` does where the device has instructions for it.

    A CPU without them emulates it, twenty times slower than fp32.
    """
    if precision not in get_args(Precision):
        raise SettingError(
            f"unknown precision {quoted(precision)}: use {', '.join(get_args(Precision))}"
        )
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cpu":
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
