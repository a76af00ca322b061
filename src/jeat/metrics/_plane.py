"""The energy on a plane through an image (Fig. 2 of Zhu et al., ICCV 2021)."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from jeat._support.checks import SettingError
from jeat._support.progress import tell
from jeat._support.tensors import check_pixels
from jeat.metrics._subject import finite_energy_of
from jeat.nets import autocast, evaluating

__all__ = ["axis", "energy_on_plane", "plane"]

Directions = tuple[Tensor, Tensor]


def plane(x: Float[Tensor, "b c h w"], *, seed: int) -> Directions:
    """Two orthonormal Gaussian directions u, v (B, C, H, W) for each image, given by ``seed``.

    Gaussian draws made orthogonal and of length 1 in the L2 norm of pixels in [0, 1]. They are
    drawn on the CPU and apart from the global generator: the same on every device.

    Raises:
        ValueError: no image, or images outside of [0, 1].
    """
    check_pixels(x)
    draws = torch.randn(len(x), 2, x[0].numel(), generator=torch.Generator().manual_seed(seed))
    u, v = draws.unbind(1)
    u = F.normalize(u)
    v = F.normalize(v - (u * v).sum(1, keepdim=True) * u)
    return u.view(x.shape).to(x), v.view(x.shape).to(x)


def axis(radius: float, points: int) -> Float[Tensor, " p"]:
    """``points`` coordinates from -radius to radius, the middle one exactly 0: the image.

    Raises:
        ValueError: a radius that is not positive, or points without a middle.
    """
    if not 0 < radius < float("inf"):
        raise SettingError(f"the radius of a plane must be positive and finite, got {radius}")
    if points < 3 or points % 2 == 0:
        raise SettingError(f"points must be odd, 3 or more, so that one is the image: got {points}")
    half = points // 2
    return torch.arange(-half, half + 1) * (radius / half)


@torch.no_grad()
def energy_on_plane(
    net: nn.Module,
    x: Float[Tensor, "b c h w"],
    y: Int[Tensor, " b"] | None = None,
    *,
    directions: Directions,
    radius: float,
    points: int,
) -> Float[Tensor, "b p p"]:
    """E(x + a u + b v, y), or E(x + a u + b v) without ``y`` (Eq. 12), on a square of the plane.

    Rows are b, columns are a, both from -radius to radius: ``[i, p // 2, p // 2]`` is the energy of
    image i. Pixels are not clamped, else the plane would bend. Net in eval mode, fp32, 500 points
    a pass whatever their number.

    Args:
        net: the classifier.
        x: images (B, C, H, W) in [0, 1].
        y: labels (B,).
        directions: u and v, of :func:`plane`.
        radius: half a side of the square, in the L2 norm of pixels in [0, 1].
        points: on a side; odd.

    Raises:
        ValueError: a radius that is not positive, points that are not odd, directions of another
            shape than the images, or not one label an image, images outside of [0, 1], logits that
            are NaN or infinite.
    """
    x = check_pixels(x)
    t = axis(radius, points).to(x)
    u, v = directions
    if not u.shape == v.shape == x.shape or (y is not None and len(y) != len(x)):
        raise ValueError("a plane needs two directions of the shape of the images, a label each")
    E = []
    with autocast("fp32", x.device), evaluating(net):
        for at in torch.arange(len(x) * points**2, device=x.device).split(500):
            i, row, column = at // points**2, at // points % points, at % points
            a, b = (t[k].view(-1, 1, 1, 1) for k in (column, row))
            energy = finite_energy_of(net, None if y is None else y[i])
            E.append(energy(x[i] + a * u[i] + b * v[i]))
            tell("planes", min(500 * len(E), len(x) * points**2), len(x) * points**2)
    return torch.cat(E).view(len(x), points, points)
