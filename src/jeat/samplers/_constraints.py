"""What chains keep where part of an image is known: its pixels, or the means of its blocks."""

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from jeat._support.checks import SettingError, is_whole, quoted
from jeat._support.tensors import check_pixels

__all__ = ["BlockMeans", "KnownPixels"]

_HALVINGS = 60  # of an interval of shifts: it is then shorter than fp64 tells apart


@dataclass(frozen=True)
class KnownPixels:
    """The images in [0, 1] that agree with ``image`` where ``known`` is true.

    Called on states (B, C, H, W), it gives the nearest such images: ``image`` at known pixels,
    ``clamp(x, 0, 1)`` elsewhere. As ``bounds`` of a chain, it fills in what is missing.

    Attributes:
        image: in [0, 1].
        known: one truth a pixel.

    Raises:
        ValueError: an image outside of [0, 1], or a mask of another size.
    """

    image: Float[Tensor, "c h w"]
    known: Bool[Tensor, "h w"]

    def __post_init__(self) -> None:
        check_pixels(self.image[None])
        if self.known.shape != self.image.shape[1:]:
            raise ValueError(
                f"a mask needs one truth a pixel, {tuple(self.image.shape[1:])}, got "
                f"{tuple(self.known.shape)}"
            )

    def smooth(self) -> Float[Tensor, "c h w"]:
        """The image with what is missing filled in smoothly: where a chain may start.

        By means over 2 x 2 pixels of what is known, again and again, which are enlarged into what
        is missing (the pull-push of Gortler et al. 1996).
        """
        return _pulled(self.image[None], self.known.to(self.image)[None, None])[0].clamp(0, 1)

    def __call__(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return self.image.to(x).where(self.known.to(x.device), x.clamp(0, 1))


@dataclass(frozen=True)
class BlockMeans:
    r"""The images in [0, 1] whose blocks of ``factor`` x ``factor`` pixels have the means ``low``.

    Called on states (B, C, H, W), it gives the nearest such images in l2. These are
    :math:`\mathrm{clamp}(x + t, 0, 1)` with one shift t in each block and channel, found by
    bisection in fp64. As ``bounds`` of a chain, it enlarges the image ``low``.

    Attributes:
        low: in [0, 1], ``factor`` times smaller than the states on each side.
        factor: side of a block.

    Raises:
        ValueError: an image outside of [0, 1], a factor below 1.
    """

    low: Float[Tensor, "c i j"]
    factor: int

    def __post_init__(self) -> None:
        check_pixels(self.low[None])
        if not is_whole(self.factor, 1):
            raise SettingError(f"a block has a side of 1 or more, got {quoted(self.factor)}")

    @classmethod
    def of(cls, image: Float[Tensor, "c h w"], factor: int) -> "BlockMeans":
        """Those of an image, whose height and width ``factor`` divides."""
        return cls(F.avg_pool2d(image, factor), factor)

    def smooth(self) -> Float[Tensor, "c h w"]:
        """``low`` enlarged by bicubic interpolation, with its means: where a chain may start."""
        return self(F.interpolate(self.low[None], scale_factor=self.factor, mode="bicubic"))[0]

    def __call__(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        k, low = self.factor, self.low.to(x.device).double()
        if x.shape[1:] != (len(low), k * low.shape[1], k * low.shape[2]):
            raise ValueError(
                f"blocks of {k} x {k} pixels with means {tuple(low.shape)} make no images "
                f"{tuple(x.shape[1:])}"
            )
        blocks = x.double().unflatten(3, (-1, k)).unflatten(2, (-1, k)).movedim(3, 4).flatten(4)
        least, most = -blocks.amax(4), 1 - blocks.amin(4)
        for _ in range(_HALVINGS):
            t = (least + most) / 2
            above = (blocks + t[..., None]).clamp(0, 1).mean(4) > low
            least, most = least.where(above, t), t.where(above, most)
        moved = (blocks + ((least + most) / 2)[..., None]).clamp(0, 1)
        whole: Tensor = moved.unflatten(4, (k, k)).movedim(4, 3).flatten(4, 5).flatten(2, 3)
        return whole.to(x.dtype)


def _pulled(x: Tensor, known: Tensor) -> Tensor:
    """Images (1, C, H, W) where ``known`` is 1, and elsewhere means of what is known near by."""
    if known.min() > 0 or max(x.shape[2:]) == 1:
        return x
    share = F.avg_pool2d(known, 2, ceil_mode=True)
    means = F.avg_pool2d(x * known, 2, ceil_mode=True) / share.where(share > 0, 1)
    near = _pulled(means, (share > 0).to(known))
    return known * x + (1 - known) * F.interpolate(near, x.shape[2:], mode="bilinear")
