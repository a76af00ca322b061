"""ResNet for small images, as MadryLab's robustness and many CIFAR projects have it."""

from jaxtyping import Float
from torch import Tensor, nn

from jeat.nets._layers import (
    Activation,
    Normalisation,
    Normalize,
    PerChannel,
    activation_layer,
    norm_layer,
)  # fmt: skip
from jeat.nets._residual import Bottleneck, PostActivation, stages

__all__ = ["Net"]

_BLOCKS = {10: [1, 1, 1, 1], 18: [2, 2, 2, 2], 34: [3, 4, 6, 3], 50: [3, 4, 6, 3]}


class Net(nn.Sequential):
    """resnet-depth-width: a 3x3 convolution and four stages (He et al. 2016a), no first pooling.

    Args:
        depth: 10, 18 or 34, with two convolutions a block; 50, with three.
        width: channels of the first stage; the last has eight times as many, or 32 times at 50.
        channels, size: input images are (channels, size, size), size at least 8.
        classes: number of logits.
        norm: normalisation layers.
        activation: leaky_relu has slope 0.2, as in JEM.
        mean, std: the first layer maps x in [0, 1] to (x - mean) / std; a number, or one a channel.

    Raises:
        ValueError: another depth, a width below 1, images below 8 pixels.
    """

    only_sums = True

    def __init__(
        self,
        depth: int = 18,
        width: int = 64,
        *,
        channels: int = 3,
        size: int = 32,
        classes: int = 10,
        norm: Normalisation = "batch",
        activation: Activation = "relu",
        mean: PerChannel = 0.5,
        std: PerChannel = 0.5,
    ) -> None:
        if depth not in _BLOCKS:
            raise ValueError(f"a depth is one of {', '.join(map(str, _BLOCKS))}, got {depth}")
        if width < 1:
            raise ValueError(f"a width is at least 1, got {width}")
        if size < 8:
            raise ValueError(f"images of {size} pixels are too small, 8 is the least")
        block = Bottleneck if depth == 50 else PostActivation
        widths = [width * block.expansion * 2**i for i in range(4)]
        super().__init__(
            Normalize(mean, std, channels),
            nn.Conv2d(channels, width, 3, padding=1, bias=norm == "none"),
            norm_layer(norm, width),
            activation_layer(activation),
            *stages(block, width, widths, _BLOCKS[depth], norm, activation),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(widths[-1], classes),
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k"]:
        """Images in [0, 1] -> logits."""
        logits: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return logits
