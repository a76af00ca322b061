"""PreActResNet-18 of fast_adversarial, of images normalised outside of the net (Wong et al. 2020).

The keys are ``conv1``, ``layer1.0.bn1`` ..., ``bn``, ``linear``; ``train_fgsm.py`` normalises by
CIFAR-10's mean and std, as do the free and PGD versions.
"""

from collections.abc import Mapping

from torch import Tensor

from jeat.nets.layouts._found import Found, blocks_of, renamed

__all__ = ["read"]

_INSIDE = {"bn1": "first.0", "conv1": "branch.0", "bn2": "branch.1", "conv2": "branch.3",
           "shortcut.0": "shortcut"}  # fmt: skip
_CIFAR10 = {"mean": [0.4914, 0.4822, 0.4465], "std": [0.2471, 0.2435, 0.2616]}
_DOUBT = (
    "its file does not say how images are normalised: taken as CIFAR-10's, mean "
    f"{_CIFAR10['mean']} and std {_CIFAR10['std']}; give --mean and --std where it was others"
)


def read(tensors: Mapping[str, Tensor]) -> Found | None:
    """The net of ``preact_resnet.py`` with the same logits."""
    first = "layer1.0.bn1.weight"
    if first not in tensors or "linear.weight" not in tensors or "bn1.weight" in tensors:
        return None
    blocks = [blocks_of(tensors, f"layer{i + 1}") for i in range(4)]
    names, at = {"conv1": "1"}, 2
    for stage, n in enumerate(blocks):
        for i in range(n):
            theirs = f"layer{stage + 1}.{i}"
            names |= {f"{theirs}.{k}": f"{at}.{v}" for k, v in _INSIDE.items()}
            at += 1
    last = "bn" if "bn.weight" in tensors else None
    if last is None:
        raise ValueError(
            "it is a pre-activation ResNet without a last normalisation (bn), which is not read: "
            "give --arch FILE.py:FUNCTION, which returns the module"
        )
    names |= {last: str(at), "linear": str(at + 4)}
    width = tensors["conv1.weight"].shape[0]
    return Found(
        f"preact_resnet-{2 + 2 * sum(blocks)}-{width}", renamed(tensors, names),
        len(tensors["linear.weight"]), {"norm": "batch", "activation": "relu"} | _CIFAR10,
        tensors["conv1.weight"].shape[1], layers={v: k for k, v in names.items()}, doubt=_DOUBT,
    )  # fmt: skip
