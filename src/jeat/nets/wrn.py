"""WideResNet (Zagoruyko & Komodakis 2016) as JEM and the paper use it."""

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
    sides,
)  # fmt: skip

__all__ = ["Net"]


class Block(nn.Module):
    """x -> shortcut(x) + conv(act(norm(conv(act(norm(x)))))), the stride on the second conv.

    As in JEM, convolutions have a bias where there is no normalisation layer to absorb it.
    """

    only_sums = True

    def __init__(
        self, c_in: int, c_out: int, stride: int, norm: Normalisation, act: Activation
    ) -> None:
        super().__init__()
        bias = norm == "none"
        layers: dict[str, nn.Module] = {
            "norm1": norm_layer(norm, c_in),
            "act1": activation_layer(act),
            "conv1": nn.Conv2d(c_in, c_out, 3, padding=1, bias=bias),
            "norm2": norm_layer(norm, c_out),
            "act2": activation_layer(act),
            "conv2": nn.Conv2d(c_out, c_out, 3, stride=stride, padding=1, bias=bias),
        }
        self.branch = Named(layers)
        same = c_in == c_out and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(c_in, c_out, 1, stride, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.shortcut(x) + self.branch(x)
        return out


class Net(Named):
    """WRN-depth-width: three stages of (depth - 4) / 6 blocks, 16, 32 and 64 times width channels.

    WRN-depth-width-fold first folds squares of fold x fold pixels into channels (Shi et al. 2016),
    which saves fold^2 of the operations and keeps the weights: for want of a GPU.

    Args:
        depth: 6n + 4.
        width: widening factor, at least 1.
        fold: side of the squares, which divides the images' size; 1 folds nothing.
        channels, size: images are (channels, H, W); size is one side or (H, W), at least 4 fold.
        classes: number of logits.
        norm: normalisation layers.
        activation: leaky_relu has slope 0.2, as in JEM.
        mean, std: the first layer maps x in [0, 1] to (x - mean) / std; a number, or one a channel.

    Raises:
        ValueError: a depth that is not 6n + 4, a width or fold below 1, images below 4 fold pixels
            or that the fold does not divide.
    """

    only_sums = True

    def __init__(
        self,
        depth: int = 28,
        width: int = 10,
        fold: int = 1,
        *,
        channels: int = 3,
        size: Size = 32,
        classes: int = 10,
        norm: Normalisation = "none",
        activation: Activation = "leaky_relu",
        mean: PerChannel = 0.5,
        std: PerChannel = 0.5,
    ) -> None:
        blocks, rest = divmod(depth - 4, 6)
        if rest or blocks < 1:
            raise ValueError(f"a WideResNet's depth is 6n + 4 (10, 16, 22, 28, ...), got {depth}")
        if width < 1:
            raise ValueError(f"a WideResNet's width is at least 1, got {width}")
        if fold < 1 or any(side % fold for side in sides(size)):
            raise ValueError(f"a fold of {fold} does not divide images of {size} pixels")
        check_sides(size, 4 * fold)
        layers: dict[str, nn.Module] = {"normalize": Normalize(mean, std, channels)}
        if fold > 1:
            layers["fold"] = nn.PixelUnshuffle(fold)
        layers["conv"] = nn.Conv2d(channels * fold**2, 16, 3, padding=1, bias=norm == "none")
        c_in = 16
        for stage in range(3):
            c_out = 16 * width * 2**stage
            for i in range(blocks):
                stride = 2 if stage > 0 and i == 0 else 1
                block = Block(c_in, c_out, stride, norm, activation)
                layers[f"stage{stage + 1}_block{i + 1}"] = block
                c_in = c_out
        layers |= {"norm": norm_layer(norm, c_in), "act": activation_layer(activation)}
        layers |= {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten()}
        super().__init__(layers | {"linear": nn.Linear(c_in, classes)})

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k"]:
        """Images in [0, 1] -> logits."""
        logits: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return logits
