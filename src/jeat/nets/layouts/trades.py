"""WideResNets of TRADES, RobustBench and most of the leaderboard.

The keys are ``conv1``, ``block1.layer.0.bn1`` ..., ``bn1``, ``fc``. ``sub_block1``, which TRADES
keeps and never runs, is left out. Some keep the channels' ``mu`` and ``sigma`` or ``mean`` and
``std``.
"""

from collections.abc import Mapping

from torch import Tensor

from jeat.nets.layouts._found import UNSAID, Found, blocks_of, renamed

__all__ = ["read"]

_INSIDE = {"bn1": "first.0", "conv1": "branch.0", "bn2": "branch.1", "conv2": "branch.3",
           "convShortcut": "shortcut"}  # fmt: skip


def read(tensors: Mapping[str, Tensor]) -> Found | None:
    """The net of ``wide_resnet.py`` with the same logits."""
    if "block1.layer.0.conv1.weight" not in tensors or "fc.weight" not in tensors:
        return None
    n = blocks_of(tensors, "block1.layer")
    names = {"conv1": "1", "bn1": f"{2 + 3 * n}", "fc": f"{2 + 3 * n + 4}"}
    names |= {
        f"block{stage + 1}.layer.{i}.{theirs}": f"{2 + stage * n + i}.{ours}"
        for stage in range(3) for i in range(n) for theirs, ours in _INSIDE.items()
    }  # fmt: skip
    width = tensors["block1.layer.0.conv1.weight"].shape[0] // 16
    return Found(
        f"wide_resnet-{6 * n + 4}-{width}", renamed(tensors, names, r"sub_block1\."),
        len(tensors["fc.weight"]), {"norm": "batch", "activation": "relu", "mean": 0.0, "std": 1.0},
        tensors["conv1.weight"].shape[1], layers={v: k for k, v in names.items()}, doubt=UNSAID,
    )  # fmt: skip
