"""Nearest training images of generated ones: what Fig. 7 shows, and how far they are."""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from jeat._support.checks import quoted
from jeat._support.tensors import check_images
from jeat.metrics._column import Column
from jeat.metrics._subject import Subject, given
from jeat.nets import autocast

__all__ = ["measure", "memorisation", "nearest"]

columns = (
    Column("nearest_l2", "generated", "mean L2 to the nearest training image"),
    Column("nearest_l2_real", "test images", "mean L2 to the nearest training image"),
    Column("nearest_auroc", "P(generated nearer)", "than a test image; 1/2 is as new as those"),
    Column("nearest_copies", "copies", "share nearer than 99 % of test images are"),
)

needs = ("samples", "train")


@torch.no_grad()
def nearest(
    images: Float[Tensor, "b c h w"],
    train: Float[Tensor, "n c h w"],
    *,
    k: int,
    distance: Literal["l2", "ssim"] = "l2",
) -> tuple[Float[Tensor, "b k"], Int[Tensor, "b k"]]:
    """The ``k`` nearest training images of each image, nearest first.

    ``"l2"`` is the Euclidean distance ||x - x'|| in [0, 1] pixels. Matrix products, 100 MB of
    distances at a time, find the k + 8 nearest but for rounding; differences then say which are
    the nearest and how far, so that a copy is at 0.

    ``"ssim"`` is structural similarity (Wang et al. 2004), the largest first, averaged over the
    channels and the places where the window fits whole. The window is a Gaussian of deviation 1.5
    on 11 x 11 pixels; on images below 11 pixels, on the largest odd number that they hold (7 for
    8). Each image is compared with every training image, which suits the few of a figure: 7 s an
    image for CIFAR-10 on one core.

    Args:
        images, train: in [0, 1].
        k: number of neighbours.
        distance: ``"l2"`` or ``"ssim"``.

    Returns:
        Distances or similarities, and indices into ``train``.

    Raises:
        ValueError: no image, images of other shapes or outside of [0, 1], a k that is not in 1..n,
            an unknown distance.
    """
    images, train = check_images(images, train)
    if not 1 <= k <= len(train):
        raise ValueError(f"there are 1 to {len(train)} nearest training images, not k={k}")
    if distance not in ("l2", "ssim"):
        raise ValueError(f"unknown distance {quoted(distance)}: use 'l2' or 'ssim'")
    with autocast("fp32", images.device):
        return _by_l2(images, train, k) if distance == "l2" else _by_ssim(images, train, k)


def _by_l2(images: Tensor, train: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """||a - b||^2 = ||a||^2 + ||b||^2 - 2 <a, b>, where ||a|| does not change the order."""
    b = train.flatten(1)
    squares = b.square().sum(1)
    values, indices = [], []
    for x in images.split(max(1, 25_000_000 // len(b))):
        a = x.flatten(1)
        close = (
            torch.addmm(squares, a, b.T, alpha=-2).topk(min(k + 8, len(b)), largest=False).indices
        )
        exact = torch.stack([(a - b[at]).norm(dim=1) for at in close.T], 1)
        value, order = exact.topk(k, largest=False)
        values.append(value)
        indices.append(close.gather(1, order))
    return torch.cat(values), torch.cat(indices)


def _by_ssim(images: Tensor, train: Tensor, k: int) -> tuple[Tensor, Tensor]:
    from kornia.metrics import ssim

    side = min(images.shape[2:])
    window = min(11, side - (side + 1) % 2)
    values, indices = [], []
    for x in images:
        maps = (
            ssim(x.expand_as(b).contiguous(), b, window, eps=0.0, padding="valid")
            for b in train.split(250)
        )
        value, index = torch.cat([m.mean((1, 2, 3)) for m in maps]).topk(k)
        values.append(value)
        indices.append(index)
    return torch.stack(values), torch.stack(indices)


def memorisation(
    images: Float[Tensor, "b c h w"],
    held_out: Float[Tensor, "m c h w"],
    train: Float[Tensor, "n c h w"],
) -> dict[str, float]:
    """Whether generated images are nearer to the training images than new real ones are.

    d(x) is the L2 distance of x to its nearest training image, as :func:`nearest`.

    Returns:
        ``l2`` and ``l2_real``, the means of d over ``images`` and over ``held_out``;
        ``copies``, the share of images whose d is at most the 1 % quantile of the held-out ones'
        (0.01 for real images, 1 for copies);
        ``auroc``, P(d(image) < d(held out)), where ties count half (1/2 for real images, 1 for
        copies).

    Raises:
        ValueError: no image, images of other shapes or outside of [0, 1].
    """
    d, real = (nearest(x, train, k=1)[0][:, 0] for x in (images, held_out))
    real = real.sort().values
    below = torch.searchsorted(real, d) + torch.searchsorted(real, d, right=True)
    return {
        "l2": float(d.mean()),
        "l2_real": float(real.mean()),
        "copies": float((d <= real.quantile(0.01)).float().mean()),
        "auroc": float((1 - below / (2 * len(real))).mean()),
    }


def measure(subject: Subject) -> dict[str, float]:
    """L2 distances of samples to their nearest training images, beside those of test images."""
    samples, train = given(subject, "nearest", needs)
    figures = memorisation(samples, subject.x, train)
    return {f"nearest_{name}": value for name, value in figures.items()}
