"""How flat the energy is around an image, and how far its lowest point (Fig. 2 in numbers)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jeat._support.tensors import check_finite
from jeat.metrics._column import Column
from jeat.metrics._plane import axis, energy_on_plane, plane
from jeat.metrics._subject import Subject, spread

__all__ = ["curvature", "measure", "minimum", "on_random_planes"]

columns = (
    Column("curvature", "curvature", "of E(x, y), per squared pixel L2"),
    Column("curvature_absolute", "absolute curvature", "mean of absolute values"),
    Column("curvature_minimum_distance", "distance of minimum", "pixel L2"),
    Column("curvature_drop", "drop to minimum", "energy"),
)

counted_in = "curvature_images"
NOT_FINITE = "energies are NaN or infinite around {} images: they have no curvature, no minimum"


def curvature(E: Float[Tensor, "b p p"], *, radius: float) -> Float[Tensor, "b 2"]:
    """[E(x + r d) + E(x - r d) - 2 E(x)] / r^2 for each image along both directions d of its plane.

    The second derivative along d, averaged over the segment that the plane shows. A Hessian would
    not do: that of E(x, y) is 0 almost everywhere where a net is piecewise linear.

    Args:
        E: energies on planes, of :func:`energy_on_plane`.
        radius: r, that of the grid.

    Raises:
        ValueError: an energy that is NaN or infinite.
    """
    check_finite(E, NOT_FINITE)
    half = E.shape[1] // 2
    u, v = E[:, half, [0, half, -1]], E[:, [0, half, -1], half]
    line = torch.stack([u, v], 1)
    return (line[..., 0] + line[..., 2] - 2 * line[..., 1]) / radius**2


def minimum(
    E: Float[Tensor, "b p p"], *, radius: float
) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
    """Where each plane is lowest: (L2 distance from the image, E at the image minus E there).

    Of equal points the nearest counts: a constant energy has its minimum at the image. A distance
    is at most sqrt(2) * radius, in a corner.

    Args:
        E: energies on planes, of :func:`energy_on_plane`.
        radius: that of the grid.

    Raises:
        ValueError: an energy that is NaN or infinite.
    """
    check_finite(E, NOT_FINITE)
    half = E.shape[1] // 2
    t = axis(radius, E.shape[1]).to(E)
    drop = E[:, half, half] - E.amin((1, 2))
    above = E - E.amin((1, 2), keepdim=True)
    distances = t[:, None].hypot(t).where(above == 0, torch.inf)
    return distances.amin((1, 2)), drop


def on_random_planes(
    net: nn.Module, x: Tensor, y: Tensor, *, radius: float, points: int
) -> Float[Tensor, "b p p"]:
    """E(x, y) of :func:`energy_on_plane`, each image with a plane of torch's random state."""
    directions = plane(x, seed=int(torch.randint(2**31, ())))
    return energy_on_plane(net, x, y, directions=directions, radius=radius, points=points)


def measure(
    subject: Subject, *, radius: float = 2.0, points: int = 11, images: int = 100
) -> dict[str, float]:
    """Means over images of the curvature of E(x, y) and of its lowest point on a random plane.

    ``curvature`` is signed, ``curvature_absolute`` the mean of absolute values; both average over
    the two directions of each image's own plane. ``curvature_minimum_distance`` and
    ``curvature_drop`` say how far from the image the lowest point of the plane's grid is, and how
    far below it. ``curvature_images`` is the number of images.

    Args:
        radius: half a side of the plane's square, in the L2 norm of pixels in [0, 1].
        points: of the grid on a side; odd, so that the middle one is the image.
        images: largest number of test images, spread evenly; each costs points^2 passes.
    """
    x, y = spread(subject.x, subject.y, images)
    E = on_random_planes(subject.net, x, y, radius=radius, points=points)
    along, (distance, drop) = curvature(E, radius=radius), minimum(E, radius=radius)
    return {
        "curvature": float(along.mean()),
        "curvature_absolute": float(along.abs().mean()),
        "curvature_minimum_distance": float(distance.mean()),
        "curvature_drop": float(drop.mean()),
        "curvature_images": float(len(x)),
    }
