"""Nets of pytorchcv for CIFAR: ResNets, pre-activation and wide ResNets, DenseNets and others.

The keys begin with ``features.init_block``, the last are ``output``. Nets for SVHN are the same as
those for CIFAR-10.
"""

from collections.abc import Mapping

from torch import Tensor

from jeat.nets._libraries import names_of
from jeat.nets.layouts._found import Found
from jeat.nets.layouts._library import depth_in, depth_of, fitting, found_in, head_of

__all__ = ["read"]

_AROUND = 8  # by how much the number in a name may miss that of the layers


def read(tensors: Mapping[str, Tensor]) -> Found | None:
    """The net of pytorchcv with the same logits.

    Raises:
        ValueError: one of pytorchcv, and not for CIFAR.
    """
    if not any(k.startswith("features.init_block.") for k in tensors):
        return None
    data = "cifar100" if head_of(tensors) == 100 else "cifar10"
    layers = depth_of(tensors)
    names = [n for n in names_of("pytorchcv") if n.endswith(f"_{data}")]
    far = {n: abs((depth_in(n) or 0) - layers) for n in names}
    near = sorted((n for n in names if far[n] <= _AROUND), key=lambda n: far[n])
    for name in fitting("pytorchcv", near, tensors):
        return found_in("pytorchcv", name, tensors)
    raise ValueError(
        "it is of pytorchcv, and its state dict does not say which net: give --arch pytorchcv:NAME"
    )
