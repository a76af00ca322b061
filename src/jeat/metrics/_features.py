"""What torch-fidelity is given, and what its figures are to be trusted by: features that vary."""

import math
import warnings

import torch
from torch import Tensor
from torch.utils.data import Dataset

from jeat._support.checks import DoubtWarning, NotFiniteError
from jeat._support.tensors import check_finite

__all__ = ["Pixels", "Seen", "checked"]

LEAST = 1e-6  # of the size of features: what varies less is a rounding error
INCEPTION = 2048  # its features, which are not looked at


class Pixels(Dataset[Tensor]):
    """Images in [0, 1] as torch-fidelity takes them: uint8 (C, H, W)."""

    def __init__(self, x: Tensor, *, rgb: bool) -> None:
        x = (x * 255).round().to("cpu", torch.uint8)
        self.x = x.expand(-1, 3, -1, -1) if rgb else x

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, at: int) -> Tensor:
        return self.x[at]


class Seen:
    """The span of a judge's features, batch by batch: of the samples first, then of real images."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, Tensor, Tensor]] = []

    def see(self, features: Tensor) -> None:
        """Look at the features (B, d) of a batch.

        Raises:
            NotFiniteError: one is NaN or infinite.
        """
        check_finite(features, "the judge's features are NaN or infinite at {} images of a batch")
        low, high = features.flatten(1).aminmax(dim=0)
        self.batches.append((len(features), low, high))

    def check(self, samples: int, train: int) -> None:
        """Check that features vary over the real images, and say where images are few.

        Raises:
            ValueError: none varies: all images look alike to the judge, which is no likeness.

        Warns:
            DoubtWarning: fewer images than features.
        """
        features = len(self.batches[0][1]) if self.batches else INCEPTION
        if self.batches and not self._vary(samples):
            raise ValueError(
                f"none of the judge's {features} features varies over the real images: to it all "
                "images are alike; give another --judge"
            )
        if min(samples, train) < features:
            warnings.warn(
                f"{samples} samples and {train} training images in {features} features: with fewer "
                "images than features a covariance is singular, and FID mostly bias",
                DoubtWarning,
                stacklevel=3,
            )

    def _vary(self, samples: int) -> bool:
        """Whether a feature varies over the images after the first ``samples``."""
        spans, before = [], 0
        for number, *span in self.batches:
            if before >= samples:
                spans.append(span)
            before += number
        lows, highs = zip(*spans, strict=True)
        low, high = torch.stack(lows).amin(0), torch.stack(highs).amax(0)
        return bool((high - low).max() > LEAST * torch.maximum(high.abs(), low.abs()).max())


def checked(figures: dict[str, float]) -> dict[str, float]:
    """Figures of samples, which are finite.

    Raises:
        NotFiniteError: one is not.
    """
    if wrong := [f"{k} {v}" for k, v in figures.items() if not math.isfinite(v)]:
        raise NotFiniteError(
            f"figures of samples are not finite ({', '.join(wrong)}): the features are too large; "
            "give another --judge"
        )
    return figures
