"""What a flag says reaches the library: images and figures are those of the call it names."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import jeat
from jeat.attacks import pgd
from jeat.checkpoint import save_net
from jeat.cli import main
from jeat.metrics import robust_accuracy
from jeat.nets import Spec, build
from jeat.recipes import digits as recipe
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
    """The picture of ``jeat sample``, and that of the same call of :func:`jeat.sample`."""
    words = ["--class", "7", "2", "-n", "3", *flags({"seed": seed} | settings)]
    assert main(["sample", file, str(tmp_path / "x.png"), *words]) == 0
    net = jeat.load(file)
    torch.manual_seed(seed)
    images = jeat.sample(net, torch.tensor([7, 7, 7, 2, 2, 2]), **settings)
    known = jeat.report.grid(images, columns=3)
    return np.asarray(Image.open(tmp_path / "x.png")), np.asarray(known)


@pytest.mark.parametrize("energy", ["joint", "cross-entropy"])
def test_sample_descends_the_energy_of_its_flag(file, tmp_path, energy):
    picture, known = drawn(file, tmp_path, steps=20, energy=energy)
    assert np.array_equal(picture, known)


def test_the_two_energies_draw_other_images(file, tmp_path):
    joint, _ = drawn(file, tmp_path, steps=20, energy="joint")
    cross_entropy, _ = drawn(file, tmp_path, steps=20, energy="cross-entropy")
    assert not np.array_equal(joint, cross_entropy)


# Recipe

SEED = 4
PGD_20 = {"eps": 0.1, "steps": 20, "step_size": 0.025, "norm": "linf", "loss": "ce"}
METHODS = ["normal", "noise", "at"]
EQ_17 = {"steps": 150, "step_size": 0.25, "noise": 0.01, "energy": "joint"}
IN_ROWS = torch.arange(10).repeat_interleave(10)


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory):
    """The recipe's folder: three of its methods, on a small net, without Fisher scores."""

    def few(out, *, seed):
        def plan(p):
            o = replace(p.optimisation, epochs=3, lr=0.01, evaluate_images=10)
            return replace(p, net="convnet-8", optimisation=o)

        return {method: plan(plans(out, seed=seed)[method]) for method in METHODS}

    plans, out = recipe.plans, tmp_path_factory.mktemp("recipe") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "plans", few)
        patch.setattr(recipe, "fisher_scores", lambda subject: {"jfs": 0.0, "mfs": 0.0})
        assert main(["reproduce", "digits", "--out", str(out), "--seed", str(SEED)]) == 0
    return out


def under_attack(out, *, seed=SEED, **other):
    """A method each: accuracy by the recipe's protocol, or by another."""
    (x, y), found = DIGITS.test.floats(), []
    for net in [jeat.load(out / method) for method in METHODS]:
        torch.manual_seed(seed)
        found.append(robust_accuracy(net, x, y, **PGD_20 | other))
    return found


def test_the_recipes_pgd_20_is_robust_accuracy_by_its_protocol(reproduced):
    results = json.loads((reproduced / "results.json").read_text())
    assert results["protocol"]["attack"] == PGD_20 | {"random_start": True}
    assert [row["PGD-20"] for row in results["rows"]] == under_attack(reproduced)


@pytest.mark.parametrize(
    "other",
    [{"eps": 8 / 255}, {"steps": 10}, {"step_size": 2 / 255}, {"norm": "l2"}, {"loss": "energy"},
     {"seed": 0}],
    ids=lambda other: next(iter(other)),
)  # fmt: skip
def test_another_protocol_gives_other_figures(reproduced, other):
    results = json.loads((reproduced / "results.json").read_text())
    assert [row["PGD-20"] for row in results["rows"]] != under_attack(reproduced, **other)


def grid_of(out, labels):
    net = jeat.load(out)
    torch.manual_seed(SEED)
    return np.asarray(jeat.report.grid(jeat.sample(net, labels, **EQ_17), columns=10))


@pytest.mark.parametrize("method", METHODS)
def test_the_recipes_grid_is_ten_images_of_each_digit_in_order(reproduced, method):
    picture = np.asarray(Image.open(reproduced / f"{method}.png"))
    assert np.array_equal(picture, grid_of(reproduced / method, IN_ROWS))


def test_labels_in_columns_give_another_grid(reproduced):
    rows, columns = (grid_of(reproduced / "at", y) for y in (IN_ROWS, torch.arange(10).repeat(10)))
    assert not np.array_equal(rows, columns)
