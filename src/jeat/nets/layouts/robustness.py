"""ResNets of kuangliu's pytorch-cifar, as MadryLab's robustness has them of CIFAR.

The keys are ``conv1``, ``bn1``, ``layer1.0.conv1`` ..., ``shortcut.0``, ``linear``. An
``AttackerModel`` has them under ``model.``, again under ``attacker.model.``, beside the channels'
``normalizer.new_mean`` and ``new_std``; those of ImageNet are torchvision's.
"""

from collections.abc import Mapping

from torch import Tensor

from jeat.nets.layouts._found import UNSAID, Found, blocks_of, renamed

__all__ = ["read"]


def read(tensors: Mapping[str, Tensor]) -> Found | None:
    """The net of ``resnet.py`` with the same logits.

    Raises:
        ValueError: of other stages or shortcuts than that has.
    """
    if not {"bn1.weight", "layer1.0.conv1.weight", "linear.weight"} <= tensors.keys():
        return None
    blocks = [blocks_of(tensors, f"layer{i + 1}") for i in range(4)]
    plain = "layer2.0.shortcut.0.weight" not in tensors
    if not all(blocks) or plain:
        raise ValueError(
            f"it looks like a ResNet of CIFAR of {sum(map(bool, blocks))} stages"
            + (", whose shortcuts have no weights" if plain else "")
            + ", as akamaster's, which is no net of this package: give --arch FILE.py:FUNCTION, "
            "which returns the module"
        )
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
        renamed(tensors, names), len(tensors["linear.weight"]),
        {"norm": "batch", "activation": "relu", "mean": 0.0, "std": 1.0},
        tensors["conv1.weight"].shape[1],
        layers={v: k for k, v in names.items()}, doubt=UNSAID,
    )  # fmt: skip
