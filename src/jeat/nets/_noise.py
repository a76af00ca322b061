"""What a net gives for images of noise: whether it is a classifier, and what is doubtful in it."""

import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from jeat._support.checks import DoubtWarning, plain
from jeat._support.libraries import LIBRARIES
from jeat._support.passes import bare
from jeat._support.plugins import name_of
from jeat._support.sealed import header_of
from jeat._support.tensors import check_logits
from jeat.nets.modes import autocast, evaluating
from jeat.nets.spec import Spec, spec_of

__all__ = ["check_logits_of", "check_same_logits", "logits_of_noise"]

LOGITS = "logits_of_noise"  # what a file's header calls them
SIGMOID = (
    "the net's outputs all lie in [0, 1] at images of noise: where they are of a sigmoid, leave it "
    "out, as energies are of logits"
)
FINE, COARSE = 1e-3, 5e-2  # rounding of logits, by weights of 4 bytes and of fewer
_NEEDS_A_BATCH = "more than 1 value per channel"  # of batch normalisation by the batch alone


def check_logits_of(net: nn.Module, *, remedy: str = "") -> None:
    """Check what a net gives for two images of noise.

    Args:
        net: is looked at.
        remedy: what to do, where it does not take them.

    Raises:
        ValueError: it does not take them, or gives something else than a finite logit a class.

    Warns:
        DoubtWarning: its outputs look like probabilities or their logarithms, are random, or depend
            on the other images of a batch.
    """
    spec = spec_of(net)
    shape, classes = spec.shape, len(spec.classes)
    x = _noise(net)
    with _passes(net):
        try:
            logits = net(x)
        except (RuntimeError, IndexError, TypeError) as error:  # as modules say it
            why = plain(str(error))
            raise ValueError(f"the net does not take images of {shape}: {why}{remedy}") from error
        check_logits(logits)
        if logits.shape[1] != classes:
            raise ValueError(f"the net gives {logits.shape[1]} logits for {classes} classes")
        if not logits.isfinite().all():
            raise ValueError("the net's logits are NaN or infinite at images of noise")
        doubts = [_look_like(logits, _rounds(net.parameters())), _vary(net, x, logits)]
        if doubts[0] is SIGMOID and _ends_linearly(net, x):
            doubts[0] = ""  # as two small logits may, by chance
    for said in filter(None, doubts):
        warnings.warn(said, DoubtWarning, stacklevel=4)


def _look_like(logits: Tensor, rounds: float) -> str:
    """What outputs (B, K), rounded so, look like that are no logits; "" where they do not."""
    if (logits >= 0).all() and (logits.sum(1) - 1).abs().max() < rounds:
        return (
            "the net's outputs are not negative and sum to 1, as probabilities: leave its softmax "
            "out, as energies are of logits"
        )
    if logits.logsumexp(1).abs().max() < rounds:
        return (
            "the net's outputs are logarithms of probabilities, so that E(x) is 0 for every image: "
            "leave its log_softmax out, as energies are of logits"
        )
    if (logits >= 0).all() and (logits <= 1).all() and logits.any():
        return SIGMOID
    return ""


def _ends_linearly(net: nn.Module, x: Tensor) -> bool:
    """Whether the last thing that a net does is a linear layer, as far as autograd sees it."""
    with torch.enable_grad():
        node: Any = net(x.clone().requires_grad_()).grad_fn
    while node is not None and type(node).__name__ in ("ToCopyBackward0", "ViewBackward0"):
        node = node.next_functions[0][0]
    return type(node).__name__ in ("AddmmBackward0", "MmBackward0")


def _vary(net: nn.Module, x: Tensor, logits: Tensor) -> str:
    """By what but its image a net's logits vary: chance, or the rest of the batch; "" by none."""
    if _far(net.parameters(), net(x), logits):
        return (
            "the net's logits are random in eval mode, as by dropout that is always on: of one "
            "image two passes differ, and figures and attacks are of single draws"
        )
    try:
        alone = net(x[:1])
    except (RuntimeError, ValueError, AssertionError) as error:
        if _NEEDS_A_BATCH not in str(error):
            return ""  # a net of batches of one size, as some are exported
        alone = None
    if (
        alone is None
        or alone.shape != logits[:1].shape
        or _far(net.parameters(), alone, logits[:1])
    ):
        return (
            "the net's logits of an image depend on the others in its batch, as by batch "
            "normalisation without running statistics: figures depend on the size of batches"
        )
    return ""


