"""ResNets of MadryLab's robustness: of CIFAR, as in kuangliu's pytorch-cifar, and of ImageNet.

The keys are ``conv1``, ``bn1``, ``layer1.0.conv1`` ..., ``shortcut.0``, ``linear``. An
``AttackerModel`` has them under ``model.``, again under ``attacker.model.``, and the channels'
``normalizer.new_mean`` and ``new_std``; without these, images come as they are. Those of ImageNet
are torchvision's, with ``downsample`` and ``fc``.
"""

from collections.abc import Mapping

from torch import Tensor

from jeat.nets.layouts._found import Found, blocks_of, normalisation, renamed
from jeat.nets.layouts._library import found_in, of_torchvision

__all__ = ["read"]


def read(tensors: Mapping[str, Tensor]) -> Found | None:
    """The net of ``resnet.py``, or of torchvision, with the same logits."""
    settings = normalisation(tensors, "normalizer.new_mean", "normalizer.new_std")
    if "normalizer.new_mean" in tensors:
        inner = {k.removeprefix("model."): v for k, v in tensors.items() if k[:6] == "model."}
        tensors = inner
        if "fc.weight" in tensors and (name := of_torchvision(tensors)) is not None:
            return found_in("torchvision", name, tensors, settings)
    if not {"bn1.weight", "layer1.0.conv1.weight", "linear.weight"} <= tensors.keys():
        return None
    blocks = [blocks_of(tensors, f"layer{i + 1}") for i in range(4)]
    convolutions = 3 if "layer1.0.conv3.weight" in tensors else 2
    names, at = {"conv1": "1", "bn1": "2"}, 4
    for stage, n in enumerate(blocks):
        for i in range(n):
            theirs = f"layer{stage + 1}.{i}"
            for j in range(convolutions):
                names[f"{theirs}.conv{j + 1}"] = f"{at}.branch.{3 * j}"
                names[f"{theirs}.bn{j + 1}"] = f"{at}.branch.{3 * j + 1}"
            names |= {f"{theirs}.shortcut.{j}": f"{at}.shortcut.{j}" for j in range(2)}
            at += 1
    names["linear"] = str(at + 2)
    return Found(
        f"resnet-{2 + convolutions * sum(blocks)}-{tensors['conv1.weight'].shape[0]}",
        renamed(tensors, names), len(tensors["linear.bias"]),
        {"norm": "batch", "activation": "relu"} | settings, tensors["conv1.weight"].shape[1],
    )  # fmt: skip
