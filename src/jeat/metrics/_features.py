"""Features of samples and of real images, and whether they vary, so that figures can be trusted."""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from jeat._support.checks import DoubtWarning
from jeat._support.sealed import bytes_sum
from jeat._support.tensors import check_finite

__all__ = ["See", "Seen", "real_seen_by", "seen_by"]

See = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Images (B, C, H, W) of 8 bits -> features (B, d), logits (B, k)."""
BATCH = 250
LEAST = 1e-3  # of the size of features: of what varies less, squares and cubes are rounding errors
SMALL = 1e-5  # deviation, whose square of 1e-10 fp64 keeps to 6 digits beside KID's 1


class Seen:
    """How a judge's features vary, batch by batch: of the samples first, then of real images."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, int, Tensor, Tensor]] = []

    def see(self, features: Tensor) -> None:
        """Look at the features (B, d) of a batch.

        Raises:
            ValueError: other features than numbers (B, d).
            NotFiniteError: one is NaN or infinite.
        """
        if features.dim() != 2:
            raise ValueError(
                f"a judge's features are (B, d), got {tuple(features.shape)}: put nn.Flatten "
                "before its last layer"
            )
        check_finite(features, "the judge's features are NaN or infinite at {} images of a batch")
        f = features.double()
        _, same = f.unique(dim=0, return_counts=True)
        self.batches.append((len(f), int(same.max()), f.sum(0), f.square().sum(0)))

    def check(self, samples: int) -> None:
        """Check that features vary over the real images, those after the first ``samples``.

        Raises:
            ValueError: none varies by a thousandth of their size, or nine tenths of the images are
                the same to the judge: all images look alike to it, which is no likeness. Or they
                vary by less than 1e-5 in the root mean square: KID's kernel (<x, x'> / d + 1)^3 is
                of features of about 1, and rounds such ones away.

        Warns:
            DoubtWarning: most features do not vary.
        """
        features = len(self.batches[0][2])
        dead = self._dead(samples, features)
        if dead > features / 2:
            warnings.warn(
                f"{dead} of the judge's {features} features do not vary over the real images",
                DoubtWarning,
                stacklevel=3,
            )

    def _dead(self, samples: int, features: int) -> int:
        """How many features do not vary over the images after the first ``samples``."""
        after, before = [], 0
        for batch in self.batches:
            if before >= samples:
                after.append(batch)
            before += batch[0]
        numbers, same, sums, squares = zip(*after, strict=True)
        n = sum(numbers)
        mean, square = sum(sums) / n, sum(squares) / n
        deviation = (square - mean.square()).clamp(min=0).sqrt()
        dead = int((deviation <= LEAST * float(square.sqrt().max())).sum())
        if dead == features or 10 * sum(same) > 9 * n:
            raise ValueError(
                f"the judge's {features} features do not vary over the real images by a thousandth "
                "of their size, or are the same for nearly all: to it all images are alike; give "
                "another --judge"
            )
        if (small := float(deviation.square().mean().sqrt())) < SMALL:
            raise ValueError(
                f"the judge's {features} features vary over the real images by {small:.1g} only, "
                "which KID's kernel (<x, x'> / d + 1)^3 rounds away: give a --judge with features "
                "of about 1"
            )
        return dead


@torch.no_grad()
def seen_by(see: See, x: Tensor, seen: Seen) -> tuple[Tensor, Tensor]:
    """Features and logits of images in [0, 1], rounded to 8 bits, in fp64 and on the CPU."""
    features, logits = [], []
    for part in _pixels(x).split(BATCH):
        f, of_classes = see(part)
        seen.see(f)
        features.append(f.double().cpu())
        logits.append(of_classes.double().cpu())
    found = torch.cat(logits)  # of less than e^-745, a probability is 0, and 0 log 0 nan
    return torch.cat(features), (found - found.amax(1, keepdim=True)).clamp(min=-700)


def real_seen_by(see: See, x: Tensor, seen: Seen, *, kept: dict[str, Tensor]) -> Tensor:
    """Features of real images, as :func:`seen_by`; those that ``kept`` has are not seen again.

    It keeps one set, by the images' SHA-256. A suite compares each net's samples with the same.
    """
    of = bytes_sum(_pixels(x).cpu().numpy().tobytes())
    if of in kept:
        for part in kept[of].split(BATCH):
            seen.see(part)
    else:
        kept.clear()
        kept[of] = seen_by(see, x, seen)[0]
    return kept[of]


def _pixels(x: Tensor) -> Tensor:
    return (x * 255).round().to(torch.uint8)
