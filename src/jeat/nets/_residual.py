"""Residual blocks of nets that others train, as their public code has them."""

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

__all__ = ["BLOCKS", "Bottleneck", "PostActivation", "PreActivation", "ResidualNet"]

BLOCKS = {10: [1, 1, 1, 1], 18: [2, 2, 2, 2], 34: [3, 4, 6, 3], 50: [3, 4, 6, 3]}


class PreActivation(nn.Module):
    """x -> x + branch(act(norm(x))), the stride on the first convolution (He et al. 2016b).

    Where the shape changes, the shortcut is a 1x1 convolution of the activated input, and not of x
    as in :mod:`jeat.nets.wrn`.
    """

    only_sums = True
    expansion = 1

    def __init__(
        self, c_in: int, c_out: int, stride: int, norm: Normalisation, act: Activation
    ) -> None:
        super().__init__()
        bias = norm == "none"
        self.first = Named({"norm": norm_layer(norm, c_in), "act": activation_layer(act)})
        layers: dict[str, nn.Module] = {
            "conv1": nn.Conv2d(c_in, c_out, 3, stride, padding=1, bias=bias),
            "norm": norm_layer(norm, c_out),
            "act": activation_layer(act),
            "conv2": nn.Conv2d(c_out, c_out, 3, padding=1, bias=bias),
        }
        self.branch = Named(layers)
        same = c_in == c_out and stride == 1
        self.shortcut = None if same else nn.Conv2d(c_in, c_out, 1, stride, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        activated = self.first(x)
        kept = x if self.shortcut is None else self.shortcut(activated)
        out: Tensor = kept + self.branch(activated)
        return out


class _Post(nn.Module):
    """x -> act(shortcut(x) + branch(x)) (He et al. 2016a)."""

    branch: Named

    def __init__(
        self, c_in: int, c_out: int, stride: int, norm: Normalisation, act: Activation
    ) -> None:
        super().__init__()
        self.shortcut = nn.Sequential()
        if c_in != c_out or stride != 1:
            self.shortcut = Named(_conv("", c_in, c_out, 1, stride, norm))
        self.last = activation_layer(act)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.branch(x) + self.shortcut(x))
        return out


class PostActivation(_Post):
    """Two 3x3 convolutions, the stride on the first."""

    only_sums = True
    expansion = 1

    def __init__(
        self, c_in: int, c_out: int, stride: int, norm: Normalisation, act: Activation
    ) -> None:
        super().__init__(c_in, c_out, stride, norm, act)
        layers = _conv("1", c_in, c_out, 3, stride, norm)
        layers["act"] = activation_layer(act)
        self.branch = Named(layers | _conv("2", c_out, c_out, 3, 1, norm))


class Bottleneck(_Post):
    """1x1, 3x3 and 1x1 convolutions, the stride on the second."""

    only_sums = True
    expansion = 4

    def __init__(
        self, c_in: int, c_out: int, stride: int, norm: Normalisation, act: Activation
    ) -> None:
        super().__init__(c_in, c_out, stride, norm, act)
        width = c_out // self.expansion
        layers = _conv("1", c_in, width, 1, 1, norm) | {"act1": activation_layer(act)}
        layers |= _conv("2", width, width, 3, stride, norm) | {"act2": activation_layer(act)}
        self.branch = Named(layers | _conv("3", width, c_out, 1, 1, norm))


def _conv(
    number: str, c_in: int, c_out: int, side: int, stride: int, norm: Normalisation
) -> dict[str, nn.Module]:
    bias = norm == "none"
    return {
        f"conv{number}": nn.Conv2d(c_in, c_out, side, stride, padding=side // 2, bias=bias),
        f"norm{number}": norm_layer(norm, c_out),
    }


Block = type[PreActivation] | type[_Post]


class ResidualNet(Named):
    """A 3x3 convolution, stages of blocks, the mean over pixels, and a linear layer.

    Args:
        block: of every stage; activations come after the first convolution where it has one at its
            end, and after the last stage where it has one at its beginning.
        c_in: channels of the first convolution.
        widths, blocks: channels and number of blocks of each stage; all but the first halve images.
        channels, size, classes, norm, activation, mean, std: as a net's file has them.

    Raises:
        ValueError: no channels, or images below 4 pixels.
    """

    def __init__(
        self,
        block: Block,
        c_in: int,
        widths: list[int],
        blocks: list[int],
        *,
        channels: int,
        size: Size,
        classes: int,
        norm: Normalisation,
        activation: Activation,
        mean: PerChannel,
        std: PerChannel,
    ) -> None:
        if min(widths) < 1:
            raise ValueError(f"a width is at least 1, got {min(widths)}")
        check_sides(size)
        convolution = nn.Conv2d(channels, c_in, 3, padding=1, bias=norm == "none")
        layers: dict[str, nn.Module] = {"normalize": Normalize(mean, std, channels)}
        layers["conv"] = convolution
        last: dict[str, nn.Module] = {
            "norm": norm_layer(norm, widths[-1]),
            "act": activation_layer(activation),
        }
        if block is not PreActivation:
            layers |= {"norm": norm_layer(norm, c_in), "act": activation_layer(activation)}
            last = {}
        for i, (c_out, n) in enumerate(zip(widths, blocks, strict=True)):
            for j in range(n):
                stride = 2 if i and not j else 1
                made = block(c_in, c_out, stride, norm, activation)
                layers[f"stage{i + 1}_block{j + 1}"] = made
                c_in = c_out
        pooled = {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten()}
        super().__init__(layers | last | pooled | {"linear": nn.Linear(c_in, classes)})

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k"]:
        """Images in [0, 1] -> logits."""
        logits: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return logits
