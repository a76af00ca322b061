"""The common corruptions have their published constants, and the metric is accuracy on them."""

import math
from importlib import import_module
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from skimage.color import hsv2rgb, rgb2hsv
from torch import nn

from jeat._support.progress import listening
from jeat.data.corruptions import KINDS, SEVERITIES, corrupted, possible_kinds, published_size
from jeat.metrics import DoubtWarning, Subject, accuracy

from .conftest import DIGITS

weather = import_module("jeat.data.corruptions.weather")
filters = import_module("jeat.data.corruptions._filters")
module = import_module("jeat.metrics.corruptions")
NOISE = ("gaussian_noise", "shot_noise", "impulse_noise")
SIDES = (32, 64, 224)


@pytest.fixture(autouse=True, scope="module")
def photographs(tmp_path_factory):
    """Stand-ins for the photographs of frost, of their sizes."""
    place, rng = tmp_path_factory.mktemp("frost"), np.random.default_rng(0)
    files = []
    for i, (height, width) in enumerate(
        [(600, 900), (315, 560), (350, 527), (495, 660), (323, 485)]
    ):
        files.append(place / f"frost{i + 1}.png")
        Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)).save(files[-1])
    patch = pytest.MonkeyPatch()
    for name in ("jeat.data.corruptions.weather", "jeat.data.corruptions"):
        patch.setattr(import_module(name), "photographs", lambda: files)
    yield
    patch.undo()


def smooth(n, channels, height, width):
    """Images with structure, of 8 bits."""
    rng = np.random.default_rng(1)
    x = ndimage.gaussian_filter(rng.standard_normal((n, channels, height, width)), (0, 0, 2, 2))
    x = (x - x.min()) / (x.max() - x.min())
    return torch.from_numpy(np.round(x * 255) / 255).float()


def distance(x, kind, severity):
    return float((corrupted(x, kind, severity) - x).square().mean())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 32, 32), (3, 24, 40), (1, 8, 8)])
def test_images_stay_images(kind, shape):
    x = smooth(3, *shape)
    for severity in SEVERITIES:
        found = corrupted(x, kind, severity)
        assert found.shape == x.shape
        assert found.dtype == x.dtype
        assert 0 <= found.min() <= found.max() <= 1
        levels = found * 255
        assert torch.allclose(levels, levels.round(), atol=1e-3)
    assert not torch.equal(found, x)


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_says_what_is_drawn(kind):
    x = smooth(4, 3, 32, 32)
    torch.manual_seed(0)
    first, state = corrupted(x, kind, 3, seed=1), torch.get_rng_state()
    torch.manual_seed(5)
    assert torch.equal(first, corrupted(x, kind, 3, seed=1))
    torch.manual_seed(0)
    assert torch.equal(torch.get_rng_state(), state)
    drawn = kind in (
        *NOISE,
        "glass_blur",
        "motion_blur",
        "snow",
        "frost",
        "fog",
        "elastic_transform",
    )
    assert torch.equal(first, corrupted(x, kind, 3, seed=2)) != drawn


def test_pieces_make_no_difference(monkeypatch):
    x = smooth(6, 3, 32, 32)
    whole = {k: corrupted(x, k, 2) for k in ("contrast", "jpeg_compression", "brightness")}
    monkeypatch.setattr(import_module("jeat.data.corruptions"), "_PIXELS", 7000)
    for kind, found in whole.items():
        assert torch.equal(corrupted(x, kind, 2), found)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("kind", NOISE)
def test_noise_grows_with_severity(kind, side):
    x = smooth(1, 3, side, side)
    found = [distance(x, kind, s) for s in SEVERITIES]
    assert found == sorted(found)
    assert found[0] > 0


@pytest.mark.parametrize("kind", ["contrast", "brightness", "pixelate", "jpeg_compression", "fog"])
def test_so_do_others_on_the_whole(kind):
    x = smooth(20, 3, 32, 32)
    found = [distance(x, kind, s) for s in SEVERITIES]
    assert found == sorted(found)


