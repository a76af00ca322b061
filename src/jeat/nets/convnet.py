"""A small convolutional net, for the digits and for tests."""

import math

from jaxtyping import Float
from torch import Tensor, nn

from jeat.nets._layers import (
    Activation,
    Named,
    Normalisation,
    Normalize,
    PerChannel,
    Size,
    activation_layer,
    check_sides,
    norm_layer,
)  # fmt: skip

__all__ = ["Net"]


class Net(Named):
    """convnet-width: four 3x3 convolutions, two of them strided, then one linear layer.

    Args:
        width: channels of the first convolution; the last has four times as many.
        channels, size: images are (channels, H, W); size is one side or (H, W), at least 4.
        classes: number of logits.
        norm: normalisation layers.
        activation: leaky_relu has slope 0.2, as in JEM.
        mean, std: the first layer maps x in [0, 1] to (x - mean) / std; a number, or one a channel.

    Raises:
        ValueError: a width below 1 or images below 4 pixels.
    """

    only_sums = True

    def __init__(
        self,
        width: int = 32,
        *,
        channels: int = 1,
        size: Size = 8,
        classes: int = 10,
        norm: Normalisation = "none",
        activation: Activation = "leaky_relu",
        mean: PerChannel = 0.5,
        std: PerChannel = 0.5,
    ) -> None:
        if width < 1:
            raise ValueError(f"a convnet's width is at least 1, got {width}")
        left = math.prod(((side + 1) // 2 + 1) // 2 for side in check_sides(size))
        widths, strides = [width, 2 * width, 2 * width, 4 * width], [1, 2, 1, 2]
        layers: dict[str, nn.Module] = {"normalize": Normalize(mean, std, channels)}
        c_in = channels
        for i, (c_out, stride) in enumerate(zip(widths, strides, strict=True), 1):
            layers |= {
                f"conv{i}": nn.Conv2d(c_in, c_out, 3, stride, padding=1),
                f"norm{i}": norm_layer(norm, c_out),
                f"act{i}": activation_layer(activation),
            }
            c_in = c_out
        layers |= {"flatten": nn.Flatten(), "linear": nn.Linear(c_in * left, classes)}
        super().__init__(layers)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k"]:
        """Images in [0, 1] -> logits."""
        logits: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return logits
