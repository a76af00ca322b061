"""What a plan says is what happens."""

import json
import logging
import time
from copy import deepcopy
from dataclasses import replace
from importlib import import_module
from itertools import islice

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

import jeat
from jeat.cli import main
from jeat.data import Batch, batches
from jeat.energy import cross_entropy, marginal_energy
from jeat.metrics import accuracy, robust_accuracy
from jeat.nets import Spec, build, in_bf16
from jeat.nets.places import newest
from jeat.objectives import Normal
from jeat.runs.buffer import load_buffer
from jeat.runs.fit import fit
from jeat.samplers import ClassGaussian, Uniform
from jeat.training.iteration import prepare
from jeat.training.loop import train
from jeat.training.plan import Optimisation, Plan, Recovery

from .conftest import DIGITS
from .test_run import JEAT_PLAN, SHORT, assert_same_run

modes = import_module("jeat.nets.modes")
IMAGES = DIGITS.train
CPU = torch.device("cpu")
NAMES = ("whole", "stopped")


def run(plan, out):
    for _ in fit(plan, out):
        pass
    return out


def logs(net, objective, o, **how):
    """The iterations of training ``net``, each once it is done."""
    return train(prepare(net, objective, o, images=len(IMAGES)), IMAGES, **how)


class Watched(nn.Module):
    """Normal training that keeps the images and logits it sees."""

    def __init__(self):
        super().__init__()
        self.x, self.logits = [], []

    def forward(self, net, batch: Batch):
        self.x.append(batch.x)
        self.logits.append(net(batch.x))
        return cross_entropy(self.logits[-1], batch.y).mean(), {}


class Constant(nn.Module):
    """A loss whose gradient is zero."""

    def forward(self, net, batch: Batch):
        return 0 * net(batch.x).sum(), {}


# Evaluation

