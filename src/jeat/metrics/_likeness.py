"""How alike two sets of features are, and how far a figure would move with other samples.

Errors are the jackknife's over the samples, the real images staying what they are: with
theta_(i) the figure without sample i,

    error^2 = (n - 1) / n * sum_i (theta_(i) - mean theta_())^2,

which is the variance or more, on average (Efron and Stein 1981). FID and the sliced distance take
the derivative in the weight of a sample for the difference that leaving it out makes (Efron 1982).
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

__all__ = ["density_and_coverage", "fid", "kid_error", "sliced_distance"]

NEIGHBOUR = 5
DIRECTIONS = 256
AT_ONCE = 2**24  # distances or kernels in memory


def fid(f: Float[Tensor, "n d"], g: Float[Tensor, "m d"]) -> tuple[float, float]:
    """|a - b|^2 + tr(S + R^2 - 2 (R S R)^(1/2)) and its error; a, S of f, b, R^2 of g.

    Its derivative in the weight of a sample x is 2 <a - b, z> + z' (1 - T) z - tr (1 - T) S, with
    z = x - a and the optimal map T = R (R S R)^(-1/2) R. Features are fp64, n and m above d.
    """
    a, b, S, R = f.mean(0), g.mean(0), f.T.cov(), _power(g.T.cov(), 0.5)
    RSR = R @ S @ R
    value = (a - b).square().sum() + S.trace() + (R @ R).trace() - 2 * _power(RSR, 0.5).trace()
    z, T = f - a, R @ _power(RSR, -0.5) @ R
    bend = (z * (z - z @ T)).sum(1)
    return float(value), _error(2 * z @ (a - b) + bend, 1 / (len(f) - 1))


def _power(S: Tensor, p: float) -> Tensor:
    """S^p of a symmetric S >= 0; what is 0 stays 0."""
    values, U = torch.linalg.eigh((S + S.T) / 2)
    powers = torch.where(values > 1e-12 * values[-1], values.clamp(min=1e-300) ** p, 0)
    power: Tensor = (U * powers) @ U.T
    return power


def kid_error(f: Float[Tensor, "n d"], g: Float[Tensor, "m d"]) -> float:
    """The error of KID, the unbiased squared MMD of all samples; features are fp64.

    sum_ij k(x_i, x_j) / n (n - 1) - 2 sum_ij k(x_i, y_j) / n m and what does not depend on samples,
    with i != j in the first sum and k(x, y) = (<x, y> / d + 1)^3 - 1, whose 1 drops out.
    """
    n = len(f)
    own = torch.cat([_kernel(part, f).sum(1) for part in _split(f, n)]) - _kernel_of_each(f)
    both = torch.cat([_kernel(part, g).mean(1) for part in _split(f, len(g))])
    left = (own.sum() - 2 * own) / ((n - 1) * (n - 2)) - 2 * (both.sum() - both) / (n - 1)
    return _error(left)


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return _cubic(x @ y.T / x.shape[1])


def _kernel_of_each(x: Tensor) -> Tensor:
    return _cubic(x.square().mean(1))


def _cubic(u: Tensor) -> Tensor:
    return u * (3 + 3 * u + u * u)


def density_and_coverage(
    f: Float[Tensor, "n d"], g: Float[Tensor, "m d"]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Density and coverage (Naeem et al. 2020) of samples f, each with its error.

    A ball around each real feature reaches to its fifth nearest among the real ones. Density is a
    fifth of the mean number of balls that a sample is in, coverage the share of balls that a sample
    is in. Real features are as many as samples, spread evenly, where there are more.
    """
    n, m = len(f), min(len(f), len(g))
    g = g[torch.arange(m) * len(g) // m]
    radius = torch.cat(
        [torch.cdist(part, g).kthvalue(NEIGHBOUR + 1).values for part in _split(g, m)]
    )
    inside = [torch.cdist(part, g) <= radius for part in _split(f, m)]
    balls = torch.cat([part.sum(1) for part in inside]).double()
    hits = torch.stack([part.sum(0) for part in inside]).sum(0)
    alone = torch.cat([(part & (hits == 1)).sum(1) for part in inside]).double()
    density = float(balls.mean()) / NEIGHBOUR, _error(balls, 1 / (NEIGHBOUR * (n - 1)))
    return density, (float((hits > 0).double().mean()), _error(alone, 1 / m))


def _error(left: Tensor, scale: float = 1.0) -> float:
    """The jackknife's error of a figure that is ``scale * left[i]`` and a constant without i."""
    n = len(left)
    return scale * math.sqrt((n - 1) * float(left.var(correction=0)))


def sliced_distance(f: Float[Tensor, "n d"], g: Float[Tensor, "m d"]) -> tuple[float, float]:
    """The sliced Wasserstein distance (Bonneel et al. 2015) and its error.

    Its square is the mean over 256 random directions, the same for any features of a number, of
    int_0^1 (F^-1(t) - G^-1(t))^2 dt, with F and G the distributions along a direction: at max(n, m)
    midpoints t. Its derivative in the weight of a sample at x is the Kantorovich potential, int^x 2
    (s - T(s)) ds with T the optimal map, less its mean.
    """
    n, k = len(f), max(len(f), len(g))
    draws = torch.randn(DIRECTIONS, f.shape[1], generator=torch.Generator().manual_seed(0))
    total, potentials = 0.0, torch.zeros(n, dtype=f.dtype)
    at_f, at_g = ((2 * torch.arange(k) + 1) * len(x) // (2 * k) for x in (f, g))
    share = at_f.bincount(minlength=n)[:, None]
    for u in _split(F.normalize(draws.to(f.dtype)), k):
        (x, order), y = (f @ u.T).sort(0), (g @ u.T).sort(0).values
        total += float((x[at_f] - y[at_g]).square().mean(0).sum())
        T = torch.zeros_like(x).index_add_(0, at_f, y[at_g]) / share
        slopes = x - T
        steps = F.pad(x.diff(dim=0) * (slopes[1:] + slopes[:-1]), (0, 0, 1, 0)).cumsum(0)
        potentials += torch.zeros_like(x).scatter_(0, order, steps).sum(1)
    value = math.sqrt(total / DIRECTIONS)
    scale = 1 / (2 * value * DIRECTIONS * (n - 1)) if value else 0.0
    return value, _error(potentials, scale)


def _split(x: Tensor, others: int) -> tuple[Tensor, ...]:
    return torch.split(x, max(1, AT_ONCE // others))
