"""Few labels, and unlabelled images in the p(x) term: what sees which, and what never does."""

import json
from functools import partial

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import jeat
from jeat._support.checks import SettingError
from jeat._support.reading import Reading
from jeat.attacks import pgd
from jeat.cli import main
from jeat.data import Batch, Data, Images, load_data
from jeat.energy import marginal_energy
from jeat.objectives import complete, cost_of, make
from jeat.runs.fit import fit
from jeat.samplers import ClassGaussian, start_of
from jeat.training.plan import Optimisation, Plan

from .conftest import DIGITS
from .test_objectives import gradients, inputs_of, restart
from .test_run import assert_same_run

SMALL = {"steps": 2, "buffer_size": 40, "unlabelled": "digits"}
OWN = {
    "jem": {"input_noise": 0.0}, "jeat": {}, "eb_jdat": {}, "sada_jem": {"positives": 16},
}  # fmt: skip
every_method = pytest.mark.parametrize("method", OWN)


# Few labels


def rows(images):
    return [(x.numpy().tobytes(), int(y)) for x, y in zip(images.x, images.y, strict=True)]


@pytest.mark.parametrize("n", [1, 10])
def test_n_images_of_each_class_are_trained_on_and_the_test_split_is_whole(n):
    few = load_data("digits", labels_per_class=n)
    assert few.train.y.bincount().tolist() == [n] * 10
    assert {*rows(few.train)} <= {*rows(DIGITS.train)}
    assert len({*rows(few.train)}) == 10 * n
    assert torch.equal(few.test.x, DIGITS.test.x)
    assert torch.equal(few.test.y, DIGITS.test.y)
    assert few.classes == DIGITS.classes


def test_the_same_images_are_chosen_whatever_the_seed_and_fewer_are_among_more():
    few = load_data("digits?labels_per_class=10")
    torch.manual_seed(7)
    np.random.seed(7)
    assert load_data("digits", labels_per_class=10).digest() == few.digest() != DIGITS.digest()
    more = load_data("digits", labels_per_class=40)
    assert {*rows(few.train)} < {*rows(more.train)}


def test_images_are_drawn_at_random_within_a_class():
    """The mean rank of n of N is (N - 1) / 2, with variance (N^2 - 1) / 12 n (N - n) / (N - 1)."""
    few, n = load_data("digits", labels_per_class=20), 20
    for k in range(10):
        of_class = DIGITS.train.x[DIGITS.train.y == k].flatten(1)
        N = len(of_class)
        chosen = few.train.x[few.train.y == k].flatten(1)
        ranks = [int((of_class == x).all(1).nonzero()[0]) for x in chosen]
        error = ((N * N - 1) / 12 / n * (N - n) / (N - 1)) ** 0.5
        assert abs(np.mean(ranks) - (N - 1) / 2) < 4 * error
        assert len({*np.diff(sorted(ranks))}) > 2  # not evenly


def test_the_number_of_labels_is_part_of_the_name():
    assert Reading(labels_per_class=10).of("x") == "x?labels_per_class=10"
    assert Reading(size=8, labels_per_class="4") == Reading("8", labels_per_class=4)


def test_images_are_brought_to_one_size_and_labels_left_out_whatever_holds_the_data(tmp_path):
    x, y = DIGITS.train.x[:200].numpy(), DIGITS.train.y[:200].numpy()
    np.savez(tmp_path / "a.npz", images=x, labels=y)
    named = load_data(f"{tmp_path / 'a.npz'}?size=6&labels_per_class=3")
    held = load_data((torch.from_numpy(x), torch.from_numpy(y)), size=6, labels_per_class=3)
    assert named.shape == (1, 6, 6)
    assert len(named.train) == 30
    assert torch.equal(named.train.x, held.train.x)


def test_decoded_images_are_kept_once_whatever_the_number_of_labels(tmp_path, monkeypatch):
    from PIL import Image

    monkeypatch.setenv("JEAT_CACHE", str(tmp_path / "cache"))
    for i in range(40):
        place = tmp_path / "set" / "ab"[i % 2] / f"{i}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(DIGITS.train.x[i, 0].numpy()).save(place)
    sizes = [len(load_data(tmp_path / "set", labels_per_class=n).train) for n in (1, 5, None)]
    assert sizes == [2, 10, 36]
    assert len([*(tmp_path / "cache").iterdir()]) == 1