EVALUATED = Plan(
    "at", net="convnet-8", activation="silu", eps=0.2, objective={"eps": 0.2},
    optimisation=Optimisation(
        epochs=5, lr=0.01, schedule="constant", ema=0.95, seed=3, evaluate_images=300
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """(out, the last log line) of EVALUATED."""
    out = run(EVALUATED, tmp_path_factory.mktemp("evaluated") / "run")
    return out, json.loads((out / "log.jsonl").read_text().splitlines()[-1])


def figures(net, images=DIGITS.test, n=300, *, eps=0.2, steps=20, step_size=0.05):
    x, y = images.floats(n)
    torch.manual_seed(3)
    robust = robust_accuracy(net, x, y, eps=eps, steps=steps, step_size=step_size)
    return {"test_accuracy": accuracy(net, x, y), "test_robust_accuracy": robust}


def test_the_logged_figures_are_the_averaged_nets_on_test_images_under_pgd_20_at_eps(evaluated):
    out, last = evaluated
    assert last | figures(jeat.load(out)) == last


def test_the_raw_weights_have_other_figures(evaluated):
    out, last = evaluated
    raw = load_file(newest(out) / "model.safetensors")
    net = jeat.load(out)
    net.load_state_dict({k: raw[f"net.{k}"] for k in net.state_dict()})
    assert last | figures(net) != last


@pytest.mark.parametrize(
    "other",
    [{"images": IMAGES}, {"n": 360}, {"eps": 8 / 255}, {"step_size": 2 / 255}, {"steps": 10}],
    ids=["train", "number", "eps", "step_size", "steps"],
)
def test_other_images_and_other_attacks_have_other_figures(evaluated, other):
    out, last = evaluated
    assert last | figures(jeat.load(out), **other) != last


def test_the_randomness_of_an_evaluation_is_the_seeds(net):
    def draw(_):
        return {"draw": float(torch.rand(()))}

    log = next(logs(net, Normal(), Optimisation(seed=3, evaluate_every=1), evaluate=draw))
    torch.manual_seed(3)
    assert log.metrics["test_draw"] == draw(net)["draw"]


# Weight decay

LR, DECAY = 0.1, 0.2


def decoupled(p, steps):
    for _ in range(steps):
        p = p * (1 - LR * DECAY)
    return p


def l2_with_nesterov_momentum(p, steps):
    momentum = torch.zeros_like(p)
    for _ in range(steps):
        momentum = 0.9 * momentum + DECAY * p
        p = p - LR * (DECAY * p + 0.9 * momentum)
    return p


@pytest.mark.parametrize(
    ("optimizer", "law"), [("adamw", decoupled), ("sgd", l2_with_nesterov_momentum)]
)
def test_without_gradient_the_weights_decay_by_the_optimisers_law(net, optimizer, law):
    o = Optimisation(optimizer=optimizer, lr=LR, weight_decay=DECAY, schedule="constant")
    expected = [law(p.detach(), 3) for p in net.parameters()]
    list(islice(logs(net, Constant(), o), 3))
    torch.testing.assert_close(list(net.parameters()), expected, rtol=1e-6, atol=0)


# Augmentation


def views(x, pad, flip):
    """(V, B, C, H, W): all windows of the reflected images, and their mirrors."""
    h, padded = x.shape[2], F.pad(x, (pad,) * 4, mode="reflect")
    at = range(2 * pad + 1)
    windows = [padded[:, :, i : i + h, j : j + h] for i in at for j in at]
    return torch.stack(windows + [w.flip(3) for w in windows if flip])


@pytest.mark.parametrize(("pad", "flip"), [(0, False), (2, False), (0, True), (1, True)])
def test_training_sees_every_window_and_mirror_of_its_batches_and_nothing_else(net, pad, flip):
    o = Optimisation(epochs=2, batch_size=700, pad=pad, flip=flip, seed=5)
    watched = Watched()
    list(logs(net, watched, o))
    originals = [b.x for epoch in (0, 1) for b in batches(IMAGES, 700, seed=5, epoch=epoch)]
    assert len(watched.x) == len(originals) == 4
    for seen, x in zip(watched.x, originals, strict=True):
        same = (views(x, pad, flip) == seen).flatten(2).all(2)
        assert same.any(0).all()  # each image is a view of its original
        assert same.any(1).all()  # each view occurs


# Starts of chains

FITTED = ClassGaussian.fit(DIGITS.train.x, DIGITS.train.y, classes=10, grain=2)
STARTS = {"uniform": Uniform((1, 8, 8)), "gaussian": FITTED}


def still(start, rho):
    """One iteration with chains that stay where they start; with rho 1 all are restarted."""
    o = Optimisation(epochs=0.1, batch_size=1400, evaluate_images=10)
    chain = {"steps": 1, "step_size": 1e-9, "noise": 0.0, "buffer_size": 1400, "rho": rho}
    return Plan("jem", net="convnet-4", start=start, objective=chain, optimisation=o)


def standard_errors(a, b):
    """The largest of the differences between two samples' pixel means and mean squares."""
    a, b = (torch.cat([x, x**2], 1).flatten(1) for x in (a, b))
    return ((a.mean(0) - b.mean(0)) / (a.var(0) / len(a) + b.var(0) / len(b)).sqrt()).abs().max()


@pytest.mark.parametrize("rho", [0.0, 1.0])
@pytest.mark.parametrize("start", STARTS)
def test_the_replay_buffer_starts_and_restarts_from_the_plans_start(tmp_path, start, rho):
    states = load_buffer(run(still(start, rho), tmp_path / "run")).states
    z = {k: standard_errors(states, law(torch.arange(20_000) % 10)) for k, law in STARTS.items()}
    assert z.pop(start) < 4
    assert min(z.values()) > 40


def test_a_net_keeps_the_class_gaussian_of_the_training_images(tmp_path):
    kept = jeat.load(run(still("gaussian", 0.0), tmp_path / "run")).start
    assert isinstance(kept, ClassGaussian)
    assert (kept.shape, kept.grain) == (FITTED.shape, FITTED.grain)
    assert torch.equal(kept.mean, FITTED.mean)
    assert torch.equal(kept.factor, FITTED.factor)


def test_a_net_of_uniform_chains_keeps_no_start(tmp_path):
    assert jeat.load(run(still("uniform", 0.0), tmp_path / "run")).start is None


# Seed


def after_one_iteration(out, seed, *, lr, init=None):
    o = Optimisation(epochs=0.01, optimizer="sgd", lr=lr, seed=seed, evaluate_images=10)
    plan = Plan("normal", net="convnet-4", init=init, optimisation=o)
    return jeat.load(run(plan, out)).state_dict()


def assert_a_seed_decides(weights):
    """Of seed -> weights: the same twice, and others in every tensor for another seed."""
    zero, one, again, two = (weights(i, seed) for i, seed in enumerate([0, 1, 1, 2]))
    for name, w in one.items():
        assert torch.equal(w, again[name]), name
        assert not torch.equal(w, zero[name]), name
        assert not torch.equal(w, two[name]), name


def test_the_seed_decides_the_first_weights(tmp_path):
    assert_a_seed_decides(lambda i, seed: after_one_iteration(tmp_path / str(i), seed, lr=1e-30))


def test_from_the_same_weights_the_seed_decides_the_first_iteration(tmp_path):
    init = str(tmp_path / "init")
    after_one_iteration(tmp_path / "init", 0, lr=1e-30)
    assert_a_seed_decides(
        lambda i, seed: after_one_iteration(tmp_path / str(i), seed, lr=0.1, init=init)
    )


# Precision


@pytest.mark.parametrize(
    ("precision", "multiplies"), [("fp32", torch.float32), ("bf16", torch.bfloat16)]
)
def test_a_run_multiplies_in_its_precision_and_keeps_weights_and_energies_in_fp32(
    net, precision, multiplies
):
    o, watched = Optimisation(precision=precision), Watched()
    next(logs(net, watched, o))
    assert {f.dtype for f in watched.logits} == {multiplies}
    assert {marginal_energy(f).dtype for f in watched.logits} == {torch.float32}
    assert {p.dtype for p in net.parameters()} == {torch.float32}
    assert {p.grad.dtype for p in net.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("able", "bf16", "multiplies"),
    [(False, 0.5, torch.float32), (True, 0.5, torch.bfloat16), (True, 2.0, torch.float32)],
)
def test_auto_is_bf16_where_the_machine_is_able_and_the_net_is_faster_in_it(
    net, able, bf16, multiplies, monkeypatch
):
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: able)
    monkeypatch.setattr(modes, "seconds_in_both", lambda net, x: (1.0, bf16))
    watched = Watched()
    next(logs(net, watched, Optimisation(precision="auto")))
    assert {f.dtype for f in watched.logits} == {multiplies}


def test_a_net_that_cannot_be_timed_is_tried_once_says_so_and_runs_in_fp32(monkeypatch, caplog):
    def fails(*_):
        tried.append(1)
        raise RuntimeError("no such kernel\nin bf16")

    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)
    monkeypatch.setattr(modes, "seconds_in_both", fails)
    tried, net = [], build(Spec("wrn-10-1", 1, 8, tuple("abc")))
    caplog.set_level(logging.INFO, logger="jeat")
    assert not any(in_bf16("auto", CPU, net) for _ in range(2))
    assert len(tried) == len(caplog.records) == 1
    assert "fp32, as it could not be timed in both (no such kernel in bf16)" in caplog.text