@pytest.mark.parametrize(
    ("side", "sigmas", "photons", "shares"),
    [
        (32, (0.04, 0.06, 0.08, 0.09, 0.1), (500, 250, 100, 75, 50), (.01, .02, .03, .05, .07)),
        (64, (0.04, 0.08, 0.12, 0.15, 0.18), (250, 100, 50, 30, 15), (.01, .02, .05, .08, .14)),
        (224, (0.08, 0.12, 0.18, 0.26, 0.38), (60, 25, 12, 5, 3), (0.03, 0.06, 0.09, 0.17, 0.27)),
    ],
)  # fmt: skip
def test_noise_has_the_published_strength_on_grey(side, sigmas, photons, shares):
    """Sigma by the share within one deviation, photons by how often there is none."""
    x = torch.full((200_000 // side**2 + 1, 3, side, side), 127 / 255)
    n = x.numel()
    for severity, sigma, c, share in zip(SEVERITIES, sigmas, photons, shares, strict=True):
        within = ((corrupted(x, "gaussian_noise", severity) - x).abs() <= sigma).float().mean()
        level = 0.242 / (255 * sigma) + 4 * math.sqrt(0.25 / n)  # a level of 8 bits, chance
        assert abs(float(within) - math.erf(math.sqrt(0.5))) < level
        shot = corrupted(x, "shot_noise", severity)
        dark = math.exp(-c * 127 / 255)  # no photon at all
        assert abs(float((shot == 0).float().mean()) - dark) < 4 * math.sqrt(dark / n) + 1e-4
        if c >= 25:  # hardly any is clipped
            assert float(shot.var()) == pytest.approx(127 / 255 / c, rel=0.03)
        hit = corrupted(x, "impulse_noise", severity)
        for value in (0, 1):
            part = float((hit == value).float().mean())
            assert abs(part - share / 2) < 4 * math.sqrt(share / 2 / n)


@pytest.mark.parametrize(
    ("side", "contrasts", "shifts"),
    [
        (32, (0.75, 0.5, 0.4, 0.3, 0.15), (0.05, 0.1, 0.15, 0.2, 0.3)),
        (64, (0.4, 0.3, 0.2, 0.1, 0.05), (0.1, 0.2, 0.3, 0.4, 0.5)),
        (224, (0.4, 0.3, 0.2, 0.1, 0.05), (0.1, 0.2, 0.3, 0.4, 0.5)),
    ],
)
def test_contrast_and_brightness_are_the_formulas(side, contrasts, shifts):
    x = smooth(2, 3, side, side)
    pixels = x.movedim(1, 3).double().numpy()
    for severity, factor, shift in zip(SEVERITIES, contrasts, shifts, strict=True):
        mean = pixels.mean((1, 2), keepdims=True)
        _near(corrupted(x, "contrast", severity), mean + factor * (pixels - mean))
        hsv = rgb2hsv(pixels)
        hsv[..., 2] = np.clip(hsv[..., 2] + shift, 0, 1)
        _near(corrupted(x, "brightness", severity), hsv2rgb(hsv))


def _near(found, pixels):
    """Equal, but for a level of 8 bits where fp32 falls on its other side."""
    expected = np.floor(pixels.clip(0, 1) * 255 + 1e-6)
    off = np.abs((found.movedim(1, 3).double().numpy() * 255).round() - expected)
    assert off.max() <= 1
    assert off.mean() < 0.02


@pytest.mark.parametrize(
    ("side", "scales", "qualities"),
    [
        (32, (0.95, 0.9, 0.85, 0.75, 0.65), (80, 65, 58, 50, 40)),
        (64, (0.9, 0.8, 0.7, 0.6, 0.5), (65, 58, 50, 40, 25)),
        (224, (0.6, 0.5, 0.4, 0.3, 0.25), (25, 18, 15, 10, 7)),
    ],
)
def test_few_pixels_and_jpeg_are_pillows(side, scales, qualities):
    x = smooth(1, 3, side, side)
    image = Image.fromarray((x[0].movedim(0, 2) * 255).round().byte().numpy())
    for severity, scale, quality in zip(SEVERITIES, scales, qualities, strict=True):
        small = image.resize((int(side * scale),) * 2, Image.Resampling.BOX)
        back = np.asarray(small.resize((side, side), Image.Resampling.BOX))
        assert np.array_equal(_levels(corrupted(x, "pixelate", severity)), back)
        file = BytesIO()
        image.save(file, "JPEG", quality=quality)
        back = np.asarray(Image.open(file))
        assert np.array_equal(_levels(corrupted(x, "jpeg_compression", severity)), back)


def _levels(x):
    return (x[0].movedim(0, 2) * 255).round().byte().numpy()


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("sigma", [0.0, 0.05, 0.4, 2.0, 30.0])
def test_smoothing_is_scipys(sigma, mirrored):
    x = smooth(2, 1, 20, 13)
    mode = "reflect" if mirrored else "nearest"
    expected = ndimage.gaussian_filter(x.numpy(), (0, 0, sigma, sigma), mode=mode, truncate=3)
    found = filters.gaussian(x, sigma, truncate=3, mirrored=mirrored)
    assert np.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("factor", [1.0, 1.03, 1.26, 2.5, 4.5])
def test_zooming_is_scipys(factor):
    x = smooth(1, 1, 32, 32)
    inside = math.ceil(32 / factor)
    top = (32 - inside) // 2
    part = x[0, 0, top : top + inside, top : top + inside].numpy()
    large = ndimage.zoom(part, factor, order=1)
    trim = (len(large) - 32) // 2
    expected = large[trim : trim + 32, trim : trim + 32]
    assert np.allclose(filters.clipped_zoom(x, factor)[0, 0], expected, atol=1e-5)


def test_a_disk_out_of_focus_has_its_radius():
    """Its second moment is that of a flat disk, r^2 / 2, and of the Gaussian at its edge."""
    for radius in (3, 6, 10):
        kernel = filters.disk(radius, 0.1).double()
        k = torch.arange(len(kernel)) - len(kernel) // 2
        assert float(kernel.sum()) == pytest.approx(1)
        moment = float((kernel * (k[:, None] ** 2 + k**2)).sum())
        assert moment == pytest.approx(radius**2 / 2, rel=0.06)
    small = filters.disk(0.3, 0.4)  # one pixel, smoothed by three
    weights = torch.tensor([math.exp(-0.5 / 0.16), 1, math.exp(-0.5 / 0.16)])
    assert torch.allclose(small, torch.outer(weights, weights) / weights.sum() ** 2)


def test_streaks_run_along_their_angle():
    point = torch.zeros(3, 1, 41, 41)
    point[:, :, 20, 20] = 1
    angle = torch.deg2rad(torch.tensor([0.0, 90.0, -45.0]))
    right, down, up = filters.streaked(point, angle, 6, 3.0)[:, 0]
    weights = torch.exp(-0.5 * (torch.arange(13) / 3.0) ** 2)
    weights = (weights / weights.sum() * 255).round() / 255
    assert torch.allclose(right[20, 8:21].flip(0), weights)  # each pixel looks ahead
    assert torch.allclose(down[8:21, 20].flip(0), weights)
    assert right[:20].sum() == right[21:].sum() == down[:, :20].sum() == 0
    rows, columns = up.nonzero().T
    assert torch.equal(rows - 20, 20 - columns)


def test_fog_is_a_convex_mix_that_keeps_the_brightest_value():
    """(x + a h) m / (m + a) of a flat image lies in [m^2 / (m + a), m] and reaches both."""
    x = torch.full((5, 3, 32, 32), 0.6)
    for severity, amount in zip(SEVERITIES, (0.2, 0.5, 0.75, 1, 1.5), strict=True):
        found = corrupted(x, "fog", severity)
        for image in found:
            assert float(image.max()) == pytest.approx(0.6, abs=1 / 255)
            assert float(image.min()) == pytest.approx(0.36 / (0.6 + amount), abs=1 / 255)


def test_glass_takes_pixels_from_nearby():
    """At sigma 0.05 nothing is smoothed: each value is one of the eight around, or its own."""
    x = smooth(2, 3, 32, 32)
    found = corrupted(x, "glass_blur", 1)
    shifted = torch.stack([x.roll((i, j), (2, 3)) for i in (0, 1) for j in (0, 1)])
    rows = slice(2, 30)
    inside = (found - shifted).abs()[..., rows, rows].sum(2)
    two_steps = torch.stack([x.roll((i, j), (2, 3)) for i in range(-2, 3) for j in range(-2, 3)])
    assert ((found - two_steps).abs().sum(2) < 1e-4).any(0)[:, rows, rows].all()
    assert (inside < 1e-4).any(0).float().mean() > 0.9
    assert not torch.equal(found, x)


def test_elastic_of_severity_one_is_affine_and_the_last_is_not():
    """An image linear in its column stays a plane under an affine map, away from the edge."""
    ramp = (torch.arange(64.0) / 64).expand(20, 1, 64, 64)
    inside = slice(24, 40)
    at = torch.cartesian_prod(*[torch.arange(16.0)] * 2)
    plane = torch.cat([at, torch.ones(256, 1)], 1)

    def bent(severity):
        found = corrupted(ramp, "elastic_transform", severity)[..., inside, inside].flatten(1).T
        return float((found - plane @ torch.linalg.lstsq(plane, found).solution).std())

    assert bent(1) < 1 / 255  # of rounding to 8 bits
    assert bent(5) > 4 * bent(1)


def test_frost_adds_a_photograph(monkeypatch):
    """a x + b p, on photographs of one value."""
    monkeypatch.setattr(weather, "_scaled", lambda *a: torch.full((3, 80, 90), 0.5))
    x = torch.full((2, 3, 32, 32), 51 / 255)
    for severity, (a, b) in zip(
        SEVERITIES, [(1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)], strict=True
    ):
        found = corrupted(x, "frost", severity)
        assert torch.allclose(found, torch.tensor(a * 0.2 + b * 0.5), atol=1.01 / 255)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 224, 224), (3, 700, 130)])
