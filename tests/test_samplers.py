"""On a Gaussian energy a Langevin chain is AR(1), whose every moment is known."""

import math
from itertools import islice

import pytest
import torch
from torch.nn import functional as F

from jeat._support.checks import SettingError
from jeat.data import Data, Images
from jeat.energy import score
from jeat.samplers import (
    ClassComponents,
    ClassGaussian,
    Stored,
    Uniform,
    clamped,
    langevin,
    last,
    momentum,
    normalized,
    numbers_stored,
    start_of,
)

N = 40_000


def gaussian(s):
    """E(x) = |x|^2 / (2 s^2)."""
    return lambda x: x.flatten(1).square().sum(1) / (2 * s**2)


def assert_variance(x, variance):
    """Zero mean, and the variance within 4 standard errors, var * sqrt(2 / n)."""
    x = x.double().flatten()
    n = len(x)
    assert abs(float(x.mean())) <= 4 * math.sqrt(variance / n)
    assert abs(float(x.square().mean()) / variance - 1) <= 4 * math.sqrt(2 / n)


@pytest.mark.parametrize(
    ("s", "step_size", "noise"),
    [
        (1.0, 0.5, None),
        (1.0, 0.05, None),
        (0.7, 0.3, 0.2),
        (2.0, 1.0, 0.01),
        (1.0, 1.5, 1.0),  # beyond s^2 the chain overshoots, and the formula still holds
    ],
)
def test_the_chain_is_ar1(s, step_size, noise):
    """Its stationary variance is exactly noise^2 / (1 - (1 - step/s^2)^2)."""
    sigma = math.sqrt(2 * step_size) if noise is None else noise
    variance = sigma**2 / (1 - (1 - step_size / s**2) ** 2)
    x = math.sqrt(variance) * torch.randn(N, 1)
    x = last(langevin(gaussian(s), x, steps=30, step_size=step_size, noise=noise))
    assert_variance(x, variance)


def test_from_a_point_the_variance_after_k_steps_is_the_partial_sum():
    """A transient, so that it cannot be right by starting right: phi^2k -> 0."""
    step_size, noise, phi = 0.2, 0.3, 0.8
    for k, x in enumerate(
        langevin(gaussian(1.0), torch.ones(N, 1), steps=5, step_size=step_size, noise=noise), 1
    ):
        assert_variance(x - phi**k, noise**2 * (1 - phi ** (2 * k)) / (1 - phi**2))


def test_a_small_step_with_coupled_noise_samples_the_gaussian_itself():
    """s^2 / (1 - step / (2 s^2)) -> s^2: at this step the bias is a fifth of a standard error."""
    s = 0.8
    x = last(langevin(gaussian(s), torch.zeros(N, 1), steps=1_500, step_size=0.002))
    assert_variance(x, s**2)


def test_noise_none_is_the_square_root_of_twice_the_step():
    x = torch.randn(8, 1, 4, 4)
    torch.manual_seed(3)
    coupled = list(langevin(gaussian(1.0), x, steps=3, step_size=0.08))
    torch.manual_seed(3)
    apart = list(langevin(gaussian(1.0), x, steps=3, step_size=0.08, noise=0.4))
    torch.testing.assert_close(coupled, apart)


def test_pixels_are_independent():
    x = last(langevin(gaussian(1.0), torch.zeros(N, 1, 1, 2), steps=20, step_size=0.5)).flatten(1)
    product = (x[:, 0] * x[:, 1]).double()
    assert abs(float(product.mean())) <= 4 * float(product.std()) / math.sqrt(N)


def test_without_noise_it_is_gradient_descent(net, digits):
    def energy(x):
        return net(x).square().sum(1)

    x = digits[0]
    for state in langevin(energy, x, steps=4, step_size=0.01, noise=0.0):
        x = x + 0.01 * score(energy, x)
        torch.testing.assert_close(state, x, rtol=1e-6, atol=1e-7)  # to rounding


def test_without_gradient_it_is_a_random_walk():
    walk = langevin(lambda x: 0 * x.sum(1), torch.zeros(N, 1), steps=9, step_size=1.0, noise=0.1)
    assert_variance(last(walk), 9 * 0.1**2)


