"""How a net is run: in eval mode with frozen weights, and in which precision."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any, Literal, get_args
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from jeat._support import processes
from jeat._support.checks import SettingError, plain, quoted
from jeat._support.passes import bare
from jeat._support.progress import LOG

__all__ = ["Precision", "autocast", "evaluating", "in_bf16", "to_eval"]

Precision = Literal["fp32", "bf16", "auto"]


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """``with evaluating(net):`` runs in eval mode with frozen weights, and restores both after.

    Of several threads within one net's, the last restores them.

    Input gradients of frozen weights neither keep nor compute what only weights need. Within
    :func:`autocast` to bf16, convolutions and linear layers meanwhile hold copies of their weights
    in bf16: autocast would cast frozen weights anew at every pass, to the same values. What is to
    be in fp32 has its own ``with autocast("fp32", ...), evaluating(net):``, not inside of this one.

    Raises:
        ValueError: no module, or one that was exported in train mode.
    """
    if not isinstance(net, nn.Module):
        raise ValueError(f"a net is a torch.nn.Module, got a {type(net).__name__}")
    full = _made_in_inference_mode(net) + _cast_by_autocast(net)
    _freeze(net)
    try:
        for m, name, t, dtype in full:  # another one: hooks and optimisers keep the one they know
            with torch.inference_mode(False), torch.no_grad():
                copy = t.detach().to(dtype, copy=True)
                setattr(m, name, nn.Parameter(copy, False) if isinstance(t, nn.Parameter) else copy)
        yield
    finally:
        for m, name, t, _ in full:
            setattr(m, name, t)
        _thaw(net)


@dataclass
class _Users:
    """How many run a net in eval mode now, and what the last of them restores."""

    number: int
    training: list[nn.Module]
    thawed: list[nn.Parameter]


_faster: WeakKeyDictionary[nn.Module, dict[str, bool]] = WeakKeyDictionary()
_users: WeakKeyDictionary[nn.Module, _Users] = WeakKeyDictionary()
_lock = Lock()  # of the table above: threads may use one net at once


def _freeze(net: nn.Module) -> None:
    with _lock:
        if net in _users:
            _users[net].number += 1
            return
        modules = [
            m for m in net.modules() if getattr(m, "training", False)
        ]  # frozen code has none
        thawed = [p for p in net.parameters() if p.requires_grad and not p.is_inference()]
        to_eval(net)
        for p in thawed:
            p.requires_grad = False
        _users[net] = _Users(1, modules, thawed)


def _thaw(net: nn.Module) -> None:
    with _lock:
        users = _users[net]
        users.number -= 1
        if users.number:
            return
        del _users[net]
        for m in users.training:
            m.training = True
        for p in users.thawed:
            p.requires_grad = True


def to_eval(net: nn.Module) -> None:
    """``net.eval()``; an exported net, which has one mode, stays in it."""
    try:
        net.eval()
    except NotImplementedError as error:
        if any(map(_trains, net.modules())):
            raise ValueError("the net was exported in train mode: export net.eval()") from error
        for m in net.modules():  # what is beside it has modes
            m.training = False


def _trains(m: nn.Module) -> bool:
    """Whether it is the graph of an exported net that drops out, or normalises by the batch."""
    nodes = m.graph.nodes if isinstance(m, GraphModule) else ()
    flags = {"aten::dropout": 2, "aten::batch_norm": 5}  # where ``training`` stands
    named = [(getattr(getattr(n.target, "_schema", None), "name", ""), n.args) for n in nodes]
    return any(name in flags and args[flags[name]] is True for name, args in named)


_Held = tuple[nn.Module, str, Tensor, torch.dtype]


def _made_in_inference_mode(net: nn.Module) -> list[_Held]:
    """The weights and buffers that autograd cannot keep, each with its module, name and dtype."""
    return [
        (m, name, t, t.dtype)
        for m in net.modules()
        for name, t in (*m.named_parameters(recurse=False), *m.named_buffers(recurse=False))
        if t.is_inference()
    ]


def _cast_by_autocast(net: nn.Module) -> list[_Held]:
    """The weights that autocast casts, each with its module, name and what it is cast to."""
    return [
        (m, name, p, torch.get_autocast_dtype(p.device.type))
        for m in net.modules()
        if type(m) in (nn.Conv2d, nn.Linear)
        for name, p in m.named_parameters(recurse=False)
        if name in ("weight", "bias") and p.dtype == torch.float32
        if torch.amp.is_autocast_available(p.device.type)
        and torch.is_autocast_enabled(p.device.type)
    ]


@contextmanager
def autocast(
    precision: Precision, device: torch.device, net: nn.Module | None = None
) -> Iterator[None]:
    """A context in which nets multiply in bf16, or in fp32 whatever is around it.

    Logits come out in bf16 and :mod:`jeat.energy` takes them to fp32; images, chains and
    gradients with respect to images stay in fp32. On a GPU, fp32 that is asked for is no TF32.
    ``net`` is which, for :func:`in_bf16`.
    """
    kinds: list[Any] = [torch.backends.cudnn, torch.backends.cuda.matmul]
    allowed = [kind.allow_tf32 for kind in kinds]
    exact = device.type == "cuda" and precision == "fp32"
    try:
        for kind, tf32 in zip(kinds, allowed, strict=True):
            kind.allow_tf32 = tf32 and not exact
        bf16 = in_bf16(precision, device, net)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            yield
    finally:
        for kind, tf32 in zip(kinds, allowed, strict=True):
            kind.allow_tf32 = tf32


def in_bf16(precision: Precision, device: torch.device, net: nn.Module | None = None) -> bool:
    """Whether ``net`` multiplies in bf16: ``"auto"`` does where that is faster.

    The device must have instructions for it: a CPU without them emulates it, twenty times slower
    than fp32. On one with them, a net with a ``spec`` is timed once in both, on 16 images of noise,
    which the logger ``jeat`` is told. Another net, and one that processes share, runs in fp32 on a
    CPU where it has convolutions in groups of few channels: bf16 is many times slower at some.
    """
    if precision not in get_args(Precision):
        raise SettingError(
            f"unknown precision {quoted(precision)}: use {', '.join(get_args(Precision))}"
        )
    if precision != "auto":
        return precision == "bf16"
    if not _is_able(device):
        return False
    if net is None:
        return True
    if hasattr(bare(net), "spec") and processes.world() == 1:
        return _is_faster_in_bf16(net, device)
    return device.type != "cpu" or not _has_thin_groups(net)


def _is_able(device: torch.device) -> bool:
    """Whether a device has instructions for bf16."""
    if device.type == "cpu":
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def _has_thin_groups(net: nn.Module) -> bool:
    """Whether a convolution sees few channels at once, as depthwise ones do."""
    found = ((getattr(m, "groups", 1), getattr(m, "in_channels", None)) for m in net.modules())
    return any(groups > 1 and channels and channels // groups < 16 for groups, channels in found)


def _is_faster_in_bf16(net: nn.Module, device: torch.device) -> bool:
    """Whether input gradients of a net with a spec are faster in bf16, timed once for each net."""
    inner = bare(net)
    known = _faster.setdefault(inner, {})
    if device.type not in known:
        spec: Any = inner.spec
        try:
            with torch.random.fork_rng(), torch.inference_mode(False):
                fp32, bf16 = seconds_in_both(net, torch.rand(16, *spec.shape, device=device))
        except (RuntimeError, ValueError) as error:  # a net that does not run in one of them
            LOG.info(
                "%s: fp32, as it could not be timed in both (%s)", spec.name, plain(str(error))
            )
            known[device.type] = False
            return False
        known[device.type] = bf16 < fp32
        LOG.info(
            "%s on images of %s: %s, as a pass in bf16 takes %.3g of the time of one in fp32",
            spec.name, spec.shape, "bf16" if bf16 < fp32 else "fp32", bf16 / fp32,
        )  # fmt: skip
    return known[device.type]


def seconds_in_both(net: nn.Module, x: Tensor, rounds: int = 3) -> tuple[float, float]:
    """Least seconds of an input gradient in fp32 and in bf16, the rounds of both interleaved."""
    least = [math.inf, math.inf]
    for i in range(rounds + 1):
        for bf16 in (False, True):
            cast = torch.autocast(x.device.type, torch.bfloat16, enabled=bf16)
            with cast, evaluating(net), torch.enable_grad():
                began = time.perf_counter()
                z = x.clone().requires_grad_()
                torch.autograd.grad(net(z).float().logsumexp(1).sum(), z)
                if x.is_cuda:
                    torch.cuda.synchronize(x.device)
                if i:  # the first round warms up
                    least[bf16] = min(least[bf16], time.perf_counter() - began)
    return least[0], least[1]
