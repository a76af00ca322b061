"""Chains that start from a Gaussian of each class (Sec. 2.2)."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from jeat.data import Data
from jeat.samplers.starts._pooled import enlarged, grain_of, pooled_classes, pooled_shape

__all__ = ["ClassGaussian"]


@dataclass(frozen=True)
class ClassGaussian:
    r"""x0 ~ N(mu_y, Sigma_y), clamped to [0, 1] (Sec. 2.2; Santurkar et al. 2019).

    mu_y and Sigma_y are the mean and covariance (plus 1e-4 I) of the training images of class y
    after average pooling by ``grain``; a draw is enlarged back by bilinear interpolation.
    The paper prints Sigma_y as ``(x - mu)^T (x - mu)``, read here as the outer product.

    Attributes:
        mean: (classes, d), d = C * (H / grain) * (W / grain).
        factor: (classes, d, d) Cholesky factors of the covariances.
        shape: (C, H, W) of the images to draw.
        grain: pooling factor.
    """

    mean: Float[Tensor, "k d"]
    factor: Float[Tensor, "k d d"]
    shape: tuple[int, int, int]
    grain: int

    def __post_init__(self) -> None:
        k, d = len(self.mean), math.prod(pooled_shape(self.shape, max(1, self.grain)))
        if self.mean.shape != (k, d) or self.factor.shape != (k, d, d):
            raise ValueError(
                f"a Gaussian of each class has means (k, d) and factors (k, d, d), got "
                f"{tuple(self.mean.shape)} and {tuple(self.factor.shape)}"
            )

    @classmethod
    def of(cls, data: Data) -> "ClassGaussian":
        """Fitted to the training images, averaged to about 8 x 8 blocks.

        Raises:
            ValueError: a class has no training image.
        """
        grain = grain_of(data.shape, blocks=8, least=2)
        return cls.fit(data.train.x, data.train.y, classes=len(data.classes), grain=grain)

    @staticmethod
    def stored(shape: tuple[int, int, int], classes: int) -> int:
        """How many numbers a file keeps of it: means and factors."""
        d = math.prod(pooled_shape(shape, grain_of(shape, blocks=8, least=2)))
        return classes * (d + d**2)

    @classmethod
    def fit(
        cls,
        images: UInt8[Tensor, "n c h w"],
        labels: Int[Tensor, " n"],
        *,
        classes: int,
        grain: int,
    ) -> "ClassGaussian":
        """Fit to training images.

        Raises:
            ValueError: ``grain`` does not divide the image size, a class has no image, or images
                that are not uint8.
        """
        means, factors = [], []
        for x in pooled_classes(images, labels, classes, grain):
            centred = (x - x.mean(0)).double()
            covariance = centred.T @ centred / len(x)
            covariance.diagonal().add_(1e-4)
            means.append(x.mean(0))
            factors.append(torch.linalg.cholesky(covariance).float())
        channels, height, width = images.shape[1:]
        return cls(torch.stack(means), torch.stack(factors), (channels, height, width), grain)

    @property
    def normals(self) -> int:
        """How many standard normal numbers a draw is made of."""
        return self.mean.shape[1]

    def from_normals(
        self, y: Int[Tensor, " b"], z: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b c h w"]:
        """The draws of labels that standard normal ``z`` make."""
        mean, factor = self.mean.to(y.device)[y.long()], self.factor.to(y.device)[y.long()]
        return enlarged(mean + (factor @ z.unsqueeze(2)).squeeze(2), self.shape, self.grain)

    def __call__(self, y: Int[Tensor, " b"]) -> Float[Tensor, "b c h w"]:
        return self.from_normals(y, torch.randn(len(y), self.normals, device=y.device))