def test_bounds_hold_at_every_state():
    chain = langevin(
        gaussian(1.0), torch.rand(50, 3), steps=20, step_size=0.1, noise=1.0, bounds=(0.2, 0.7)
    )
    for x in chain:
        assert x.min() == pytest.approx(0.2)
        assert x.max() == pytest.approx(0.7)


def test_a_chain_yields_its_steps_as_new_detached_tensors_and_leaves_x0():
    x0 = torch.rand(4, 1, 2, 2, requires_grad=True)
    before = x0.detach().clone()
    states = list(langevin(gaussian(1.0), x0, steps=7, step_size=0.1))
    assert len(states) == 7
    assert len({x.data_ptr() for x in [x0, *states]}) == 8
    assert all(not x.requires_grad for x in states)
    assert torch.equal(x0, before)
    assert x0.grad is None


def test_a_chain_is_lazy_and_can_be_thinned():
    evaluated = []

    def energy(x):
        evaluated.append(1)
        return gaussian(1.0)(x)

    chain = langevin(energy, torch.zeros(1, 1), steps=1_000, step_size=0.1)
    assert not evaluated
    assert len(list(islice(chain, 0, 9, 3))) == 3
    assert len(evaluated) == 9


def test_last_is_the_final_state():
    assert last(iter([torch.tensor(1), torch.tensor(2)])) == 2
    with pytest.raises(ValueError, match="empty chain"):
        last([])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"steps": 0}, "at least 1 step"),
        ({"step_size": 0.0}, "step_size must be positive"),
        ({"step_size": -1.0}, "step_size must be positive"),
        ({"noise": -0.1}, "noise must not be negative"),
    ],
)
def test_bad_settings_are_refused_when_the_chain_is_made(settings, said):
    with pytest.raises(ValueError, match=said):
        langevin(gaussian(1.0), torch.zeros(1, 1), **{"steps": 1, "step_size": 0.1} | settings)


def test_uniform_start_is_u01_in_the_shape_asked_for():
    x = Uniform((3, 4, 4))(torch.zeros(2_000, dtype=torch.int64))
    assert x.shape == (2_000, 3, 4, 4)
    assert x.min() >= 0
    assert x.max() <= 1
    assert_variance(x - 0.5, 1 / 12)


def planted(n, size=2, classes=2):
    """Class k: correlated Gaussian pixels around 0.4 + 0.2 k, rounded to uint8."""
    mix = torch.linalg.qr(torch.randn(size**2, size**2))[0] * torch.linspace(0.02, 0.06, size**2)
    y = torch.arange(n) % classes
    x = 0.4 + 0.2 * y[:, None] + torch.randn(n, size**2) @ mix.T
    return (x.view(n, 1, size, size).clamp(0, 1) * 255).round().to(torch.uint8), y


def moments(x):
    """Mean and covariance of (N, d), and the standard errors of both."""
    x, n = x.double(), len(x)
    products = (x - x.mean(0))[:, :, None] * (x - x.mean(0))[:, None, :]
    spread = (x.std(0) / n**0.5, products.std(0) / n**0.5)
    return x.mean(0), products.mean(0), *spread


@pytest.mark.parametrize(("size", "grain"), [(2, 1), (4, 2)])
def test_class_gaussian_draws_have_the_mean_and_covariance_of_the_pooled_class(size, grain):
    """A draw differs in covariance by the 1e-4 I that is added to it."""
    images, labels = planted(400, size)
    start = ClassGaussian.fit(images, labels, classes=2, grain=grain)
    for k in range(2):
        pooled = F.avg_pool2d(images[labels == k].float() / 255, grain).flatten(1)
        mean, covariance, _, _ = moments(pooled)
        torch.testing.assert_close(start.mean[k].double(), mean, rtol=0, atol=1e-6)
        covariance += 1e-4 * torch.eye(len(mean))
        factor = start.factor[k].double()
        torch.testing.assert_close(factor @ factor.T, covariance, rtol=0, atol=1e-7)
    if grain == 1:
        draws = start(torch.full((N,), 1)).flatten(1)
        drawn_mean, drawn_covariance, mean_se, covariance_se = moments(draws)
        assert ((drawn_mean - mean).abs() <= 4 * mean_se).all()
        assert ((drawn_covariance - covariance).abs() <= 4 * covariance_se).all()


