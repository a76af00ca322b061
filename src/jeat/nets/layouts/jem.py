"""JEM, JEM++ and SADA-JEM: a WideResNet without normalisation, of images in [-1, 1].

The keys are ``f.conv1``, ``f.layer1.0.conv1`` ... and ``class_output``; ``f.linear`` and
``energy_output`` are not part of the classifier. JEM's own file keeps its replay buffer beside
them (github.com/wgrathwohl/JEM).
"""

from collections.abc import Mapping

from torch import Tensor

from jeat.nets.layouts._found import Found, blocks_of, renamed

__all__ = ["read"]


def read(tensors: Mapping[str, Tensor]) -> Found | None:
    """The net of ``wrn.py`` with the same logits: [-1, 1] is (x - 0.5) / 0.5."""
    if "f.layer1.0.conv2.weight" not in tensors or "class_output.weight" not in tensors:
        return None
    if any(".bn1." in k or ".bn2." in k for k in tensors):
        raise ValueError("it is a JEM with normalisation layers; only those without are read")
    blocks = blocks_of(tensors, "f.layer1")
    width = tensors["f.layer1.0.conv1.weight"].shape[0] // 16
    names = {"f.conv1": "1", "class_output": f"{2 + 3 * blocks + 4}"}
    for stage in range(3):
        for i in range(blocks):
            theirs, ours = f"f.layer{stage + 1}.{i}", str(2 + stage * blocks + i)
            names |= {f"{theirs}.conv1": f"{ours}.branch.2", f"{theirs}.conv2": f"{ours}.branch.5"}
            names[f"{theirs}.shortcut.0"] = f"{ours}.shortcut"
    return Found(
        f"wrn-{6 * blocks + 4}-{width}", renamed(tensors, names, r"(energy_output|f\.linear)\."),
        len(tensors["class_output.weight"]),
        {"norm": "none", "activation": "leaky_relu", "mean": 0.5, "std": 0.5},
        tensors["f.conv1.weight"].shape[1], layers={v: k for k, v in names.items()},
    )  # fmt: skip
