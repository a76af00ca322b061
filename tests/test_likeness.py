"""Density, coverage and errors: closed forms, and the spread of figures over many draws."""

import pytest
import torch

from jeat.metrics._likeness import density_and_coverage, fid, kid_error, sliced_distance


def test_balls_that_lie_apart_are_counted_in_closed_form():
    """Six real images in each of four places far apart: all six balls of a place hold it."""
    places = torch.tensor([[0.0, 0], [10, 0], [0, 10], [10, 10]], dtype=torch.float64)
    g = places.repeat_interleave(6, 0) + 0.1 * torch.randn(24, 2, dtype=torch.float64)
    f = places[[0, 0, 0, 1]].repeat_interleave(6, 0)
    (density, error), (coverage, _) = density_and_coverage(f, g)
    assert density == pytest.approx(6 / 5)
    assert error == 0
    assert coverage == pytest.approx(1 / 2)
    (density, error), (coverage, _) = density_and_coverage(f + torch.tensor([[5.0, 0.0]]), g)
    assert (density, error, coverage) == (0, 0, 0)
    f[::3] += 5  # a third of the samples in no ball: deviation sqrt(1/3 2/3) of 6/5
    (density, error), _ = density_and_coverage(f, g)
    assert density == pytest.approx(2 / 3 * 6 / 5)
    assert error == pytest.approx((1 / 3 * 2 / 3 / 23) ** 0.5 * 6 / 5)


@pytest.mark.parametrize("m", [40, 400])
def test_the_expected_density_of_real_images_is_1_and_their_coverage_is_in_closed_form(m):
    """E coverage = 1 - prod_j (m - j) / (n + m - j), j in 1..5 (Naeem et al. 2020)."""
    n, found = 40, []
    for _ in range(300):
        f, g = (torch.randn(k, 3, dtype=torch.float64) for k in (n, m))
        found.append([figure for figure, _ in density_and_coverage(f, g)])
    means, errors = (torch.tensor(found).mean(0), torch.tensor(found).std(0) / 300**0.5)
    missed = 1.0
    for j in range(1, 6):  # as many real images as samples are looked at
        missed *= (n - j) / (2 * n - j)
    assert abs(means[0] - 1) < 4 * errors[0]
    assert abs(means[1] - (1 - missed)) < 4 * errors[1]


def figures(f, g):
    kernel = [((a @ b.T) / a.shape[1] + 1) ** 3 for a, b in ((f, f), (g, g), (f, g))]
    own = [(k.sum() - k.trace()) / (len(k) * (len(k) - 1)) for k in kernel[:2]]
    kid = float(sum(own) - 2 * kernel[2].mean()), kid_error(f, g)
    return zip(fid(f, g), kid, sliced_distance(f, g), *density_and_coverage(f, g), strict=True)


def ratios(draw, g):
    """Root mean square of each error over the deviation of its figure, over 300 draws."""
    draws = [figures(draw(), g) for _ in range(300)]
    values, errors = (torch.tensor(list(part)) for part in zip(*draws, strict=True))
    ratio = errors.square().mean(0).sqrt() / values.std(0)
    return zip(("FID", "KID", "SWD", "density", "coverage"), ratio.tolist(), strict=True)


@pytest.mark.parametrize("shift", [0.5, 2.0], ids=["near", "far"])
def test_an_error_is_the_deviation_of_the_figure_over_draws_of_samples(shift):
    """But for noise; the jackknife's of coverage is an upper bound (Efron and Stein 1981)."""
    g = torch.randn(300, 4, dtype=torch.float64)
    scale = torch.tensor([1.0, 0.5, 1.5, 1.0], dtype=torch.float64)

    def draw():
        return shift + scale * torch.randn(100, 4, dtype=torch.float64)

    for name, r in ratios(draw, g):
        assert 0.87 < r < (5**0.5 if name == "coverage" else 1.13), (name, r)


@pytest.mark.slow
def test_an_error_is_not_too_small_where_samples_are_as_real_images():
    """There the first order vanishes, and a jackknife says up to twice the variance."""
    g = torch.randn(2000, 4, dtype=torch.float64)
    for name, r in ratios(lambda: torch.randn(100, 4, dtype=torch.float64), g):
        assert 0.87 < r < (5**0.5 if name == "coverage" else 1.7), (name, r)


def test_each_error_is_that_of_leaving_samples_out_one_by_one():
    f, g = torch.randn(30, 3, dtype=torch.float64) + 1, torch.randn(20, 3, dtype=torch.float64)
    left = [next(figures(torch.cat([f[:i], f[i + 1 :]]), g)) for i in range(30)]
    known = (29 * torch.tensor(left).var(0, correction=0)).sqrt().tolist()
    _, found = figures(f, g)
    for i, by_derivative in enumerate((True, False, True, False, False)):
        assert found[i] == pytest.approx(known[i], rel=0.05 if by_derivative else 1e-6)


def test_the_sliced_distance_of_a_shift_is_its_length_over_the_root_of_the_dimension():
    """Along u it is |<shift, u>|, whose mean square is |shift|^2 / d; 256 directions' noise."""
    f = torch.randn(50, 8, dtype=torch.float64)
    shift = torch.randn(8, dtype=torch.float64)
    value, _ = sliced_distance(f + shift, f)
    assert value**2 == pytest.approx(float(shift.square().sum()) / 8, rel=4 * (2 / 256) ** 0.5)
    assert sliced_distance(f, f)[0] == 0
    many = f.repeat_interleave(3, 0)
    assert sliced_distance(many + shift, f)[0] == pytest.approx(value)
    assert sliced_distance(f + shift, many)[0] == pytest.approx(value)
