"""A ball is three verbs: random start, steepest direction, project."""

import pytest
import torch

from jeat.attacks import balls

NORMS = ("linf", "l1", "l2")
EPS = 0.3
every_norm = pytest.mark.parametrize("norm", NORMS)


def size(delta, norm):
    flat = delta.flatten(1).double()
    return flat.norm(dim=1, p={"linf": torch.inf, "l1": 1, "l2": 2}[norm])


def dot(a, b):
    return (a.double() * b.double()).flatten(1).sum(1)


@pytest.mark.parametrize("norm", ["linf", "l2"])
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


@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30])
@pytest.mark.parametrize("pixels", [1, 9, 64, 400, 3072])
def test_steepest_in_l1_is_the_sparse_step_of_slide(pixels, scale):
    """Of all steps that change k pixels alike and have length 1, the steepest."""
    g = scale * torch.randn(4, 1, 1, pixels)
    d = balls.steepest(g, "l1")
    k = {1: 1, 9: 3, 64: 3, 400: 4, 3072: 31}[pixels]
    largest = g.flatten(1).double().abs().topk(k).values
    torch.testing.assert_close(dot(g, d), largest.mean(1), rtol=1e-6, atol=0)
    torch.testing.assert_close(size(d, "l1"), torch.ones(4).double())
    assert ((d != 0).flatten(1).sum(1) == k).all()


def test_steepest_in_l1_steps_where_gradients_are_only():
    g = torch.zeros(1, 1, 8, 8)
    g[0, 0, 3, 4] = -2.0
    d = balls.steepest(g, "l1")
    assert d[0, 0, 3, 4] == -1
    assert size(d, "l1") == 1


def test_inward_leaves_out_what_the_box_would_undo_in_l1_only():
    x = torch.tensor([0.0, 0.0, 1.0, 1.0, 0.5, 0.5]).view(1, 1, 1, 6)
    g = torch.tensor([-1.0, 1.0, 1.0, -1.0, 1.0, -1.0]).view(1, 1, 1, 6)
    kept = torch.tensor([0, 1, 0, 1, 1, 1]).view(1, 1, 1, 6)
    assert torch.equal(balls.inward(g, x, "l1"), g * kept)
    assert torch.equal(balls.inward(g, x, "linf"), g)
    assert torch.equal(balls.inward(g, x, "l2"), g)


@pytest.mark.parametrize("eps", [0.01, 1.0, 12.0, 100.0])
def test_project_in_l1_keeps_its_length_on_images_of_usual_size(eps):
    d = torch.randn(4, 3, 64, 64)
    p = balls.project(d, eps, "l1")
    torch.testing.assert_close(size(p, "l1"), torch.full((4,), eps).double(), rtol=1e-6, atol=0)
    assert (p * d >= 0).all()


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
    """eps^2 / 3 a pixel in the cube, eps^2 / (d + 2) in the Euclidean ball.

    In the ball of l1, 2 eps^2 / ((d + 1) (d + 2)).
    """
    n, d = 20_000, 4
    draws = balls.random_start(torch.zeros(n, 1, 2, 2), EPS, norm).flatten(1).double()
    products = draws[:, :, None] * draws[:, None, :]
    by = {"linf": 3, "l1": (d + 1) * (d + 2) / 2, "l2": d + 2}[norm]
    expected = torch.eye(d).double() * EPS**2 / by
    assert ((products.mean(0) - expected).abs() <= 4 * products.std(0) / n**0.5).all()
