"""Nets of timm that no other library has: vision transformers, ConvNeXts and more.

Nets of several names have the same weights' names and shapes, as ViT and DeiT have, and differ in
their normalisation or padding; such are refused.
"""

import re
from collections.abc import Mapping

from torch import Tensor

from jeat.nets._libraries import names_of
from jeat.nets.layouts._found import Found
from jeat.nets.layouts._library import fitting, found_in

__all__ = ["read"]

_WIDTHS = {192: "tiny", 384: "small", 768: "base", 1024: "large", 1280: "huge"}


def read(tensors: Mapping[str, Tensor]) -> Found | None:
    """The net of timm with the same logits.

    Raises:
        ValueError: one of timm, and it cannot be told which.
    """
    if (pattern := _pattern(tensors)) is None:
        return None
    names = [n for n in names_of("timm") if re.fullmatch(pattern, n)]
    found = fitting("timm", names, tensors, most=3)
    if len(found) == 1:
        return found_in("timm", found[0], tensors)
    which = f"one of {', '.join(found)}, or of others" if found else "a vision transformer or alike"
    name = found[0] if found else "NAME"
    raise ValueError(
        f"it is of timm, {which}, which its state dict does not say: give --arch timm:{name}, and "
        "--mean and --std where it was not trained with that net's own"
    )


def _pattern(tensors: Mapping[str, Tensor]) -> str | None:
    """What the names of nets match that have these keys; None where it is no family of timm."""
    if {"patch_embed.proj.weight", "blocks.0.attn.qkv.weight"} <= tensors.keys():
        side = tensors["patch_embed.proj.weight"].shape[-1]
        tokens = tensors["pos_embed"].shape[1] if "pos_embed" in tensors else 1
        size, word = side * int(tokens**0.5), _WIDTHS.get(len(tensors["patch_embed.proj.weight"]))
        return rf"(vit|deit)_{word}_patch{side}_{size}"
    if {"stem.0.weight", "stages.0.blocks.0.conv_dw.weight"} <= tensors.keys():
        return r"convnext(v2)?_[a-z]+"
    if {"stem.proj.weight", "blocks.0.mlp_tokens.fc1.weight"} <= tensors.keys():
        return rf"mixer_\w{tensors['stem.proj.weight'].shape[-1]}_\d+"
    return None
