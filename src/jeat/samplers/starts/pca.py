"""Chains that start from the principal components of each class (WEAT, Mirza et al. 2024)."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from jeat.data import Data
from jeat.samplers.starts._pooled import enlarged, grain_of, pooled_classes, pooled_shape

__all__ = ["ClassComponents"]

COMPONENTS = 32


@dataclass(frozen=True)
class ClassComponents:
    r"""x0 = mu_y + sum_j z_j s_j v_j, z ~ N(0, I), clamped to [0, 1] (Mirza et al. 2024).

    v_j are the leading 32 principal components of the training images of class y after average
    pooling by ``grain``, s_j the standard deviations along them; a draw is enlarged back by
    bilinear interpolation. What the published code takes for s_j is in ``docs/readings.md``.

    Attributes:
        mean: (classes, d), d = C * (H / grain) * (W / grain).
        scaled: (classes, r, d), s_j v_j, the largest s_j first; r is 32, or d where that is less.
        shape: (C, H, W) of the images to draw.
        grain: pooling factor.
    """

    mean: Float[Tensor, "k d"]
    scaled: Float[Tensor, "k r d"]
    shape: tuple[int, int, int]
    grain: int

    def __post_init__(self) -> None:
        k, d = len(self.mean), math.prod(pooled_shape(self.shape, max(1, self.grain)))
        if self.mean.shape != (k, d) or self.scaled.shape != (k, min(COMPONENTS, d), d):
            raise ValueError(
                f"components of each class are means (k, d) and (k, {COMPONENTS}, d), got "
                f"{tuple(self.mean.shape)} and {tuple(self.scaled.shape)}"
            )

    @classmethod
    def of(cls, data: Data) -> "ClassComponents":
        """Fitted to the training images, averaged to about 16 x 16 blocks.

        Raises:
            ValueError: a class has no training image.
        """
        grain = grain_of(data.shape, blocks=16, least=1)
        return cls.fit(data.train.x, data.train.y, classes=len(data.classes), grain=grain)

    @staticmethod
    def stored(shape: tuple[int, int, int], classes: int) -> int:
        """How many numbers a file keeps of it: means and scaled components."""
        d = math.prod(pooled_shape(shape, grain_of(shape, blocks=16, least=1)))
        return classes * (1 + min(COMPONENTS, d)) * d

    @classmethod
    def fit(
        cls,
        images: UInt8[Tensor, "n c h w"],
        labels: Int[Tensor, " n"],
        *,
        classes: int,
        grain: int,
    ) -> "ClassComponents":
        """Fit to training images.

        Raises:
            ValueError: ``grain`` does not divide the image size, a class has no image, or images
                that are not uint8.
        """
        means, scaled = [], []
        for x in pooled_classes(images, labels, classes, grain):
            centred = (x - x.mean(0)).double()
            variances, v = torch.linalg.eigh(centred.T @ centred / len(x))
            s = variances.clamp(min=0).sqrt()
            means.append(x.mean(0))
            scaled.append((v * s).T.flip(0)[:COMPONENTS].float())
        channels, height, width = images.shape[1:]
        return cls(torch.stack(means), torch.stack(scaled), (channels, height, width), grain)

    @property
    def normals(self) -> int:
        """How many standard normal numbers a draw is made of."""
        return self.scaled.shape[1]

    def from_normals(
        self, y: Int[Tensor, " b"], z: Float[Tensor, "b r"]
    ) -> Float[Tensor, "b c h w"]:
        """The draws of labels that standard normal ``z`` make."""
        mean, scaled = self.mean.to(y.device)[y.long()], self.scaled.to(y.device)[y.long()]
        return enlarged(mean + (z.unsqueeze(1) @ scaled).squeeze(1), self.shape, self.grain)

    def __call__(self, y: Int[Tensor, " b"]) -> Float[Tensor, "b c h w"]:
        return self.from_normals(y, torch.randn(len(y), self.normals, device=y.device))
