"""WideResNet as TRADES and RobustBench have it; ``wrn`` is JEM's."""

from jeat.nets._layers import Activation, Normalisation, PerChannel, Size
from jeat.nets._residual import PreActivation, ResidualNet

__all__ = ["Net"]


class Net(ResidualNet):
    """wide_resnet-depth-width: three stages of (depth - 4) / 6 pre-activation blocks.

    Unlike JEM's, the stride is on a block's first convolution, and shortcuts take the activated
    input (Zagoruyko & Komodakis 2016; Zhang et al. 2019; Croce et al. 2021).

    Args:
        depth: 6n + 4.
        width: widening factor, at least 1: stages have 16, 32 and 64 times as many channels.
        channels, size: images are (channels, H, W); size is one side or (H, W), at least 4.
        classes: number of logits.
        norm: normalisation layers.
        activation: leaky_relu has slope 0.2, as in JEM.
        mean, std: the first layer maps x in [0, 1] to (x - mean) / std; a number, or one a channel.

    Raises:
        ValueError: a depth that is not 6n + 4, a width below 1, images below 4 pixels.
    """

    only_sums = True

    def __init__(
        self,
        depth: int = 28,
        width: int = 10,
        *,
        channels: int = 3,
        size: Size = 32,
        classes: int = 10,
        norm: Normalisation = "batch",
        activation: Activation = "relu",
        mean: PerChannel = 0.5,
        std: PerChannel = 0.5,
    ) -> None:
        blocks, rest = divmod(depth - 4, 6)
        if rest or blocks < 1:
            raise ValueError(f"a WideResNet's depth is 6n + 4 (10, 16, 22, 28, ...), got {depth}")
        widths = [16 * width, 32 * width, 64 * width]
        super().__init__(
            PreActivation, 16, widths, [blocks] * 3,
            channels=channels, size=size, classes=classes, norm=norm, activation=activation,
            mean=mean, std=std,
        )  # fmt: skip
