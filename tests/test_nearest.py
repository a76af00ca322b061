"""Nearest training images are those of brute force; SSIM is scikit-image's; copies show."""

import numpy as np
import pytest
import torch

from jeat import metrics
from jeat.metrics import Subject, memorisation, nearest

from .conftest import DIGITS


def smooth(*shape):
    """Random images with structure at the scale of SSIM's window."""
    small = torch.rand(*shape[:2], shape[2] // 4, shape[3] // 4)
    return torch.nn.functional.interpolate(small, shape[2:], mode="bilinear")


def ssim_map(a, b, window):
    """Wang et al. 2004 in float64, as printed: the mean of SSIM over windows inside the image."""
    offset = np.arange(window) - window // 2
    w = np.exp(-(offset**2) / (2 * 1.5**2))
    w = np.outer(w, w) / w.sum() ** 2
    found = []
    for i in range(a.shape[0] - window + 1):
        for j in range(a.shape[1] - window + 1):
            p, q = (v[i : i + window, j : j + window] for v in (a, b))
            m, n = (w * p).sum(), (w * q).sum()
            v, u, c = (w * (p - m) ** 2).sum(), (w * (q - n) ** 2).sum(), (w * (p - m) * (q - n))
            above = (2 * m * n + 0.01**2) * (2 * c.sum() + 0.03**2)
            found.append(above / ((m**2 + n**2 + 0.01**2) * (v + u + 0.03**2)))
    return np.mean(found)


@pytest.mark.parametrize(
    ("b", "n", "shape"), [(30, 400, (3, 8, 8)), (60, 1_000_000, (1, 1, 2)), (5, 3, (1, 4, 4))]
)
def test_l2_neighbours_are_those_of_brute_force_whatever_the_pieces(b, n, shape):
    x, train, k = torch.rand(b, *shape), torch.rand(n, *shape), 3
    values, indices = nearest(x, train, k=k)
    for i in range(b):
        known = (x[i].double() - train.double()).flatten(1).norm(dim=1).topk(k, largest=False)
        torch.testing.assert_close(values[i].double(), known.values, rtol=1e-4, atol=1e-7)
        at_indices = (x[i] - train[indices[i]]).flatten(1).norm(dim=1)
        torch.testing.assert_close(values[i], at_indices)
        assert len(set(indices[i].tolist())) == k


@pytest.mark.parametrize("distance", ["l2", "ssim"])
def test_a_copy_is_its_own_nearest_image(distance):
    train = DIGITS.train.floats(300)[0]
    values, indices = nearest(train[100:104], train, k=2, distance=distance)
    assert indices[:, 0].tolist() == [100, 101, 102, 103]
    torch.testing.assert_close(values[:, 0], torch.full((4,), float(distance == "ssim")))
    assert (values[:, 1] > 0.1).all()


def test_the_l2_distance_of_a_copy_is_exactly_0():
    train = torch.rand(500, 3, 32, 32)
    assert (nearest(train[:50], train, k=1)[0] == 0).all()


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (1, 12, 16)])
def test_ssim_is_that_of_scikit_image_with_a_gaussian_window(shape):
    skimage = pytest.importorskip("skimage.metrics")
    train = smooth(260, *shape)
    x = (train[:2] + 0.1 * torch.randn(2, *shape)).clamp(0, 1)
    values, indices = nearest(x, train, k=260, distance="ssim")
    assert (values[:, :-1] >= values[:, 1:]).all()
    for i in range(2):
        assert sorted(indices[i].tolist()) == list(range(260))
        for value, at in list(zip(values[i], indices[i], strict=True))[::20]:
            known = skimage.structural_similarity(
                x[i].double().numpy(), train[at].double().numpy(), channel_axis=0, data_range=1.0,
                gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
            )  # fmt: skip
            assert float(value) == pytest.approx(known, abs=1e-4)


@pytest.mark.parametrize(("side", "window"), [(8, 7), (9, 9), (10, 9), (11, 11), (13, 11), (5, 5)])
def test_the_window_of_ssim_is_11_or_the_largest_odd_number_that_fits(side, window):
    x, train = torch.rand(1, 1, side, side), torch.rand(4, 1, side, side)
    values, indices = nearest(x, train, k=4, distance="ssim")
    for value, at in zip(values[0], indices[0], strict=True):
        known = ssim_map(x[0, 0].double().numpy(), train[at, 0].double().numpy(), window)
        assert float(value) == pytest.approx(known, abs=1e-4)


