"""Passes of nets of any kind: wrapped, compiled or exported, in place or in inference mode."""

import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.optim.swa_utils import AveragedModel

from jeat._support.tensors import check_logits

__all__ = [
    "bare", "differentiable", "energies_of", "leaf", "logits_of", "meant", "normal", "repeatable",
    "twice_differentiable", "unwrapped_once",
]  # fmt: skip

_WRAPPERS = (nn.DataParallel, nn.parallel.DistributedDataParallel, AveragedModel)

_SAID = {  # what autograd and exported nets say, and what to do
    r"Inference tensors cannot be saved": "the net was made in torch.inference_mode(), where "
    "autograd cannot follow it: make it outside of it, or use copy.deepcopy(net) outside of it",
    r"use_reentrant=True": "the net calls torch.utils.checkpoint with use_reentrant=True, which "
    "gives no gradient of its images: call it with use_reentrant=False",
    r"must have the same dtype|Input type .* should be the same": "the images and the weights of "
    "the net are of two dtypes: convert one with .to()",
    r"derivative for .*_scaled_dot_product_": "the net asks for a fused attention, which has no "
    "second derivative: leave out its sdpa_kernel context",
    r"derivative for '?(?:aten::)?(\w+)_backward'? is not implemented": "autograd knows no second "
    "derivative of the net's {}: leave out probes, where the net is piecewise linear; else use "
    "another layer, or jeat.metrics.curvature, which needs none",
    r"derivative for '?(?:aten::)?(\w+)'? is not implemented": "autograd knows no derivative of "
    "the net's {}: use another layer",
    r"does not require grad and does not have a grad_fn|not have been used in the graph": "the "
    "net's logits do not depend on its images: there is no gradient",
    r"Can't call numpy\(\)": "the net leaves PyTorch by .numpy(), where autograd cannot follow it: "
    "there is no gradient",
    r"(?:Guard failed: .*size\(\)\[0\] ==|Expected input.* shape\[0\] to be equal to) (\d+)": "the "
    "net was exported for batches of one size, {}: export it with dynamic_shapes for the first "
    "dimension",
    r"Guard failed: .*size\(\)\[0\]|Expected input.* shape\[0\]": "the net was exported for "
    "batches of one size: export it with dynamic_shapes for the first dimension",
}


def bare(net: nn.Module) -> nn.Module:
    """The net inside of DataParallel, DistributedDataParallel, an average or torch.compile."""
    while (inner := unwrapped_once(net)) is not None:
        net = inner
    return net


def unwrapped_once(net: nn.Module) -> nn.Module | None:
    """What is directly inside of one of these; None where it is none."""
    if isinstance(net, _WRAPPERS):
        return net.module
    inner: nn.Module | None = getattr(net, "_orig_mod", None)
    return inner


def logits_of(net: nn.Module, x: Tensor) -> Tensor:
    """The net's logits (B, classes) of images (B, ...).

    The net is given a copy, as its first layer may work in place. DistributedDataParallel is left
    out: its processes would wait for each other at every pass.

    Raises:
        ValueError: what the net gives is no logits, one row an image.
    """
    inner = bare(net)
    local = isinstance(net, nn.parallel.DistributedDataParallel)
    copied = hasattr(inner, "spec")  # by what nets of jeat.nets.build do before a pass
    given = x.clone() if isinstance(x, Tensor) and not copied else x
    with _explained():
        logits: Tensor = (inner if local else net)(given)
    check_logits(logits)
    if len(logits) != len(x):
        raise ValueError(f"logits must have a row an image, got {len(logits)} for {len(x)} images")
    return logits


def energies_of(net: nn.Module, x: Tensor, y: Tensor) -> Tensor | None:
    """What ``joint(x, y)`` of the net's class gives; None where it has no such method.

    A net within a wrapper is asked itself.

    Raises:
        ValueError: it gives something else than a number an image.
    """
    inner: Any = bare(net)
    if not hasattr(type(inner), "joint"):
        return None
    with _explained():
        E: Tensor = inner.joint(x, y)
    if not isinstance(E, Tensor) or E.shape != x.shape[:1] or not E.is_floating_point():
        got = tuple(E.shape) if isinstance(E, Tensor) else f"a {type(E).__name__}"
        raise ValueError(f"joint(x, y) of a net must give energies {tuple(x.shape[:1])}, got {got}")
    return E


def normal(t: Tensor) -> Tensor:
    """A tensor that autograd can keep: a copy, where it was made in ``torch.inference_mode()``."""
    return t.clone() if t.is_inference() else t


def leaf(x: Tensor) -> Tensor:
    """Images of which gradients can be taken, in :func:`differentiable`.

    Raises:
        ValueError: they are no tensor.
    """
    if not isinstance(x, Tensor):
        raise ValueError(f"images must be a tensor (B, C, H, W), got a {type(x).__name__}")
    return normal(x).detach().requires_grad_()


@contextmanager
def differentiable() -> Iterator[None]:
    """Autograd records, whatever is around; what it cannot do is said in one line.

    Raises:
        ValueError: a net that has no such gradient.
    """
    with _explained(), torch.inference_mode(False), torch.enable_grad():
        yield


def meant(error: Exception) -> str | None:
    """What an error of autograd or of an exported net means, and what to do, where it is known."""
    for pattern, said in _SAID.items():
        if found := re.search(pattern, str(error)):
            return said.format(*found.groups())
    return None


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        if said := meant(error):
            raise ValueError(said) from error
        raise


@contextmanager
def repeatable() -> Iterator[None]:
    """:func:`differentiable` more than once by the same graph, which compiled code is not."""
    with ExitStack() as stack:
        if "torch._dynamo" in sys.modules:  # else nothing was compiled
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        stack.enter_context(differentiable())
        yield


@contextmanager
def twice_differentiable() -> Iterator[None]:
    """:func:`repeatable`, with attention by its mathematics: fused, it has no second derivative."""
    with sdpa_kernel(SDPBackend.MATH), repeatable():
        yield
