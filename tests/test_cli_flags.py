"""What a flag says reaches the library: images and figures are those of the call it names."""

from pathlib import Path

import numpy as np
import pytest
import torch

import jeat
from jeat.attacks import pgd
from jeat.cli import main
from jeat.cli.curve import _parser as curve_parser
from jeat.nets import Spec, build, save_net
from jeat.samplers import Uniform

from .conftest import DIGITS


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """The file of an untrained net."""
    path = tmp_path_factory.mktemp("net") / "net.safetensors"
    torch.manual_seed(0)
    about = {"plan": {"data": "digits"}}
    save_net(build(Spec("convnet-4", 1, 8, DIGITS.classes)), Uniform((1, 8, 8)), path, about=about)
    return str(path)


def flags(settings):
    return [word for name, value in settings.items() for word in (f"--{name}", str(value).lower())]


# Attack

DEFAULTS = {
    "eps": 8 / 255, "steps": 20, "step_size": 2 / 255, "norm": "linf", "loss": "ce",
    "random_start": True,
}  # fmt: skip
SETTINGS = {
    "none": {},
    "eps": {"eps": 0.1},
    "steps": {"steps": 3},
    "step_size": {"step_size": 0.001},
    "norm": {"norm": "l2", "eps": 0.5, "step_size": 0.1},
    "loss": {"loss": "energy"},
    "random_start": {"random_start": False},
    "seed": {"seed": 6},
    "all": {"eps": 0.3, "steps": 2, "step_size": 0.2, "norm": "l2", "loss": "energy",
            "random_start": False},
}  # fmt: skip


def attacked(file, *, seed=5, **settings):
    net, (x, y) = jeat.load(file), DIGITS.test.floats(30)
    torch.manual_seed(seed)
    return pgd(net, x, y, **DEFAULTS | settings)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_attack_saves_the_images_of_pgd_with_the_settings_of_its_flags(file, tmp_path, settings):
    words = ["-n", "30", *flags({"seed": 5} | settings), "--out", str(tmp_path / "adv.npz")]
    assert main(["attack", file, *words]) == 0
    with np.load(tmp_path / "adv.npz") as saved:
        assert np.array_equal(saved["images"], attacked(file, **settings).numpy())
        assert np.array_equal(saved["labels"], DIGITS.test.floats(30)[1].numpy())


def test_no_two_of_these_attacks_are_the_same(file):
    images = [attacked(file, **settings) for settings in SETTINGS.values()]
    assert not any(torch.equal(a, b) for i, a in enumerate(images) for b in images[:i])


# Sample


def drawn(file, tmp_path, *, seed=5, **settings):
    """The images of ``jeat sample``, and those of the same call of :func:`jeat.sample`."""
    words = ["--class", "7", "2", "-n", "3", *flags({"seed": seed} | settings)]
    assert main(["sample", file, str(tmp_path / "x.npz"), *words]) == 0
    net = jeat.load(file)
    torch.manual_seed(seed)
    images = jeat.sample(net, torch.tensor([7, 7, 7, 2, 2, 2]), **settings)
    known = (images[:, 0] * 255).round().byte().numpy()
    return np.load(tmp_path / "x.npz")["images"], known


@pytest.mark.parametrize("energy", ["joint", "cross-entropy"])
def test_sample_descends_the_energy_of_its_flag(file, tmp_path, energy):
    picture, known = drawn(file, tmp_path, steps=20, energy=energy)
    assert np.array_equal(picture, known)


def test_the_two_energies_draw_other_images(file, tmp_path):
    joint, _ = drawn(file, tmp_path, steps=20, energy="joint")
    cross_entropy, _ = drawn(file, tmp_path, steps=20, energy="cross-entropy")
    assert not np.array_equal(joint, cross_entropy)


FEW = [0.0, 2 / 255, 4 / 255]


@pytest.mark.parametrize("words", [["--eps", "0", "2/255", "4/255"], ["--config", "eps.yaml"]])
def test_every_word_of_a_flag_of_several_numbers_may_be_a_fraction(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("eps.yaml").write_text("eps: [0, 2/255, 4/255]")
    args = curve_parser([]).parse(["3/4", "c.png", *words])
    assert (args.nets, args.eps) == (["3/4"], FEW)


def test_one_number_in_yaml_is_a_list_of_one(tmp_path):
    file = tmp_path / "eps.yaml"
    file.write_text("eps: 8/255")
    args = curve_parser([]).parse(["run", "c.png", "--config", str(file)])
    assert args.eps == [8 / 255]
