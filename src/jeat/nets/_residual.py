"""Residual blocks of nets that others train, as their public code has them."""

from torch import Tensor, nn

from jeat.nets._layers import Activation, Normalisation, activation_layer, norm_layer

__all__ = ["Bottleneck", "PostActivation", "PreActivation", "stages"]


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
        self.first = nn.Sequential(norm_layer(norm, c_in), activation_layer(act))
        self.branch = nn.Sequential(
            nn.Conv2d(c_in, c_out, 3, stride, padding=1, bias=bias),
            norm_layer(norm, c_out),
            activation_layer(act),
            nn.Conv2d(c_out, c_out, 3, padding=1, bias=bias),
        )
        same = c_in == c_out and stride == 1
        self.shortcut = None if same else nn.Conv2d(c_in, c_out, 1, stride, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        activated = self.first(x)
        kept = x if self.shortcut is None else self.shortcut(activated)
        out: Tensor = kept + self.branch(activated)
        return out


class _Post(nn.Module):
    """x -> act(shortcut(x) + branch(x)) (He et al. 2016a)."""

    branch: nn.Sequential

    def __init__(
        self, c_in: int, c_out: int, stride: int, norm: Normalisation, act: Activation
    ) -> None:
        super().__init__()
        self.shortcut = nn.Sequential()
        if c_in != c_out or stride != 1:
            self.shortcut = _conv(c_in, c_out, 1, stride, norm)
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
        self.branch = nn.Sequential(
            *_conv(c_in, c_out, 3, stride, norm),
            activation_layer(act),
            *_conv(c_out, c_out, 3, 1, norm),
        )


class Bottleneck(_Post):
    """1x1, 3x3 and 1x1 convolutions, the stride on the second."""

    only_sums = True
    expansion = 4

    def __init__(
        self, c_in: int, c_out: int, stride: int, norm: Normalisation, act: Activation
    ) -> None:
        super().__init__(c_in, c_out, stride, norm, act)
        width = c_out // self.expansion
        self.branch = nn.Sequential(
            *_conv(c_in, width, 1, 1, norm),
            activation_layer(act),
            *_conv(width, width, 3, stride, norm),
            activation_layer(act),
            *_conv(width, c_out, 1, 1, norm),
        )


def _conv(c_in: int, c_out: int, side: int, stride: int, norm: Normalisation) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, side, stride, padding=side // 2, bias=norm == "none"),
        norm_layer(norm, c_out),
    )


Block = type[PreActivation] | type[_Post]


def stages(
    block: Block,
    c_in: int,
    widths: list[int],
    blocks: list[int],
    norm: Normalisation,
    act: Activation,
) -> list[nn.Module]:
    """Stages of so many blocks of so many channels; each stage but the first halves the image."""
    layers: list[nn.Module] = []
    for i, (c_out, n) in enumerate(zip(widths, blocks, strict=True)):
        for j in range(n):
            layers.append(block(c_in, c_out, 2 if i and not j else 1, norm, act))
            c_in = c_out
    return layers