def test_a_class_of_fewer_images_is_refused_by_name():
    y = DIGITS.train.y
    few = Images(DIGITS.train.x[(y != 3) | (y.cumsum(0) < 100)], y[(y != 3) | (y.cumsum(0) < 100)])
    n = int((few.y == 3).sum())
    with pytest.raises(ValueError, match=rf"class '3' of .* has {n} training images, fewer than"):
        load_data(Data(few, DIGITS.test, DIGITS.classes), labels_per_class=n + 1)


def test_starts_of_chains_are_fitted_to_labelled_images_alone():
    few = load_data("digits", labels_per_class=5)
    start = start_of("gaussian", few)
    x, y = few.train.x, few.train.y
    expected = ClassGaussian.fit(x, y, classes=10, grain=start.grain)
    assert torch.equal(start.mean, expected.mean)


# Unlabelled images


def objective_of(method, **settings):
    return make(method, restart, SMALL | OWN[method] | settings)


def batch_of(digits, x_u, y_u, **how):
    """Labelled images and others, in the branch of whichever objective."""
    other = Batch(x_u, y_u)
    return Batch(*digits, others={"unlabelled": other, "positives": other}, **how)


@pytest.fixture
def u():
    return DIGITS.train.x[100:116].float() / 255


def found(method, net, batch, **settings):
    """Loss and metrics, and what the loss's own passes see."""
    torch.manual_seed(3)
    with inputs_of(net) as seen:
        loss, metrics = objective_of(method, **settings)(net, batch)
    return loss, metrics, [x for x, training in seen if training]


@every_method
def test_labels_of_unlabelled_images_are_in_no_loss_gradient_or_metric(
    method, smooth_net, digits, u
):
    results = []
    for y_u in (torch.arange(16) % 10, (torch.arange(16) + 5) % 10, torch.full((16,), 999)):
        loss, metrics, _ = found(method, smooth_net, batch_of(digits, u, y_u))
        results.append((loss, gradients(loss, smooth_net), metrics))
    for loss, gradient, metrics in results[1:]:
        assert torch.equal(loss, results[0][0])
        assert torch.equal(gradient, results[0][1])
        assert metrics.keys() == results[0][2].keys()
        assert all(torch.equal(v, results[0][2][k]) for k, v in metrics.items())


@every_method
def test_the_p_x_term_is_of_unlabelled_images_and_the_others_of_labelled_ones(
    method, smooth_net, digits, u
):
    """The loss and its gradient are the formula's; cross-entropy's part is at labelled images."""
    y = digits[1]
    batch = batch_of(digits, u, torch.full((16,), 999), logged=False)
    loss, metrics, seen = found(method, smooth_net, batch, w_px=0.6, w_l2=0.1)
    *labelled, x_u, x_neg = seen
    f = [smooth_net(x) for x in labelled]
    E, E_neg = (marginal_energy(smooth_net(x)) for x in (x_u, x_neg))
    clf = sum(F.cross_entropy(logits, y) for logits in f)
    if method == "eb_jdat":
        clf = clf + 0.1 * (marginal_energy(f[1]) - marginal_energy(f[0])).mean()
    expected = clf + 0.6 * (E.mean() - E_neg.mean()) + 0.1 * (E**2 + E_neg**2).mean()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(gradients(loss, smooth_net), gradients(expected, smooth_net))
    assert len(labelled) == 1 + (method == "eb_jdat")
    assert torch.equal(x_u, u) == (method != "jeat")
    assert all((x - digits[0]).abs().max() < 0.04 for x in labelled)  # eps and rounding
    torch.testing.assert_close(metrics["loss_px"], (E.mean() - E_neg.mean()).detach())


@every_method
def test_cross_entropy_does_not_move_with_unlabelled_images(method, smooth_net, digits, u):
    values = []
    for x_u in (u, u.flip(0), torch.rand_like(u)):
        _, metrics, _ = found(method, smooth_net, batch_of(digits, x_u, torch.arange(16) % 10))
        values.append([metrics[k] for k in ("loss_clf", "accuracy_clean", "E_clean")])
        values[-1].append(metrics["loss_px"])
    assert torch.equal(torch.stack(values[0][:3]), torch.stack(values[2][:3]))
    assert values[0][3] != values[2][3]


