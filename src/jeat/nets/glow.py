"""Glow with a Gaussian of each class at its top (Kingma & Dhariwal 2018): f(x)[k] = log p(x, k)."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from jeat._support.checks import check_not_negative
from jeat.nets._glow import Actnorm, Level, log_normal
from jeat.nets._layers import Activation, Normalize, Size, check_sides

__all__ = ["Net"]

CENTRE = 0.5


class Net(nn.Module):
    r"""glow-levels-steps-width: a flow, whose E(x) is -log p(x), in nats.

    .. math:: f(x)[k] = \log \mathcal N(z; \mu_k, \sigma_k) - \log K
              + \sum_l \log \mathcal N(\epsilon_l; 0, 1)
              + \log \left| \det \partial (z, \epsilon) / \partial x \right|

    An invertible map takes an image to its top latent z and to what left below it,
    :math:`\epsilon_l`. The mean and deviation of z are those of its class, a number each a channel,
    alike at every pixel; the classes are as frequent as each other. Only this depends on the class,
    so that one pass gives all logits, and p(k|x) by Bayes. A level folds squares of 2 x 2 pixels
    into channels (of the least common divisor of height and width, where they are odd), takes its
    steps, and has half of the channels leave. Published are 3 levels of 32 steps, 512 wide.

    With ``head``, p(k|x) is instead a linear classifier of the mean of z over pixels, and z has one
    Gaussian for all classes (Nalisnick et al. 2019): f(x)[k] = log p(x) + log p(k|x).

    p is a density of images as numbers in [0, 1], and E(x) may be negative. 8-bit images have no
    density until they are dequantised: a net that learns from them as they are raises p without
    end. What it has in bits per dimension is said in :mod:`jeat.data.dequantise`.

    The scales of its layers are fit to the first batch that is learnt from: in the first pass in
    train mode that is recorded by autograd and not for gradients of images, as an attack's. Before
    that it is a flow, too. The buffer ``begun`` says whether it was, and is kept with the weights.

    Args:
        levels: how many, each on images of half the side.
        steps: of each level: actnorm, 1x1 convolution, affine coupling.
        width: channels of the hidden layers in a coupling.
        channels, size: images are (channels, H, W); size is one side or (H, W).
        classes: number of logits.
        head: whether p(k|x) is that of a linear classifier.
        activation: of the hidden layers; leaky_relu has slope 0.2, as in JEM.
        temperature: of images drawn by inversion, a factor of all deviations.

    Raises:
        ValueError: numbers below 1, a negative temperature, images that cannot be folded so often.
    """

    normalised = True
    begun: Tensor

    def __init__(
        self,
        levels: int = 2,
        steps: int = 4,
        width: int = 32,
        *,
        channels: int = 1,
        size: Size = 8,
        classes: int = 10,
        head: bool = False,
        activation: Activation = "relu",
        temperature: float = 0.7,
    ) -> None:
        super().__init__()
        if min(levels, steps, width) < 1:
            raise ValueError(f"levels, steps and width are 1 or more, got {levels, steps, width}")
        check_not_negative(temperature=temperature)
        self.temperature = temperature
        self.first = Normalize(CENTRE, 1.0, channels)
        self.levels, shape = nn.ModuleList(), (channels, *check_sides(size, 2))
        for i in range(levels):
            level = Level(shape, steps, width, activation, last=i + 1 == levels)
            self.levels.append(level)
            shape = level.shape
        self.head = nn.Linear(shape[0], classes) if head else None
        if self.head is not None:
            nn.init.zeros_(self.head.weight)
            nn.init.zeros_(self.head.bias)
        gaussians = 1 if head else classes
        self.mean = nn.Parameter(torch.zeros(gaussians, shape[0], 1, 1))
        self.log_deviation = nn.Parameter(torch.zeros(gaussians, shape[0], 1, 1))
        self.register_buffer("begun", torch.tensor(False))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k"]:
        """Images in [0, 1] -> log p(x, k)."""
        if self.training and torch.is_grad_enabled() and not x.requires_grad and not self.begun:
            self._begin(x)
        z, left, log_det = self.encode(x)
        rest = log_det + sum(log_normal(e).flatten(1).sum(1) for e in left[:-1])
        standard = (z[:, None] - self.mean) * (-self.log_deviation).exp()
        top = (log_normal(standard) - self.log_deviation).flatten(2).sum(2)
        if self.head is None:
            log_p_y: Tensor | float = -math.log(len(self.mean))
        else:
            log_p_y = self.head(z.mean((2, 3))).to(z.dtype).log_softmax(1)
        return rest[:, None] + top + log_p_y

    def encode(
        self, x: Float[Tensor, "b c h w"]
    ) -> tuple[Float[Tensor, "b d i j"], list[Tensor], Float[Tensor, " b"]]:
        """Images -> top latent, what left at each level (of the last nothing), log-determinant."""
        z, left, log_det = self.first(x), [], x.new_zeros(x.shape[0])
        for level in self.levels:
            z, out, own = level(z)
            left.append(out)
            log_det = log_det + own
        return z, left, log_det

    def decode(self, z: Float[Tensor, "b d i j"], left: list[Tensor]) -> Float[Tensor, "b c h w"]:
        """The images that :meth:`encode` takes there."""
        for level, out in zip(self._levels()[::-1], left[::-1], strict=True):
            z = level.inverse(z, out)
        return z + CENTRE

    @property
    def draw(self) -> Callable[[Tensor], Tensor] | None:
        """Labels -> images, not clamped; None with a head, whose classes have no Gaussian."""
        return None if self.head is not None else self._drawn

    @torch.no_grad()
    def _drawn(self, y: Int[Tensor, " b"]) -> Float[Tensor, "b c h w"]:
        """The images of latents from the Gaussian of each label's class."""

        def noise(*shape: int) -> Tensor:
            like = self.mean
            z = torch.randn(len(y), *shape, device=like.device, dtype=like.dtype)
            return self.temperature * z

        left = [noise(level.leaving, *level.shape[1:]) for level in self._levels()]
        top = noise(*self._levels()[-1].shape)
        return self.decode(self.mean[y] + self.log_deviation[y].exp() * top, left)

    @torch.no_grad()
    def _begin(self, x: Tensor) -> None:
        """Fit the layers to a batch, one after the other; of several processes, to the first's."""
        layers = [m for m in self.modules() if isinstance(m, Actnorm)]
        hooks = [m.register_forward_pre_hook(lambda m, given: m.fit(given[0])) for m in layers]
        try:
            self.encode(x)
        finally:
            for hook in hooks:
                hook.remove()
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            for m in layers:
                for p in m.parameters():
                    torch.distributed.broadcast(p, 0)
        self.begun.fill_(True)

    def _levels(self) -> list[Level]:
        return [level for level in self.levels if isinstance(level, Level)]
