"""How alike two sets of features are, and how far a figure would move with other samples.

Errors are the jackknife's over the samples, the real images staying what they are: with
theta_(i) the figure without sample i,

    error^2 = (n - 1) / n * sum_i (theta_(i) - mean theta_())^2,

which is the variance or more, on average (Efron and Stein 1981). FID's takes the derivative in the
weight of a sample for the difference that leaving it out makes (Efron 1982).
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["density_and_coverage", "fid", "kid_error"]

NEIGHBOUR = 5
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


def _split(x: Tensor, others: int) -> tuple[Tensor, ...]:
    return torch.split(x, max(1, AT_ONCE // others))
