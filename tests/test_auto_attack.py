"""AutoAttack is pyautoattack's, for any number of classes, and disturbs nothing around it."""

import logging
import sys
from importlib import import_module

import pyautoattack
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from jeat.metrics import Subject, accuracy, auto_attack, robust_accuracy
from jeat.nets import Spec, build

from .conftest import DIGITS

module = import_module("jeat.metrics.auto_attack")
ensemble = import_module("jeat.metrics._ensemble")
search = import_module("jeat.metrics._search")
EPS = 0.1


class Brief(pyautoattack.AutoAttack):
    """AutoAttack with 10 steps and 50 queries."""

    def __init__(self, *args, **settings):
        super().__init__(*args, **settings)
        for attack in (self.apgd, self.apgd_targeted, self.fab):
            attack.n_iter = attack.n_iter_orig = 10
        self.square.n_queries = 50


@pytest.fixture
def brief(monkeypatch):
    monkeypatch.setattr(search, "AutoAttack", Brief)


class Scaled(nn.Module):
    def __init__(self, net, by):
        super().__init__()
        self.net, self.by = net, by

    def forward(self, x):
        return self.by * self.net(x)


def trained(classes):
    """A net on the digits below ``classes``, and 16 test images of them."""
    torch.manual_seed(0)
    net = build(Spec("convnet-4", 1, 8, DIGITS.classes[:classes]))
    optimizer = torch.optim.Adam(net.parameters(), 0.02)
    x, y = (t[DIGITS.train.y < classes] for t in DIGITS.train.floats())
    for i in range(60):
        at = torch.arange(i * 64, (i + 1) * 64) % len(x)
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(net(x[at]), y[at]).backward()
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    x, y = (t[DIGITS.test.y < classes][:16] for t in DIGITS.test.floats())
    return net, x, y


@pytest.fixture(scope="module")
def ten():
    return trained(10)


def test_it_is_at_most_clean_and_at_most_pgd(ten):
    """At full length, on images that PGD-20 leaves few of."""
    net, x, y = ten
    pgd = robust_accuracy(net, x, y, eps=0.12, step_size=0.03)
    found = auto_attack(net, x, y, eps=0.12, attacks=["apgd-ce", "apgd-t"])
    assert accuracy(net, x, y) > 0.8
    assert 0 < found <= pgd + 1 / 16 < 0.3
    assert auto_attack(net, x, y, eps=0.0, attacks=["apgd-ce"]) == accuracy(net, x, y)


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
def test_it_is_pyautoattacks_standard_evaluation(ten, norm):
    net, x, y = ten
    eps = {"linf": EPS, "l1": 1.0, "l2": 0.4}[norm]
    x, y = x[:8], y[:8]
    reference = Brief(net.eval(), norm=norm.capitalize(), eps=eps, seed=3)
    _, said = reference.run_standard_evaluation(x, y, batch_size=5)
    net.zero_grad()
    net.train()
    expected = float((said == y).float().mean())
    assert 0 < expected < accuracy(net, x, y)
    assert auto_attack(net, x, y, eps=eps, norm=norm, batch_size=5, seed=3) == expected


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("classes", [2, 3, 4])
def test_few_classes_are_attacked_by_what_is_defined_for_them(classes):
    net, x, y = trained(classes)
    clean = accuracy(net, x, y)
    assert clean > 0.8
    found = module.measure(Subject(net, x, y), eps=0.35)
    name = {2: "apgd-ce+fab-t+square", 3: "apgd-ce+apgd-dlr+fab-t+square", 4: "auto_attack"}
    assert list(found) == [name[classes]]
    assert found[name[classes]] < clean
    for attack in module.standard_attacks(classes)[1:-1]:  # each alone finds something
        assert auto_attack(net, x, y, eps=0.35, attacks=[attack]) < clean


@pytest.mark.usefixtures("brief")
def test_large_logits_hide_gradients_from_cross_entropy_and_not_from_ratios(ten):
    net, x, y = ten
    masked = Scaled(net, 1e5)
    clean, ce = accuracy(net, x, y), {"eps": 0.15, "attacks": ["apgd-ce"]}
    assert auto_attack(net, x, y, **ce) <= clean / 2
    assert auto_attack(masked, x, y, **ce) >= clean - 1 / 16
    for attack in ("apgd-t", "fab-t"):
        seen, hidden = (auto_attack(n, x, y, eps=0.15, attacks=[attack]) for n in (net, masked))
        assert abs(seen - hidden) <= 1 / 16
        assert hidden <= clean / 2


@pytest.mark.usefixtures("brief")
def test_figures_are_named_by_what_ran(ten):
    net, x, y = ten
    subject = Subject(net, x[:4], y[:4])
    for attacks in ("apgd-ce", "fab-t+apgd-ce"):
        assert list(module.measure(subject, attacks=attacks)) == [attacks]
    assert list(module.measure(subject, attacks="square+fab-t+apgd-t+apgd-ce")) == ["auto_attack"]


@pytest.mark.usefixtures("brief")
def test_nothing_around_it_is_disturbed(ten, capfd, caplog):
    net, x, y = ten
    net.train()
    net[0].eval()
    modes = [m.training for m in net.modules()]
    before, state = sys.gettrace(), torch.random.get_rng_state()

    def trace(*_):
        return None

    caplog.set_level(logging.DEBUG)
    sys.settrace(trace)
    try:
        auto_attack(
            Scaled(net, 1e4), x[:6], y[:6].int(), eps=EPS, seed=7, attacks=["apgd-t", "fab-t"]
        )
        assert sys.gettrace() is trace
    finally:
        sys.settrace(before)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(p.grad is None and p.requires_grad for p in net.parameters())
    assert [m.training for m in net.modules()] == modes
    assert (*capfd.readouterr(), caplog.text) == ("", "", "")
    assert not logging.getLogger("auto-attack").disabled


