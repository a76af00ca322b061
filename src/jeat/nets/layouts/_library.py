"""Which net of a library a state dict is of: the one whose names and shapes it has."""

import re
from collections.abc import Iterable, Mapping
from functools import partial

import torch
from torch import Tensor

from jeat.nets._libraries import module_of, names_of, usual_of
from jeat.nets.layouts._found import Found
from jeat.nets.wrap import NAME

__all__ = ["depth_in", "depth_of", "fitting", "found_in", "head_of", "of_torchvision"]

_FAMILIES = {  # a key -> what the names of the nets that have it match
    "layer1.0.conv1.weight": r"(wide_)?resne[x]?t\d+(_.*)?",
    "classifier.6.weight": r"vgg\d+(_bn)?",
    "features.denseblock1.denselayer1.conv1.weight": r"densenet\d+",
    "conv_proj.weight": r"vit_\w+",
    "features.1.conv.0.0.weight": r"mobilenet_v2",
    "features.1.block.0.0.weight": r"mobilenet_v3_\w+",
    "features.1.0.layer_scale": r"convnext_\w+",
    "features.1.0.block.1.fc1.weight": r"efficientnet_b\d",
    "trunk_output.block1.block1-0.proj.0.weight": r"regnet_\w_\d*_?\d00mf",
    "stage2.0.branch1.0.weight": r"shufflenet_\w+",
}


def depth_of(tensors: Mapping[str, Tensor]) -> int:
    """How many layers have weights, without those of shortcuts and of attention to channels."""
    beside = ("downsample", "identity", ".se.")
    return sum(t.dim() in (2, 4) and not any(b in k for b in beside) for k, t in tensors.items())


def depth_in(name: str) -> int | None:
    """The first number in a name that is one of layers, such as 20 of resnet20_cifar10."""
    found = re.match(r"[a-z_]*?net(\d+)|[a-z]+(\d+)_", f"{name}_")
    return int(found[1] or found[2]) if found else None


def head_of(tensors: Mapping[str, Tensor]) -> int:
    """How many logits the last layer gives."""
    return next((len(t) for t in reversed([*tensors.values()]) if t.dim() == 2), 0)


def fitting(
    library: str, names: Iterable[str], tensors: Mapping[str, Tensor], *, most: int = 1
) -> list[str]:
    """The first ``most`` of the nets by these names that have the tensors' names and shapes."""
    shapes, found = {k: v.shape for k, v in tensors.items()}, list[str]()
    channels = next((t.shape[1] for t in tensors.values() if t.dim() == 4), 3)
    for name in names:
        make = partial(module_of, library, name, {}, channels=channels, classes=head_of(tensors))
        try:
            with torch.device("meta"):
                net = make()
        except RuntimeError:  # a few cannot be looked at before they are made
            net = make()
        except Exception:  # whatever a library's net raises that is not made for these
            continue
        own = {k: v.shape for k, v in net.state_dict().items()}
        if {k: s for k, s in own.items() if not k.endswith("num_batches_tracked")} == {
            k: s for k, s in shapes.items() if not k.endswith("num_batches_tracked")
        }:
            found.append(name)
        if len(found) == most:
            break
    return found


def found_in(library: str, name: str, tensors: Mapping[str, Tensor]) -> Found:
    """The net of a library by name, with images and normalisation as the library has them."""
    usual, classes = usual_of(library, name, {}), head_of(tensors)
    channels = next((t.shape[1] for t in tensors.values() if t.dim() == 4), 3)
    mean, std = usual.of_channels(channels)
    return Found(
        NAME, {f"net.{k}": v for k, v in tensors.items()}, classes,
        {"make": f"{library}:{name}", "mean": mean, "std": std}, channels, usual.images[1],
        usual.classes if len(usual.classes) == classes else (),
    )  # fmt: skip


def of_torchvision(tensors: Mapping[str, Tensor]) -> str | None:
    """The net of torchvision with these names and shapes; None where it is none of its."""
    pattern = next((p for key, p in _FAMILIES.items() if key in tensors), None)
    if pattern is None or "linear.weight" in tensors:
        return None
    names = [n for n in names_of("torchvision") if re.fullmatch(pattern, n)]
    near = [n for n in names if depth_in(n) in (None, depth_of(tensors))]
    return next(iter(fitting("torchvision", near, tensors)), None)