def test_a_net_is_timed_once_says_so_and_is_left_as_it_was(monkeypatch, caplog):
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)
    timed, real = [], modes.seconds_in_both
    monkeypatch.setattr(modes, "seconds_in_both", lambda *a: timed.append(1) or real(*a))
    net = build(Spec("wrn-10-1", 1, 8, tuple("abc"), {"norm": "batch"})).train()
    before, state = deepcopy(net.state_dict()), torch.random.get_rng_state()
    caplog.set_level(logging.INFO, logger="jeat")
    found = {in_bf16("auto", CPU, net), in_bf16("auto", CPU, nn.DataParallel(net))}
    assert len(timed) == len(found) == len(caplog.records) == 1
    assert f"wrn-10-1 on images of (1, 8, 8): {'bf16' if found == {True} else 'fp32'}, as" in (
        caplog.text
    )
    assert net.training
    assert all(p.requires_grad and p.grad is None for p in net.parameters())
    assert torch.equal(torch.random.get_rng_state(), state)
    for k, v in net.state_dict().items():
        assert torch.equal(v, before[k]), k


def test_the_times_are_those_of_the_precisions_and_the_first_round_does_not_count():
    class Slow(nn.Module):
        def __init__(self):
            super().__init__()
            self.n = 0

        def forward(self, x):
            self.n += 1
            bf16 = torch.is_autocast_enabled("cpu")
            time.sleep(0.5 if self.n <= 2 else 0.02 + 0.04 * bf16)
            return x.flatten(1)[:, :3] * 1

    fp32, bf16 = modes.seconds_in_both(Slow(), torch.rand(2, 1, 4, 4))
    assert 0.02 <= fp32 < 0.05 < 0.06 <= bf16 < 0.4