@pytest.mark.parametrize("distance", ["l2", "ssim"])
def test_neighbours_are_found_in_fp32_also_under_autocast(distance):
    x, train = torch.rand(9, 1, 8, 8), 0.5 + 1e-3 * torch.rand(300, 1, 8, 8)
    found = []
    for around in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=around):
            found.append(nearest(x, train, k=3, distance=distance))
    assert all(map(torch.equal, *found))


def test_black_is_as_similar_to_black_as_can_be():
    assert nearest(torch.zeros(1, 1, 8, 8), torch.zeros(2, 1, 8, 8), k=1, distance="ssim")[0] == 1


def test_copies_are_found_out():
    """One half copies of training images, one half noise."""
    (train, _), (real, _) = DIGITS.train.floats(), DIGITS.test.floats()
    found = memorisation(train[:200], real, train)
    assert (found["l2"], found["copies"], found["auroc"]) == (0, 1, 1)
    half = torch.cat([train[:200], torch.rand(200, 1, 8, 8)])
    found = memorisation(half, real, train)
    assert (found["copies"], found["auroc"]) == (0.5, 0.5)


def test_new_real_images_are_as_far_as_held_out_ones():
    """Within 4 standard errors: of Mann and Whitney's statistic, and of a share of 1 %."""
    (train, _), (real, _) = DIGITS.train.floats(), DIGITS.test.floats()
    order = torch.randperm(len(real))
    n = len(real) // 2
    found = memorisation(real[order[:n]], real[order[n:]], train)
    assert found["auroc"] == pytest.approx(0.5, abs=4 * ((2 * n + 1) / (12 * n * n)) ** 0.5)
    assert found["copies"] <= 0.01 + 4 * (2 * 0.01 / n) ** 0.5
    assert found["l2"] == pytest.approx(found["l2_real"], rel=0.1)


def test_figures_are_those_of_the_distances():
    x, real, train = (s * torch.rand(n, 1, 1, 1) for s, n in ((0.8, 50), (1, 300), (0.8, 9)))
    x[:5] = real[:5]  # ties
    d, d_real = ((v.flatten()[:, None] - train.flatten()).abs().amin(1) for v in (x, real))
    below = (d[:, None] < d_real).double() + 0.5 * (d[:, None] == d_real).double()
    net = torch.nn.Flatten()
    subject = Subject(net, real, torch.zeros(300, dtype=torch.int64), samples=x, train=train)
    assert metrics.find("nearest")(subject) == {
        "nearest_l2": pytest.approx(float(d.mean()), rel=1e-5),
        "nearest_l2_real": pytest.approx(float(d_real.mean()), rel=1e-5),
        "nearest_copies": pytest.approx(float((d <= d_real.quantile(0.01)).float().mean())),
        "nearest_auroc": pytest.approx(float(below.mean()), rel=1e-5),
    }


@pytest.mark.usefixtures("unchecked")
def test_what_cannot_be_compared_is_refused():
    x, train = torch.rand(4, 1, 8, 8), torch.rand(9, 1, 8, 8)
    for images, others, settings, said in (
        (x[:0], train, {"k": 1}, "no image"),
        (x, train[:0], {"k": 1}, "no image"),
        (x, train[:, :, :4], {"k": 1}, "do not compare"),
        (x / 0, train, {"k": 1}, "finite"),
        (255 * x, train, {"k": 1}, "divide uint8 pixels by 255"),
        (x, 2 * train - 1, {"k": 1}, r"\(x \+ 1\) / 2 takes"),
        (x, train, {"k": 0}, "1 to 9 nearest"),
        (x, train, {"k": 10}, "1 to 9 nearest"),
        (x, train, {"k": 1, "distance": "cosine"}, "unknown distance 'cosine'"),
    ):
        with pytest.raises(ValueError, match=f"^.*{said}[^\n]*$"):
            nearest(images, others, **settings)