def test_a_coarse_draw_is_a_small_draw_enlarged():
    images, labels = planted(200, size=8)
    start = ClassGaussian.fit(images, labels, classes=2, grain=4)
    x = start(labels[:6])
    assert x.shape == (6, 1, 8, 8)
    torch.manual_seed(2)
    coarse = ClassGaussian(start.mean, start.factor, (1, 2, 2), 1)(labels[:6])
    torch.manual_seed(2)
    bilinear = F.interpolate(coarse, size=(8, 8), mode="bilinear", align_corners=False)
    torch.testing.assert_close(start(labels[:6]), bilinear)


@pytest.mark.usefixtures("unchecked")
def test_class_gaussian_takes_labels_of_any_integer_type():
    """Class 0 is black and class 1 is white."""
    labels = torch.arange(40) % 2
    images = (255 * labels).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 4, 4)
    start = ClassGaussian.fit(images, labels, classes=2, grain=2)
    for dtype in (torch.int64, torch.int32, torch.uint8):
        x = start(torch.tensor([0, 1], dtype=dtype))
        assert (x.mean((1, 2, 3)) > 0.5).tolist() == [False, True]


def test_class_gaussian_draws_are_images_in_colour_too():
    images = torch.randint(0, 256, (60, 3, 4, 4), dtype=torch.uint8)
    start = ClassGaussian.fit(images, torch.arange(60) % 3, classes=3, grain=2)
    x = start(torch.arange(300) % 3)
    assert x.shape == (300, 3, 4, 4)
    assert x.min() >= 0
    assert x.max() <= 1


def test_class_gaussian_refuses_what_it_cannot_fit():
    images, labels = planted(10, size=4)
    with pytest.raises(ValueError, match=r"grain 3 does not divide the size of \(10, 1, 4, 4\)"):
        ClassGaussian.fit(images, labels, classes=2, grain=3)
    with pytest.raises(ValueError, match="class 2 has no training image"):
        ClassGaussian.fit(images, labels, classes=3, grain=1)


def test_a_class_of_one_image_has_a_start():
    images, labels = planted(2, size=4)
    start = ClassGaussian.fit(images, labels, classes=2, grain=1)
    assert start(labels).isfinite().all()


def truncated(x, r=32):
    """The covariance of (n, d) along its r leading principal components, by singular values."""
    x = x.double()
    _, s, v = torch.linalg.svd(x - x.mean(0), full_matrices=False)
    return (v[:r].T * (s[:r] ** 2 / len(x))) @ v[:r]


def test_draws_of_components_have_the_mean_and_covariance_of_a_truncated_pca():
    """Of 36 pixels, 4 components are left out."""
    images, labels = planted(600, size=6)
    start = ClassComponents.fit(images, labels, classes=2, grain=1)
    for k in range(2):
        x = images[labels == k].float().flatten(1) / 255
        mean, covariance = x.double().mean(0), truncated(x)
        assert not torch.allclose(covariance, truncated(x, 36), atol=1e-5)
        found = start.scaled[k].double()
        torch.testing.assert_close(found.T @ found, covariance, rtol=0, atol=1e-8)
        drawn_mean, drawn_covariance, mean_se, covariance_se = moments(
            start(torch.full((10_000,), k)).flatten(1)
        )
        assert ((drawn_mean - mean).abs() <= 4.5 * mean_se).all()
        assert ((drawn_covariance - covariance).abs() <= 4.5 * covariance_se).all()