@pytest.mark.parametrize("began", [0.5, 2.0])
def test_a_run_that_is_resumed_keeps_what_auto_chose(began, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)
    o = Optimisation(epochs=1, batch_size=400, precision="auto", save_every=1)
    plan = Plan("normal", net="convnet-4", optimisation=o)
    for name, later in (("whole", began), ("stopped", 1 / began)):
        monkeypatch.setattr(modes, "seconds_in_both", lambda net, x: (1.0, began))
        for log in fit(plan, tmp_path / name):
            if name == "stopped" and log.iteration == 1:
                break
        monkeypatch.setattr(modes, "seconds_in_both", lambda net, x, later=later: (1.0, later))
        assert len([*fit(plan, tmp_path / name, resume=True)]) == (2 if name == "stopped" else 0)
    kept = {json.loads((tmp_path / k / "run.json").read_text())["precision"] for k in NAMES}
    assert kept == {"bf16" if began < 1 else "fp32"}
    whole, stopped = (jeat.load(tmp_path / k).state_dict() for k in NAMES)
    assert all(torch.equal(whole[k], stopped[k]) for k in whole)


class Multiplied(nn.Module):
    """Convolutions in groups, and the dtypes that they multiplied in."""

    def __init__(self, channels, groups, *, own=nn.Conv2d):
        super().__init__()
        self.seen = set()
        self.first = nn.Conv2d(1, channels, 1)
        self.middle = own(channels, channels, 3, padding=1, groups=groups)
        self.head = nn.Linear(channels, 10)

    def forward(self, x):
        z = self.middle(self.first(x))
        if torch.is_grad_enabled():  # predictions are in fp32 whatever is asked for
            self.seen.add(z.dtype)
        return self.head(z.relu().mean((2, 3)))


class Own(nn.Conv2d):
    """As timm's, which pads in its forward pass."""


@pytest.mark.parametrize(
    ("channels", "groups", "own", "multiplies"),
    [
        (16, 16, nn.Conv2d, torch.float32),
        (16, 16, Own, torch.float32),
        (16, 16, nn.ConvTranspose2d, torch.float32),
        (32, 4, nn.Conv2d, torch.float32),
        (32, 2, nn.Conv2d, torch.bfloat16),
        (16, 1, nn.Conv2d, torch.bfloat16),
    ],
)
def test_auto_is_fp32_on_a_cpu_for_thin_groups_where_no_spec_says_what_could_be_timed(
    channels, groups, own, multiplies, monkeypatch
):
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)
    x, y = DIGITS.test.floats(4)
    ran = {
        "training": lambda net: next(logs(net, Normal(), Optimisation(precision="auto"))),
        "drawing": lambda net: jeat.sample(
            net, y, steps=1, start=Uniform((1, 8, 8)), precision="auto"
        ),
        "an attack": lambda net: robust_accuracy(net, x, y, steps=1, precision="auto"),
    }
    for name, f in ran.items():
        net = Multiplied(channels, groups, own=own)
        f(net)
        assert net.seen == {multiplies}, name


def test_the_bf16_loss_is_near_the_fp32_loss_and_not_the_same(net):
    o = Optimisation(log_every=1)
    fp32, bf16 = (
        next(logs(deepcopy(net), Normal(), replace(o, precision=p))).metrics["loss"]
        for p in ("fp32", "bf16")
    )
    assert 0 < abs(bf16 / fp32 - 1) < 0.02


def test_a_bf16_run_evaluates_in_fp32(net, digits):
    def bits(net):
        return {"bits": float(torch.finfo(net(digits[0]).dtype).bits)}

    o = Optimisation(precision="bf16", evaluate_every=1)
    assert next(logs(net, Normal(), o, evaluate=bits)).metrics["test_bits"] == 32


def test_a_clipped_bf16_run_left_in_the_middle_resumes_exactly(tmp_path):
    plan = replace(JEAT_PLAN, optimisation=replace(SHORT, precision="bf16", clip=0.05))
    for log in fit(plan, tmp_path / "left"):
        if log.iteration == 7:
            break
    torch.rand(7)  # what happened meanwhile
    for _ in fit(plan, tmp_path / "left", resume=True):
        pass
    assert_same_run(tmp_path / "left", run(plan, tmp_path / "whole"))


# Clipping


