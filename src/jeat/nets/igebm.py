"""The energy net of IGEBM (Du and Mordatch 2019), with classes: E(x, k) takes a pass for each."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from jeat._support.passes import normal
from jeat._support.tensors import check_labels
from jeat.nets._layers import Named, Normalize, PerChannel, Size, check_sides, sides

__all__ = ["Net"]


class SpectralConv(nn.Conv2d):
    r"""A convolution with weights W / sigma(W), or W / max(1, sigma(W)) where ``only_down``.

    sigma is the largest singular value of W as a matrix (c_out, c_in * k * k), by one step of power
    iteration a pass in train mode, and none in eval mode (Miyato et al. 2018). With v = W^T u it is
    \|v\|, whose gradient with respect to W, u held still, is u v^T / \|v\|.
    """

    only_sums = True
    u: Tensor

    def __init__(self, c_in: int, c_out: int, k: int, *, only_down: bool = False) -> None:
        super().__init__(c_in, c_out, k, padding=k // 2, bias=False)
        self.only_down = only_down
        self.register_buffer("u", F.normalize(torch.randn(c_out), dim=0))

    def normalised(self) -> Tensor:
        """The weights that images are convolved with."""
        W = self.weight.flatten(1)
        if self.training:
            with torch.no_grad():
                self.u.copy_(F.normalize(_left(W, _right(W, self.u)), dim=0))
        u = F.normalize(self.u, dim=0)  # an average of such vectors is shorter
        sigma: Tensor = torch.linalg.vector_norm(_right(W, u))
        return self.weight / (sigma.clamp(min=1) if self.only_down else sigma)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = F.conv2d(x, self.normalised(), padding=self.padding)
        return found


def _right(W: Tensor, u: Tensor) -> Tensor:
    """W^T u, in the precision of W where autocast would multiply matrices in bf16."""
    return (W * u[:, None]).sum(0)


def _left(W: Tensor, v: Tensor) -> Tensor:
    """W v, likewise."""
    return (W * v).sum(1)


class Block(nn.Module):
    """act(pool(shortcut(x) + g_y * conv2(act(conv1(x + a_y)) + b_y))), a, b and g of each class.

    conv2 starts near 0 and is only scaled down, so that a block begins as its shortcut.
    """

    only_sums = True

    def __init__(self, c_in: int, c_out: int, classes: int, *, halved: bool) -> None:
        super().__init__()
        self.conv1 = SpectralConv(c_in, c_out, 3)
        self.conv2 = SpectralConv(c_out, c_out, 3, only_down=True)
        nn.init.normal_(self.conv2.weight, std=1e-10)
        self.a = nn.Parameter(torch.zeros(classes, c_in))
        self.b = nn.Parameter(torch.zeros(classes, c_out))
        self.g = nn.Parameter(torch.ones(classes, c_out))
        self.shortcut = nn.Identity() if c_in == c_out else SpectralConv(c_in, c_out, 1)
        self.pool = nn.AvgPool2d(2, ceil_mode=True) if halved else nn.Identity()
        self.act = nn.LeakyReLU(0.2)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        a, b, g = (of_class[y][:, :, None, None] for of_class in (self.a, self.b, self.g))
        out = g * self.conv2(self.act(self.conv1(x + a)) + b)
        found: Tensor = self.act(self.pool(self.shortcut(x) + out))
        return found


class Net(nn.Module):
    """igebm-width: a convolution and six residual blocks, each with the class, none normalised.

    E(x, y) is a linear function of what ReLU leaves of the last block's features, summed over
    space, and f(x)[k] = -E(x, k), all classes at once in a batch of B times as many images.
    :meth:`joint` gives E(x, y) of one class an image. Convolutions have spectral norm at most 1.
    igebm-width-fold first folds squares of fold x fold pixels into channels, as ``wrn`` does.

    The authors have width 128 and no fold. Their gain is the sum of a class's and a common one;
    the sum alone is kept here.

    Args:
        width: channels of the first two blocks; the other four have twice as many.
        fold: side of the squares, which divides the images' size; 1 folds nothing.
        channels, size: images are (channels, H, W); size is one side or (H, W), at least 4 fold.
        classes: number of logits.
        mean, std: the first layer maps x in [0, 1] to (x - mean) / std; a number, or one a channel.

    Raises:
        ValueError: a width or fold below 1, images below 4 fold pixels or that the fold does not
            divide.
    """

    only_sums = True

    def __init__(
        self,
        width: int = 32,
        fold: int = 1,
        *,
        channels: int = 3,
        size: Size = 32,
        classes: int = 10,
        mean: PerChannel = 0.0,
        std: PerChannel = 1.0,
    ) -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f"an energy net's width is at least 1, got {width}")
        if fold < 1 or any(side % fold for side in sides(size)):
            raise ValueError(f"a fold of {fold} does not divide images of {size} pixels")
        check_sides(size, 4 * fold)
        self.classes = classes
        self.first = Named({
            "normalize": Normalize(mean, std, channels),
            "fold": nn.PixelUnshuffle(fold),
            "conv": SpectralConv(channels * fold**2, width, 3),
            "act": nn.LeakyReLU(0.2),
        })  # fmt: skip
        widths = [width, width, width, *[2 * width] * 4]
        self.blocks = Named({
            f"block{i + 1}": Block(widths[i], widths[i + 1], classes, halved=i % 2 == 0)
            for i in range(6)
        })  # fmt: skip
        self.act = nn.ReLU()
        self.linear = nn.Linear(2 * width, 1)

    def forward(
        self, x: Float[Tensor, "b c h w"], y: Int[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b k"] | Float[Tensor, " b"]:
        """Images in [0, 1] -> logits; with labels, E(x, y) as :meth:`joint`."""
        features = self.first(x)
        if y is not None:
            check_labels(y, self.linear.bias.expand(len(x), self.classes))
            return self._energy(features, normal(y).long())
        every = features[:, None].expand(-1, self.classes, -1, -1, -1).flatten(0, 1)
        k = torch.arange(self.classes, device=x.device).expand(len(x), -1).flatten()
        return -self._energy(every, k).view(len(x), self.classes)

    def joint(self, x: Float[Tensor, "b c h w"], y: Int[Tensor, " b"]) -> Float[Tensor, " b"]:
        """E(x, y) = -f(x)[y], in a pass of B images.

        Raises:
            ValueError: not one label an image, or a label outside 0..classes-1.
        """
        E: Tensor = self(x, y=y)
        return E

    def _energy(self, h: Tensor, y: Tensor) -> Tensor:
        """E of features of the first layers, and a class each."""
        for block in self.blocks:
            h = block(h, y)
        E: Tensor = self.linear(self.act(h).sum((2, 3)))
        return E.squeeze(1)