def test_a_photograph_is_large_enough_for_any_image(shape):
    """Where it is too small at its published scale, it is enlarged."""
    for severity in (1, 5):
        assert corrupted(smooth(1, *shape), "frost", severity).shape == (1, *shape)


def test_snow_whitens_and_its_flakes_lie_in_both_halves():
    x = torch.full((50, 1, 32, 32), 0.2)
    means = [float(corrupted(x, "snow", s).mean()) for s in (1, 3, 5)]
    assert means == sorted(means)
    flakes = corrupted(x, "snow", 1)
    assert torch.allclose(flakes, flakes.flip(2, 3), atol=1.01 / 255)  # with its half turn


def test_constants_are_of_the_nearest_published_size():
    sides = {8: 32, 28: 32, 32: 32, 45: 32, 46: 64, 96: 64, 119: 64, 120: 224, 512: 224}
    assert {side: published_size(side, 2 * side) for side in sides} == sides


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("x", "kind", "severity", "said"),
    [
        (torch.rand(1, 3, 32, 32), "rain", 1, "unknown corruption 'rain': they are gaussian"),
        (torch.rand(1, 3, 32, 32), "fog", 6, "severities are 1 to 5, got 6"),
        (torch.rand(1, 3, 7, 32), "fog", 1, "at least 8 pixels a side, got 3 x 7 x 32"),
        (torch.rand(1, 4, 32, 32), "fog", 1, "of 1 or 3 channels"),
        (torch.full((1, 3, 32, 32), 2.0), "fog", 1, r"\[0, 1\]"),
        (torch.full((1, 3, 32, 32), torch.nan), "fog", 1, "finite"),
    ],
)  # fmt: skip
def test_what_cannot_be_corrupted_is_said(x, kind, severity, said):
    with pytest.raises(ValueError, match=said):
        corrupted(x, kind, severity)


