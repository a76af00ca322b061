"""Pre-activation ResNet for small images, as fast_adversarial has it (Wong et al. 2020)."""

from jeat.nets._layers import Activation, Normalisation, PerChannel, Size
from jeat.nets._residual import BLOCKS, PreActivation, ResidualNet

__all__ = ["Net"]


class Net(ResidualNet):
    """preact_resnet-depth-width: four stages of pre-activation blocks (He et al. 2016b).

    Args:
        depth: 10, 18 or 34.
        width: channels of the first stage; the last has eight times as many.
        channels, size: images are (channels, H, W); size is one side or (H, W), at least 4.
        classes: number of logits.
        norm: normalisation layers.
        activation: leaky_relu has slope 0.2, as in JEM.
        mean, std: the first layer maps x in [0, 1] to (x - mean) / std; a number, or one a channel.

    Raises:
        ValueError: another depth, a width below 1, images below 4 pixels.
    """

    only_sums = True

    def __init__(
        self,
        depth: int = 18,
        width: int = 64,
        *,
        channels: int = 3,
        size: Size = 32,
        classes: int = 10,
        norm: Normalisation = "batch",
        activation: Activation = "relu",
        mean: PerChannel = 0.5,
        std: PerChannel = 0.5,
    ) -> None:
        if depth not in (10, 18, 34):
            raise ValueError(f"a depth is one of 10, 18, 34, got {depth}")
        widths = [width * 2**i for i in range(4)]
        super().__init__(
            PreActivation, width, widths, BLOCKS[depth],
            channels=channels, size=size, classes=classes, norm=norm, activation=activation,
            mean=mean, std=std,
        )  # fmt: skip
