"""Early exit: images leave an attack at the first iterate that is fooled."""

import torch
from torch import Tensor

__all__ = ["keep", "not_fooled", "staying"]

_CLEAR = 2**-7  # of the largest logit: as far as rounding to bf16 moves a margin


def keep(x_adv: Tensor, left: Tensor, still: Tensor, x: Tensor) -> Tensor:
    """``x`` in the places ``left`` of ``x_adv``, of the images that are ``still`` not fooled."""
    return x_adv.index_copy_(0, left, x.where(still.view(-1, 1, 1, 1), x_adv[left]))


def staying(still: Tensor) -> Tensor:
    """Which images the next step passes: those ``still`` not fooled, and on a GPU some beside.

    There a pass of a new size plans its convolutions anew, which takes as long as many passes. So
    the batch is halved, again and again, and images that are fooled already fill it up.
    """
    many = int(still.sum())  # the one wait for the device in a step
    if _plans_by_size(still.device) and many:
        size = len(still)
        while many <= (size + 1) // 2 < size:
            size = (size + 1) // 2
        return (~still).byte().argsort(stable=True)[:size]
    return still.nonzero().squeeze(1)


def _plans_by_size(device: torch.device) -> bool:
    """Whether a pass of another batch size than before is slow."""
    return device.type == "cuda"


def not_fooled(logits: Tensor, y: Tensor, *, targeted: bool) -> Tensor:
    """Which images are not known to be classified as no ``y``, or if targeted, as ``y``.

    Under autocast an image whose two largest logits are nearer than rounding is not known to be.
    """
    said = logits.argmax(1) == y
    stays = (~said if targeted else said) | ~logits.isfinite().all(1)
    if torch.is_autocast_enabled(logits.device.type) and logits.shape[1] > 1:
        first, second = logits.topk(2).values.unbind(1)
        stays |= first - second < _CLEAR * logits.abs().amax(1)
    return stays