def test_x_adv_of_an_unlabelled_image_climbs_e_x_in_the_ball(smooth_net, digits, u):
    how = {"eps": 0.1, "attack_steps": 3, "ratio": 0.5}
    batch = batch_of(digits, u, torch.full((16,), 999))
    smooth_net.train()
    _, _, (x_adv, u_adv, _) = found("jeat", smooth_net, batch, **how)
    smooth_net.eval()
    torch.manual_seed(3)
    climb = partial(pgd, smooth_net, eps=0.1, steps=3, step_size=0.05)
    restart(40)  # the buffer's first states are drawn before
    assert torch.equal(x_adv, climb(*digits, loss="energy"))
    assert torch.equal(u_adv, climb(u, digits[1], loss=lambda f, y: marginal_energy(f)))
    assert (u_adv - u).abs().max() <= 0.1 + 1e-6
    assert (marginal_energy(smooth_net(u_adv)) > marginal_energy(smooth_net(u))).all()


@every_method
def test_without_unlabelled_images_nothing_else_is_seen(method, smooth_net, digits, u):
    """A batch that is there by chance is not looked at."""
    losses = []
    for x_u in (u, torch.rand_like(u)):
        batch = batch_of(digits, u if method == "sada_jem" else x_u, digits[1])
        losses.append(found(method, smooth_net, batch, unlabelled=None)[0])
    assert torch.equal(*losses)


@every_method
def test_the_cost_counts_the_passes_of_unlabelled_images(method, smooth_net, digits, u):
    passes = []
    smooth_net.train()
    smooth_net.register_forward_pre_hook(lambda m, x: passes.append(torch.is_grad_enabled()))
    objective_of(method)(smooth_net, batch_of(digits, u, digits[1], logged=False))
    cost = cost_of(method, complete(method, SMALL | OWN[method]))
    assert sum(passes) == cost.input_gradients + cost.training_passes


@every_method
def test_unlabelled_images_that_no_term_would_see_are_refused(method):
    with pytest.raises(SettingError, match="w_px and w_l2 are 0: leave them out"):
        objective_of(method, w_px=0.0)
    objective_of(method, w_px=0.0, w_l2=0.1)


# Runs


@every_method
def test_a_run_goes_on_with_the_same_unlabelled_images(method, tmp_path):
    o = Optimisation(epochs=1, batch_size=20, log_every=1, save_every=2, evaluate_images=10)
    plan = Plan(
        method, data="digits?labels_per_class=12", net="convnet-4", optimisation=o,
        objective=SMALL | OWN[method],
    )  # fmt: skip
    for _ in fit(plan, tmp_path / "whole"):
        pass
    for log in fit(plan, tmp_path / "run"):
        if log.iteration == 4:
            break
    for _ in fit(plan, tmp_path / "run", resume=True):
        pass
    assert_same_run(tmp_path / "run", tmp_path / "whole")


@pytest.mark.parametrize(("shape", "said"), [((9, 9), r"\(1, 9, 9\)"), ((8, 8, 3), r"\(3, 8, 8\)")])
def test_unlabelled_images_of_another_shape_are_refused_in_one_line(shape, said, tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (60, *shape), dtype=np.uint8)
    np.savez(tmp_path / "u.npz", images=x, labels=np.arange(60) % 3)
    unlabelled = SMALL | {"unlabelled": str(tmp_path / "u.npz")}
    plan = Plan("jem", objective=unlabelled, optimisation=Optimisation(batch_size=20))
    with pytest.raises(ValueError, match=f"images of unlabelled are {said}") as error:
        next(fit(plan, tmp_path / "run"))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("flag", ["--unlabelled", "--objective.unlabelled"])
def test_the_command_trains_on_few_labels_and_its_record_says_so(
    flag, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    words = [
        "train", "jem", "--data", "digits", "--labels_per_class", "10", flag, "digits",
        "--net", "convnet-4", "--epochs", "1", "--batch_size", "20", "--evaluate_images", "10",
        "--objective.buffer_size", "40", "--objective.steps", "2", "--out", "run",
    ]  # fmt: skip
    assert main(words) == 0
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert record["plan"]["data"] == "digits?labels_per_class=10"
    assert record["plan"]["objective"]["unlabelled"] == "digits"
    assert record["data_sha256"] == load_data("digits", labels_per_class=10).digest()
    assert "labels_per_class=10" in jeat.load("run").about["plan"]["data"]