def flat(tensors):
    return torch.cat([t.detach().flatten() for t in tensors])


@pytest.mark.parametrize("share", [0.5, 2.0])
def test_clip_bounds_the_gradient_of_a_step_and_logs_its_norm_before(net, share):
    loss, _ = Normal()(net, next(batches(IMAGES, 128, seed=0, epoch=0)))
    norm = float(flat(torch.autograd.grad(loss, net.parameters())).norm())
    before = flat(net.parameters())
    o = Optimisation(optimizer="sgd", lr=1.0, schedule="constant", clip=share * norm, log_every=1)
    log = next(logs(net, Normal(), o))
    step = flat(net.parameters()) - before
    assert log.metrics["gradient_norm"] == pytest.approx(norm, rel=1e-5)
    assert float(step.norm()) == pytest.approx(1.9 * min(share, 1) * norm, rel=1e-5)  # Nesterov


# Shares, batches of one image, two radii


@pytest.mark.parametrize("share", [99, 1.01, 0, -0.1, 10**9])
def test_a_limit_on_a_share_is_a_share(share, tmp_path, capsys):
    with pytest.raises(ValueError, match=r"recovery.max_saturated (is a share in \(0, 1\]|must)"):
        Recovery(max_saturated=share)
    words = ["train", "jem", "--out", str(tmp_path / "new"), "--recovery.max_saturated", str(share)]
    assert main(words) == 2
    assert "recovery.max_saturated" in capsys.readouterr().err
    assert Recovery(max_saturated=1).limit("max_saturated") == 1


@pytest.mark.parametrize("share", [1.5, -0.5, 99])
@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("ema", lambda share, _: Optimisation(ema=share)),
        ("lr", lambda share, _: Recovery(lr=share)),
        ("rho", lambda share, out: run(replace(JEAT_PLAN, objective={"rho": share}), out)),
    ],
)
def test_so_is_every_share_and_decay(name, given, share, tmp_path):
    with pytest.raises(ValueError, match=name):
        given(share, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("method", "objective"),
    [("jem", {"steps": 1, "buffer_size": 1}), ("jeat", {"steps": 1, "buffer_size": 1}), ("at", {})],
)
def test_a_run_may_have_one_image_an_iteration(tmp_path, method, objective):
    o = replace(SHORT, batch_size=1, evaluate_every=0, log_every=1)
    plan = Plan(method, net="convnet-4", objective=objective, optimisation=o)
    log = next(fit(plan, tmp_path / "run"))
    assert log.iteration == 1
    assert torch.tensor(log.metrics["loss"]).isfinite()


class OnePixel(nn.Module):
    """A net whose batch normalisation sees one pixel."""

    def __init__(self, *, channels: int, size: int, classes: int) -> None:
        super().__init__()
        norm = nn.BatchNorm2d(4)
        self.net = nn.Sequential(
            nn.Conv2d(channels, 4, size), norm, nn.Flatten(), nn.Linear(4, classes)
        )

    def forward(self, x):
        return self.net(x)


def test_batch_normalisation_of_one_pixel_asks_for_two_images(tmp_path):
    plan = Plan("at", net=f"{__name__}:OnePixel", optimisation=replace(SHORT, batch_size=1))
    with pytest.raises(ValueError, match=r"at least 2 images an iteration .* raise batch_size"):
        next(fit(plan, tmp_path / "run"))
    assert not (tmp_path / "run").exists()
    plan = replace(plan, optimisation=replace(SHORT, batch_size=2))
    assert next(fit(plan, tmp_path / "run")).iteration == 1


@pytest.mark.parametrize("method", ["at", "jeat", "prejeat"])
def test_a_run_with_two_radii_says_which_is_which(method, tmp_path, capsys):
    words = ["train", method, "--net", "convnet-4", "--epochs", "0.1", "--evaluate_images", "20"]
    words += ["--objective.steps", "1"]
    assert main([*words, "--out", str(tmp_path / "1"), "--eps", "0.1"]) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "jeat train" in line]
    assert said == ["jeat train: trains at --objective.eps 0.03137, is evaluated at --eps 0.1"]
    radii = ["--eps", "0.1", "--objective.eps", "0.1"]
    for out, flags in {"2": [], "3": radii}.items():
        assert main([*words, "--out", str(tmp_path / out), *flags]) == 0
        assert "jeat train" not in capsys.readouterr().err
