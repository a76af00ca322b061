"""Chains that start from uniform noise (Algorithm 1)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from jeat.data import Data

__all__ = ["Uniform"]


@dataclass(frozen=True)
class Uniform:
    """x0 ~ U(0, 1), whatever the label (Algorithm 1); ``shape`` is (C, H, W)."""

    shape: tuple[int, int, int]

    @classmethod
    def of(cls, data: Data) -> "Uniform":
        """For images of the shape of ``data``."""
        return cls(data.shape)

    def __call__(self, y: Int[Tensor, " b"]) -> Float[Tensor, "b c h w"]:
        return torch.rand(len(y), *self.shape, device=y.device)