class Bright(nn.Module):
    """Class 1 where the mean is above one half."""

    def forward(self, x):
        mean = x.mean((1, 2, 3))
        return torch.stack([1 - mean, mean], 1)


@pytest.fixture
def bright():
    x = torch.rand(40, 3, 32, 32) * 0.5 + torch.linspace(0, 0.5, 40).view(-1, 1, 1, 1)
    return Subject(Bright(), x, (x.mean((1, 2, 3)) > 0.5).long())


def test_a_corruption_of_nothing_leaves_the_accuracy(monkeypatch, bright):
    monkeypatch.setattr(module, "corrupted", lambda x, *_, **__: x)
    flipped = Subject(bright.net, bright.x, bright.y.where(torch.arange(40) > 9, 1 - bright.y))
    found = module.measure(flipped)
    assert len(found) == len(KINDS) + 2
    clean = accuracy(flipped.net, flipped.x, flipped.y)
    assert clean == 0.75
    images = found.pop("corruption_images")
    assert (images, set(found.values())) == (40, {clean})


def test_it_is_the_mean_of_accuracies_over_severities(bright):
    net, x, y = bright.net, bright.x, bright.y
    found = module.measure(bright, kinds="brightness+contrast", severities="1+5")
    expected = {
        kind: sum(accuracy(net, corrupted(x, kind, s), y) for s in (1, 5)) / 2
        for kind in ("brightness", "contrast")
    }
    assert expected["brightness"] < 1
    assert found["corruption_brightness"] == pytest.approx(expected["brightness"])
    assert found["corruption_contrast"] == pytest.approx(expected["contrast"])
    assert found["corruption_accuracy_of_2"] == pytest.approx(sum(expected.values()) / 2)
    assert found == module.measure(bright, kinds="contrast+brightness", severities="5+1+5")


