"""The features and logits of a judge: what its last linear layer is given, and what it gives."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from jeat._support.passes import bare, logits_of

__all__ = ["features_and_logits"]


def features_and_logits(judge: nn.Module) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """A function of images (B, C, H, W) that gives features (B, d) and logits (B, classes).

    Raises:
        ValueError: the judge has no linear layer; when called, none gives its logits.
    """
    *body, head = _in_sequence(bare(judge)) or [judge]
    if body and isinstance(head, nn.Linear):

        def in_sequence(x: Tensor) -> tuple[Tensor, Tensor]:
            for layer in body:
                x = layer(x)
            return x, head(x)

        return in_sequence
    heads = [m for m in judge.modules() if isinstance(m, nn.Linear)]
    if not heads:
        raise _no_features(judge)

    def watched(x: Tensor) -> tuple[Tensor, Tensor]:
        found: list[tuple[Tensor, Tensor]] = []

        def keep(_: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> None:
            found.append((given[0], out))

        with ExitStack() as stack:
            if "torch._dynamo" in sys.modules:  # compiled code runs no hooks
                stack.enter_context(torch.compiler.set_stance("force_eager"))
            for m in heads:
                stack.callback(m.register_forward_hook(keep).remove)
            logits = logits_of(judge, x)
        for features, out in reversed(found):
            if out.shape == logits.shape and torch.equal(out.to(logits), logits):
                return features, logits
        raise _no_features(judge)

    return watched


def _in_sequence(net: nn.Module) -> list[nn.Module]:
    """The layers of a net, in order, of sequences within sequences, too."""
    if not isinstance(net, nn.Sequential):
        return [net]
    return [layer for part in net for layer in _in_sequence(part)]


def _no_features(judge: Any) -> ValueError:
    return ValueError(
        "a judge ends in a linear layer of its features, whose output is its logits: a "
        f"{type(bare(judge)).__name__} has none, give another --judge"
    )
