"""A ball is three verbs: random start, steepest direction, project."""

import pytest
import torch

from jeat.attacks import balls

NORMS = ("linf", "l2")
EPS = 0.3
every_norm = pytest.mark.parametrize("norm", NORMS)


def size(delta, norm):
    flat = delta.flatten(1).double()
    return flat.abs().amax(1) if norm == "linf" else flat.norm(dim=1)


def dot(a, b):
    return (a.double() * b.double()).flatten(1).sum(1)


@every_norm
@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30])
def test_steepest_maximises_the_product_over_the_unit_ball(norm, scale):
    """<g, steepest> is the dual norm of g, and no other point of the ball does better."""
    g = scale * torch.randn(4, 1, 3, 3)
    best = balls.steepest(g, norm)
    dual = dot(g, g.sign()) if norm == "linf" else g.flatten(1).double().norm(dim=1)
    torch.testing.assert_close(dot(g, best), dual, rtol=1e-6, atol=0)
    assert (size(best, norm) <= 1 + 1e-6).all()
    for _ in range(500):
        assert (dot(g, balls.random_start(g, 1.0, norm)) <= dot(g, best)).all()


@every_norm
def test_steepest_of_a_zero_gradient_is_zero_and_its_neighbours_in_the_batch_are_not(norm):
    g = torch.randn(3, 1, 2, 2)
    g[1] = 0
    d = balls.steepest(g, norm)
    assert (d[1] == 0).all()
    torch.testing.assert_close(size(d[[0, 2]], norm), torch.ones(2).double())


@every_norm
@pytest.mark.parametrize("scale", [0.01, 0.1, 1.0, 100.0])
def test_project_gives_the_nearest_point_of_the_ball(norm, scale):
    """Inside, idempotent, the identity inside, and nearest: <d - p, z - p> <= 0 for z in it."""
    d = scale * torch.randn(8, 1, 3, 3)
    p = balls.project(d, EPS, norm)
    assert (size(p, norm) <= EPS * (1 + 1e-6)).all()
    torch.testing.assert_close(balls.project(p, EPS, norm), p)
    inside = size(d, norm) <= EPS
    assert torch.equal(p[inside], d[inside])
    for _ in range(100):
        z = balls.random_start(d, EPS, norm)
        assert (dot(d - p, z - p) <= 1e-6 * scale).all()


@every_norm
def test_the_ball_of_radius_zero_is_a_point(norm):
    d = torch.randn(4, 1, 3, 3)
    d[0] = 0
    assert (balls.project(d, 0.0, norm) == 0).all()
    assert (balls.random_start(d, 0.0, norm) == 0).all()


@every_norm
def test_a_random_start_lies_in_the_ball_and_has_mean_zero(norm):
    d = balls.random_start(torch.zeros(20_000, 1, 2, 2), EPS, norm)
    assert (size(d, norm) <= EPS * (1 + 1e-6)).all()
    assert (d.mean(0).abs() <= 4 * d.std(0) / len(d) ** 0.5).all()


@every_norm
@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
def test_a_random_start_is_uniform_in_volume(norm, share):
    """The ball of ``share`` of the radius holds share^d of the volume, and so of the draws."""
    n, d = 20_000, 4
    draws = balls.random_start(torch.zeros(n, 1, 2, 2), EPS, norm)
    p = share**d
    held = (size(draws, norm) <= share * EPS).double().mean()
    assert abs(held - p) <= 4 * (p * (1 - p) / n) ** 0.5


@every_norm
def test_pixels_of_a_random_start_are_uncorrelated_with_the_uniforms_variance(norm):
    """eps^2 / 3 a pixel in the cube, eps^2 / (d + 2) in the Euclidean ball."""
    n, d = 20_000, 4
    draws = balls.random_start(torch.zeros(n, 1, 2, 2), EPS, norm).flatten(1).double()
    products = draws[:, :, None] * draws[:, None, :]
    expected = torch.eye(d).double() * EPS**2 / (3 if norm == "linf" else d + 2)
    assert ((products.mean(0) - expected).abs() <= 4 * products.std(0) / n**0.5).all()