@pytest.mark.parametrize("kind", [ClassComponents, ClassGaussian])
def test_a_class_starts_from_its_own_images_alone(kind):
    images, labels = planted(200, size=6)
    others = torch.where((labels == 1)[:, None, None, None], 255 - images, images)
    y, draws = torch.tensor([0, 1, 0, 1, 0]), []
    for x in (images, others):
        start = kind.fit(x, labels, classes=2, grain=1)
        torch.manual_seed(4)
        draws.append(start(y))
    assert torch.equal(draws[0][y == 0], draws[1][y == 0])
    assert (draws[0][y == 1] != draws[1][y == 1]).any()


def test_a_class_of_one_picture_starts_at_it():
    picture = torch.randint(0, 256, (1, 3, 6, 6), dtype=torch.uint8)
    images = torch.cat([picture.expand(20, -1, -1, -1), torch.zeros_like(picture)])
    labels = torch.tensor([0] * 20 + [1])
    start = ClassComponents.fit(images, labels, classes=2, grain=1)
    torch.testing.assert_close(start(torch.zeros(3, dtype=torch.int64))[2:], picture.float() / 255)


def test_draws_of_components_are_clamped_to_images():
    images = (torch.rand(100, 1, 6, 6) < 0.5).to(torch.uint8) * 255
    start = ClassComponents.fit(images, torch.arange(100) % 2, classes=2, grain=1)
    x = start(torch.arange(400) % 2)
    assert x.min() == 0
    assert x.max() == 1


def test_coarse_components_are_small_ones_enlarged():
    images, labels = planted(200, size=8)
    start = ClassComponents.fit(images, labels, classes=2, grain=2)
    draws = []
    for s in (start, ClassComponents(start.mean, start.scaled, (1, 4, 4), 1)):
        torch.manual_seed(2)
        draws.append(s(labels[:6]))
    bilinear = F.interpolate(draws[1], size=(8, 8), mode="bilinear", align_corners=False)
    torch.testing.assert_close(draws[0], bilinear)


@pytest.mark.parametrize(
    ("shape", "grain", "r"), [((3, 32, 32), 2, 32), ((1, 8, 8), 1, 32), ((1, 5, 4), 1, 20)]
)
def test_a_file_keeps_as_many_numbers_of_components_as_are_said(shape, grain, r):
    images = torch.randint(0, 256, (12, *shape), dtype=torch.uint8)
    some = Images(images, torch.arange(12) % 3)
    start = start_of("pca", Data(some, some, ("a", "b", "c")))
    assert (start.grain, start.scaled.shape[1]) == (grain, r)
    assert numbers_stored("pca", shape, 3) == start.mean.numel() + start.scaled.numel()


def test_stored_states_are_drawn_evenly_whatever_the_label():
    """Counts of 8,000 draws of 4 states, within 4 standard errors of Binomial(8000, 1/4)."""
    start = Stored(torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 2, 2))
    x = start(torch.zeros(8_000, dtype=torch.int64))
    assert x.shape == (8_000, 3, 2, 2)
    counts = torch.bincount(x[:, 0, 0, 0].long(), minlength=4).double()
    assert (counts - 2_000).abs().max() < 4 * (8_000 * 0.25 * 0.75) ** 0.5


def test_clamped_steps_move_no_pixel_by_more_than_step_times_clip():
    x = 10 * torch.randn(50, 1, 4, 4)
    for state in clamped(gaussian(0.3), x, steps=3, step_size=0.5, clip=0.2):
        moved = (state - x).abs()
        assert moved.max() <= 0.5 * 0.2 + 1e-6
        assert moved.max() > 0.09
        x = state


def test_clamped_steps_of_small_gradients_are_gradient_descent():
    x = torch.randn(8, 1, 4, 4)
    found = list(clamped(gaussian(1.0), x, steps=3, step_size=0.1, clip=100.0))
    expected = list(langevin(gaussian(1.0), x, steps=3, step_size=0.1, noise=0.0))
    torch.testing.assert_close(found, expected)


def test_clamped_chains_get_their_noise_before_the_gradient():
    """From 0, where E has no slope, one step leaves (1 - step) of the noise's variance."""
    x = last(clamped(gaussian(1.0), torch.zeros(N, 1), steps=1, step_size=0.5, noise=1.0, clip=9.0))
    assert_variance(x, 0.25)


