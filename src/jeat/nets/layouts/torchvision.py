"""Nets of torchvision: ResNets and their kin, VGGs, DenseNets, vision transformers and others.

Which one it is follows from the names and shapes; which images, and how they were normalised, does
not. ResNets of timm have the same names and arithmetic.
"""

from collections.abc import Mapping

from torch import Tensor

from jeat.nets.layouts._found import Found
from jeat.nets.layouts._library import found_in, of_torchvision

__all__ = ["read"]


def read(tensors: Mapping[str, Tensor]) -> Found | None:
    """The net of torchvision with the same logits."""
    name = of_torchvision(tensors)
    return None if name is None else found_in("torchvision", name, tensors)