@pytest.mark.usefixtures("brief")
def test_it_is_in_fp32_under_autocast(ten):
    net, x, y = ten
    kinds = []
    hook = net[-1].register_forward_hook(lambda m, i, logits: kinds.append(logits.dtype))
    how = {"eps": EPS, "attacks": ["apgd-ce"], "seed": 1, "precision": "fp32"}
    with torch.autocast("cpu", torch.bfloat16):
        found = auto_attack(net, x, y, **how)
    hook.remove()
    assert set(kinds) == {torch.float32}
    assert auto_attack(net, x, y, **how) == found


@pytest.mark.usefixtures("brief")
def test_it_is_seeded_by_torch(ten, monkeypatch):
    seeds = []
    monkeypatch.setattr(
        search, "AutoAttack", lambda *a, seed, **k: seeds.append(seed) or Brief(*a, seed=seed, **k)
    )
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        auto_attack(*ten, eps=EPS, attacks=["apgd-ce"])
    auto_attack(*ten, eps=EPS, attacks=["apgd-ce"])
    assert seeds[0] == seeds[1]
    assert len(set(seeds)) == 3


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("classes", "settings", "said"),
    [
        (10, {"attacks": ["deepfool"]}, "unknown attack 'deepfool': attacks are apgd-ce"),
        (10, {"attacks": []}, "no attack was named"),
        (3, {"attacks": ["apgd-t"]}, "apgd-t needs 4 classes and the net has 3: use apgd-ce, apgd"),
        (2, {"attacks": ["apgd-dlr"]}, "apgd-dlr needs 3 classes and the net has 2"),
        (10, {"norm": "l0"}, "unknown norm 'l0'"),
        (10, {"eps": 8}, r"eps is in \[0, 1\]"),
        (10, {"eps": float("nan")}, r"eps is in \[0, 1\]"),
        (10, {"norm": "l2", "eps": -1.0}, r"eps is in \[0, 1\]"),
    ],
)  # fmt: skip
def test_what_cannot_be_attacked_is_said(classes, settings, said):
    net = build(Spec("convnet-2", 1, 8, DIGITS.classes[:classes]))
    with pytest.raises(ValueError, match=said):
        auto_attack(net, torch.rand(2, 1, 8, 8), torch.tensor([0, 1]), **settings)


@pytest.mark.parametrize(
    ("x", "y", "norm", "said"),
    [
        (torch.full((1, 1, 8, 8), 200.0), 0, "linf", r"finite floats in \[0, 1\]"),
        (torch.full((1, 1, 8, 8), torch.nan), 0, "linf", "finite floats"),
        (torch.rand(1, 1, 8, 8), 3, "linf", r"labels must lie in 0\.\.2, got 3\.\.3"),
        (torch.rand(1, 1, 4, 4), 0, "l2", "square in l2 takes images of at least 5 pixels"),
        (torch.rand(1, 1, 4, 4), 0, "l1", "square in l1 takes images of at least 5 pixels"),
    ],
)
def test_images_and_labels_that_do_not_fit_are_refused(x, y, norm, said):
    net = build(Spec("convnet-2", 1, x.shape[2], DIGITS.classes[:3]))
    with pytest.raises(ValueError, match=said):
        auto_attack(net, x, torch.tensor([y]), norm=norm)


class Sure(nn.Module):
    """Always of class 0, which no attack changes."""

    def forward(self, x):
        f = x.mean((1, 2, 3))[:, None] * torch.tensor([0, 1e-3, 2e-3, 3e-3])
        return f + torch.tensor([5.0, 0, 0, 0])


@pytest.mark.parametrize("height", [5, 8, 12, 14, 18, 19, 24, 28, 32])
@pytest.mark.parametrize("width", [8, 24, 28, 32, 33])
@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_square_is_refused_before_any_attack_exactly_where_it_could_not_start(norm, height, width):
    x, y = torch.rand(1, 1, height, width), torch.zeros(1, dtype=torch.int64)
    how = {"norm": norm.capitalize(), "eps": 0.5, "seed": 0, "device": "cpu"}
    square = pyautoattack.AutoAttack(Sure(), **how).square
    square.n_queries = 1
    try:
        square.perturb(x, y)
        able = True
    except RuntimeError:
        able = False
    assert ensemble.square_fits(x, norm) == able
    assert ensemble.square_fits(x, "linf")
    passes = []
    net = Sure()
    net.register_forward_pre_hook(lambda m, x: passes.append(1))
    if able:
        return
    with pytest.raises(ValueError, match=f"not fit {height} x {width}: leave it out, by attacks"):
        auto_attack(net, x, y, norm=norm, eps=0.5, attacks=["apgd-ce", "square"])
    assert len(passes) == 1  # which says how many classes there are


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("norm", ["linf", pytest.param("l1", marks=pytest.mark.slow), "l2"])
def test_a_net_and_images_of_another_dtype_are_attacked(dtype, norm):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 5)).eval()
    x = torch.rand(8, 3, 4, 4)
    with torch.no_grad():
        y = net(x).argmax(1)
    eps = {"linf": 0.05, "l1": 1.5, "l2": 0.3}[norm]
    how = {"eps": eps, "norm": norm, "attacks": ["apgd-ce"], "seed": 0}
    single = auto_attack(net, x, y, **how)
    assert auto_attack(net.to(dtype), x.to(dtype), y, **how) == pytest.approx(single, abs=0.25)