def test_the_net_runs_in_eval_mode_and_fp32(net):
    x, y = DIGITS.test.floats(8)
    net.train()
    seen = []
    hook = net[-1].register_forward_hook(lambda m, i, out: seen.append((m.training, out.dtype)))
    with torch.autocast("cpu", torch.bfloat16):
        module.measure(Subject(net, x, y), kinds="fog", severities="1")
    hook.remove()
    assert set(seen) == {(False, torch.float32)}
    assert net.training


def test_only_the_fifteen_at_five_severities_have_the_mean_of_the_fifteen(bright):
    assert "corruption_accuracy" in module.measure(bright, images=3)
    assert "corruption_accuracy_of_15" in module.measure(bright, images=3, severities="1+2")


def test_frost_is_left_out_by_name_where_it_has_no_photographs(monkeypatch, bright):
    monkeypatch.undo()
    monkeypatch.setattr(weather, "_PACKAGE", "no_such_package_of_photographs")
    place = import_module("jeat.data.corruptions")
    monkeypatch.setattr(place, "photographs", weather_photographs)
    assert set(KINDS) - set(possible_kinds()) == {"frost"}
    with pytest.warns(DoubtWarning, match="14 of the 15, without frost"):
        found = module.measure(bright, images=3)
    assert "corruption_accuracy_of_14" in found
    assert "corruption_accuracy" not in found
    with pytest.raises(ValueError, match=r"pip install 'jeat\[corruptions\]'"):
        module.check({"kinds": "fog+frost"})


weather_photographs = weather.photographs  # before a fixture stands in for it


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kinds": "mist"}, "unknown corruption 'mist'"),
        ({"severities": "0+1"}, "severities are some of 1 to 5, as 1.3.5, got '0.1'"),
        ({"images": 0}, "at least 1 image"),
        ({"seed": -1}, "seed must be a whole number of at least 0, got -1"),
    ],
)
def test_wrong_settings_are_said(settings, said, bright):
    with pytest.raises(ValueError, match=said):
        module.measure(bright, **settings)


def test_digits_can_be_corrupted(net):
    x, y = DIGITS.test.floats(20)
    found = module.measure(Subject(net, x, y), severities="3")
    assert all(0 <= v <= 1 for k, v in found.items() if k != "corruption_images")


def test_the_bar_ends_full(bright):
    told = []
    with listening(lambda *now: told.append(now)):
        module.measure(bright, kinds="brightness+contrast", severities="1")
    assert [now[1:3] for now in told] == [(0, 2), (1, 2), (2, 2)]
