"""A VGG with batch normalisation that learns CIFAR-10 fast (after Jordan 2024, airbench)."""

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
    """vgg-width: a 2x2 convolution, then three stages of two 3x3 convolutions, one linear layer.

    A stage is conv, max-pool 2x2, norm, act, conv, norm, act; the stages have width, 4 width and
    4 width channels (Jordan 2024, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", width 64,
    without its whitening). What is left of the image is max-pooled to a pixel, and pooling keeps
    odd borders, for small images.

    Args:
        width: channels of the first stage, at least 1.
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
        width: int = 64,
        *,
        channels: int = 3,
        size: Size = 32,
        classes: int = 10,
        norm: Normalisation = "none",
        activation: Activation = "leaky_relu",
        mean: PerChannel = 0.5,
        std: PerChannel = 0.5,
    ) -> None:
        if width < 1:
            raise ValueError(f"a vgg's width is at least 1, got {width}")
        check_sides(size)
        bias = norm == "none"
        layers: dict[str, nn.Module] = {
            "normalize": Normalize(mean, std, channels),
            "conv": nn.Conv2d(channels, 24, 2),
            "act": activation_layer(activation),
        }
        c_in = 24
        for i, c_out in enumerate((width, 4 * width, 4 * width), 1):
            stage: dict[str, nn.Module] = {
                "conv1": nn.Conv2d(c_in, c_out, 3, padding=1, bias=bias),
                "pool": nn.MaxPool2d(2, ceil_mode=True),
                "norm1": norm_layer(norm, c_out),
                "act1": activation_layer(activation),
                "conv2": nn.Conv2d(c_out, c_out, 3, padding=1, bias=bias),
                "norm2": norm_layer(norm, c_out),
                "act2": activation_layer(activation),
            }
            layers |= {f"stage{i}_{name}": layer for name, layer in stage.items()}
            c_in = c_out
        layers |= {"pool": nn.AdaptiveMaxPool2d(1), "flatten": nn.Flatten()}
        super().__init__(layers | {"linear": nn.Linear(c_in, classes)})

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k"]:
        """Images in [0, 1] -> logits."""
        logits: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return logits