def test_many_clamped_steps_of_jem_plus_plus_are_its_inner_loop():
    """M = 10, N = 5, step 0.2 on [-1, 1]: ten steps of 1, as the first layer is linear."""
    w = torch.randn(1, 1, 4, 4)

    def energy(x):
        return (3 * w * x).flatten(1).sum(1)

    x = torch.rand(8, 1, 4, 4)
    z = 2 * x - 1
    for _ in range(10):
        for _ in range(5):
            z = (z - 0.2 * (3 * w / 2).clamp(-1, 1)).clamp(-1, 1)
    ours = last(clamped(energy, x, steps=10, step_size=0.25, clip=2.0, bounds=(0, 1)))
    torch.testing.assert_close(ours, (z + 1) / 2)


def test_normalized_steps_go_straight_down_a_linear_energy():
    w = torch.randn(1, 3, 4, 4)
    x = torch.randn(5, 3, 4, 4)
    end = last(normalized(lambda x: -(w * x).flatten(1).sum(1), x, steps=60, step_size=0.5))
    torch.testing.assert_close(end, x + 60 * 0.5 * w / w.norm(), rtol=1e-4, atol=1e-4)


def test_normalized_steps_do_not_move_where_there_is_no_slope():
    x = torch.randn(5, 3, 4, 4)
    for state in normalized(lambda x: (0 * x).flatten(1).sum(1), x, steps=3, step_size=0.5):
        assert torch.equal(state, x)


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1.0, 1e12])
def test_normalized_steps_have_one_length_whatever_the_scale_of_the_energy(scale):
    x = torch.randn(5, 3, 4, 4)

    def energy(x):
        return scale * x.flatten(1).square().sum(1)

    (state,) = normalized(energy, x, steps=1, step_size=0.5)
    torch.testing.assert_close((state - x).flatten(1).norm(dim=1), torch.full((5,), 0.5))


def test_normalized_chains_stay_within_their_radius():
    w, x = torch.ones(1, 1, 4, 4), torch.randn(5, 1, 4, 4)
    states = list(
        normalized(lambda x: (w * x).flatten(1).sum(1), x, steps=9, step_size=0.5, radius=2.0)
    )
    far = [float((s - x).flatten(1).norm(dim=1).max()) for s in states]
    assert far == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0], rel=1e-5)


def test_momentum_of_full_friction_is_langevin():
    x = torch.randn(8, 1, 4, 4)
    torch.manual_seed(3)
    plain = list(langevin(gaussian(1.0), x, steps=4, step_size=0.08))
    torch.manual_seed(3)
    ours = list(momentum(gaussian(1.0), x, steps=4, step_size=0.08, friction=1.0, limit=1e9))
    torch.testing.assert_close(ours, plain)


def pushed(**settings):
    """Three steps of 1 down a slope of 1, from 0."""
    x = torch.zeros(1, 1)
    return momentum(lambda x: x.sum(1), x, steps=3, step_size=1.0, noise=0.0, **settings)


def test_momentum_keeps_its_share_of_the_velocity():
    """Down a slope of 1 with steps of 1: v is 1, 1.5, 1.75."""
    x = torch.zeros(1, 1)
    chain = momentum(
        lambda x: x.sum(1), x, steps=3, step_size=1.0, noise=0.0, friction=0.5, limit=9
    )
    assert [float(s) for s in chain] == [-1.0, -2.5, -4.25]


def test_momentum_moves_no_pixel_by_more_than_its_limit():
    x = torch.zeros(1, 1)
    chain = momentum(
        lambda x: x.sum(1), x, steps=3, step_size=1.0, noise=0.0, friction=0.5, limit=1
    )
    assert [float(s) for s in chain] == [-1.0, -2.0, -3.0]


@pytest.mark.parametrize("friction", [-0.1, 1.1])
def test_a_friction_that_is_no_share_is_refused(friction):
    with pytest.raises(SettingError, match="friction is a share"):
        momentum(gaussian(1.0), torch.zeros(1, 1), steps=1, step_size=0.1, friction=friction)