def logits_of_noise(net: nn.Module) -> dict[str, list[list[float]]]:
    """What a file keeps of a net that code of one's own makes: its logits (2, K) of two images of
    noise, in eval mode and fp32, by which :func:`check_same_logits` tells it from another one.

    Empty where they are random, or the module does not take such images without its ``prepare``,
    which no file keeps; and for the nets of this package and of libraries.
    """
    inner: Any = bare(net)
    if not _is_of_own_code(spec_of(inner)):
        return {}
    prepare = getattr(inner, "prepare", None)
    try:
        if prepare is not None:
            inner.prepare = None
        x = _noise(inner)
        with _passes(inner):
            logits, again = (inner(x).float().cpu() for _ in range(2))
    except Exception:  # whatever one's own code raises
        return {}
    finally:
        if prepare is not None:
            inner.prepare = prepare
    lost = not logits.isfinite().all() or _far(inner.parameters(), again, logits)
    return {} if lost else {LOGITS: logits.tolist()}


def check_same_logits(net: nn.Module, file: Path) -> None:
    """Check that a net with the weights of a file computes what the one did that was saved in it.

    Files that keep no logits, and nets whose logits are random, are let pass.

    Raises:
        ValueError: it computes something else.
    """
    header = header_of(file)
    if LOGITS not in header:
        return
    with safe_open(file, framework="pt") as f:
        saved = [f.get_tensor(k) for k in f.keys() if k.startswith("net.")]  # noqa: SIM118
    now, then = (torch.tensor(v[LOGITS]) for v in (header | logits_of_noise(net), header))
    if _far([*saved, *net.parameters()], now, then):
        raise ValueError(
            f"{file} is of another module than the one that is given, or its code was changed: its "
            "weights fit, and its logits of images of noise were others; give it as it was saved"
        )


def _is_of_own_code(spec: Spec) -> bool:
    """Whether a file says by which code a net was made, if that, and holds none of it."""
    if "make" not in spec.settings:
        return ":" in spec.name
    return name_of(spec.settings["make"]).partition(":")[0] not in LIBRARIES


def _noise(net: nn.Module) -> Tensor:
    """Two images of noise in [0, 1], the same every time, where the net is."""
    like = next(net.parameters(), torch.zeros(()))
    x = torch.rand(2, *spec_of(net).shape, generator=torch.Generator().manual_seed(0))
    casts = getattr(net, "casts_images", False) or not like.is_floating_point()
    return x.to(like.device) if casts else x.to(like)


@contextmanager
def _passes(net: nn.Module) -> Iterator[None]:
    """Passes in eval mode and fp32, of nets that are not compiled for it, nor seed others."""
    device = next(net.parameters(), torch.zeros(())).device
    with ExitStack() as stack:
        if "torch._dynamo" in sys.modules:
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        devices = [device] if device.type == "cuda" else []
        stack.enter_context(torch.random.fork_rng(devices))
        stack.enter_context(autocast("fp32", device))
        stack.enter_context(evaluating(net))
        stack.enter_context(torch.no_grad())
        yield


def _far(weights: Iterable[Tensor], one: Tensor, other: Tensor) -> bool:
    """Whether logits differ by more than the rounding of the weights that they are of."""
    if one.shape != other.shape:
        return True
    bound = _rounds(weights) * max(1e-6, float(other.abs().max()))
    return not bool((one - other).abs().max() <= bound)


def _rounds(weights: Iterable[Tensor]) -> float:
    """How much logits may be off, as a share, by the coarsest of the weights."""
    fine = all(t.element_size() >= 4 for t in weights if t.is_floating_point())
    return FINE if fine else COARSE
