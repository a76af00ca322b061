"""AutoAttack's search: what counts as fallen, in which order, and who is told."""

from importlib import import_module

import pytest
import torch
from torch import nn

from jeat._support.progress import listening
from jeat.metrics import accuracy, auto_attack
from jeat.metrics._ensemble import left_by_ensemble
from jeat.metrics._search import Search, Step

from .test_auto_attack import Brief, trained

search = import_module("jeat.metrics._search")
EPS = 0.1


@pytest.fixture
def _brief(monkeypatch):
    monkeypatch.setattr(search, "AutoAttack", Brief)


@pytest.fixture(scope="module")
def ten():
    return trained(10)


def searching(net, x, y, *, precision="fp32", norm="linf", eps=EPS, batch_size=5):
    return Search(net.eval(), x, y, x.dtype, eps, norm, batch_size, 0, precision)


class Bright(nn.Module):
    """Class 1 where an image's first pixel is above a half; in bf16, above another bound."""

    def __init__(self, in_bf16=0.5):
        super().__init__()
        self.bound, self.passed = {False: 0.5, True: in_bf16}, []

    def forward(self, x):
        bf16 = torch.is_autocast_enabled("cpu")
        self.passed.append((bf16, len(x)))
        f = x[:, 0, 0, 0] - self.bound[bf16]
        return torch.stack((-f, f), 1)


def dark(n):
    return torch.full((n, 1, 4, 4), 0.45), torch.zeros(n, dtype=torch.int64)


def up(by):
    return Step("up", lambda x, y, ranked: (x + by).clamp(0, 1), 1)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize(("by", "falls"), [(0.04, False), (0.06, True), (0.2, False)])
def test_an_image_falls_if_it_is_in_the_ball_and_classified_otherwise(norm, by, falls):
    s = searching(Bright(), *dark(7), norm=norm, eps=0.1 if norm == "linf" else 0.4)
    assert s.left.all()
    s.take([up(by)])
    assert s.left.tolist() == [not falls] * 7


def test_one_rounding_beyond_the_ball_is_in_it():
    s = searching(Bright(), *dark(3), eps=0.06)
    s.take([up(0.06 + 1e-7)])
    assert not s.left.any()


@pytest.mark.parametrize(
    ("bound", "falls", "again"), [(0.5, True, 0), (0.48, False, 7), (0.6, True, 0)]
)
def test_what_falls_counts_in_fp32_and_what_fp32_denies_is_attacked_again_in_it(
    bound, falls, again
):
    """By 0.04 an image is at 0.49, which is class 0 in fp32; by 0.06 it is at 0.51, class 1."""
    net = Bright(bound)
    s = searching(net, *dark(7), precision="bf16")
    given = []

    def attack(x, y, ranked):
        s._seen(x)
        given.append((net.passed[-1][0], len(x)))
        return x + (0.06 if falls else 0.04)

    s.take([Step("up", attack, 1)])
    assert s.left.tolist() == [not falls] * 7
    assert [n for bf16, n in given if bf16] == [5, 2]
    assert sum(n for bf16, n in given if not bf16) == again


@pytest.mark.parametrize(("to", "again"), [(0.4999, 1), (0.48, 0)])
def test_what_bf16_hides_near_the_boundary_is_looked_for_in_fp32(to, again):
    """Neither is over the boundary in bf16, whose own bound is far; the first is next to it."""

    class Tall(Bright):
        def forward(self, x):
            return super().forward(x) + 0.01

    net = Tall(in_bf16=0.9)
    s, given = searching(net, *dark(4), precision="bf16"), []

    def attack(x, y, ranked):
        given.append(len(x))
        return torch.full_like(x, to if len(given) == 1 else 0.51)

    s.take([Step("up", attack, 1)])
    assert len(given) == 1 + again
    assert s.left.tolist() == [not again] * 4


def test_images_that_fell_are_not_given_to_the_next_step_and_batches_are_full_again():
    x, y = dark(12)
    x[::2] = 0.3
    s, given = searching(Bright(), x, y), []

    def attack(x, y, ranked):
        given.append(len(x))
        return x + 0.06

    s.take([Step("one", attack, 1), Step("two", attack, 1), Step("three", attack, 1)])
    assert given == [5, 5, 2, 5, 1, 5, 1]
    assert s.left.tolist() == [i % 2 == 0 for i in range(12)]


def test_what_is_wrong_without_an_attack_is_given_to_none():
    x, y = dark(4)
    s = searching(Bright(), x, y + 1)
    s.take([Step("never", lambda *_: pytest.fail("was attacked"), 1)])
    assert not s.left.any()


@pytest.mark.usefixtures("_brief")
def test_targets_are_the_next_classes_by_logit_and_none_is_the_label(ten, monkeypatch):
    net, x, y = ten
    seen = []
    monkeypatch.setattr(
        search, "_apgd", lambda attack, k, x, y, ranked: seen.append((k, ranked, y)) or x
    )
    s = searching(net, x, y, batch_size=100)
    s.take(s.steps("apgd-t", 10, None))
    assert [k for k, _, _ in seen] == [*range(1, 10)]
    for _, ranked, labels in seen:
        assert torch.equal(ranked[:, 0], labels)
        assert torch.equal(ranked.sort(1).values, torch.arange(10).expand(len(ranked), 10))


@pytest.mark.usefixtures("_brief")
def test_pgd_comes_before_the_standard_set_and_before_no_part_of_it(ten):
    net, x, y = ten

    def steps(attacks):
        told = []
        with listening(lambda stage, done, total, note: told.append(note.split(", ", 1)[1])):
            left_by_ensemble(net, x, y, eps=0.01, norm="linf", attacks=attacks, seed=0)
        return [*dict.fromkeys(told)]

    whole = steps(None)
    assert whole[:4] == ["PGD", "PGD, target 1", "PGD, target 2", "PGD, target 3"]
    assert whole[4:6] == ["apgd-ce", "apgd-t 1"]
    assert whole[-1] == "square"
    assert steps(["square", "apgd-ce"]) == ["square", "apgd-ce"]


@pytest.mark.usefixtures("_brief")
def test_after_a_search_in_bf16_pgd_is_repeated_in_fp32(ten):
    net, x, y = ten
    told = []
    with listening(lambda stage, done, total, note: told.append(note.split(", ", 1)[1])):
        left_by_ensemble(net, x, y, eps=0.01, norm="linf", seed=0, precision="bf16")
    assert told[-4:] == ["PGD", "PGD, target 1", "PGD, target 2", "PGD, target 3"]


@pytest.mark.usefixtures("_brief")
def test_how_far_it_is_only_grows_and_ends_at_the_whole(ten):
    net, x, y = ten
    told = []
    with listening(lambda *said: told.append(said)):
        left = left_by_ensemble(net, x, y, eps=EPS, norm="linf", seed=0, batch_size=7)
    done = [d for _, d, _, _ in told]
    assert done == sorted(done)
    assert told[-1][1] == told[-1][2]
    assert told[-1][3].startswith(f"{int(left.sum())} of {len(y)} images left")
    assert {stage for stage, *_ in told} == {"AutoAttack"}


@pytest.mark.usefixtures("_brief")
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_in_bf16_as_few_images_are_left_as_in_fp32(ten, norm):
    net, x, y = ten
    eps = EPS if norm == "linf" else 0.4
    found = {
        p: auto_attack(net, x, y, eps=eps, norm=norm, precision=p, seed=0) for p in ("fp32", "bf16")
    }
    assert abs(found["fp32"] - found["bf16"]) <= 1 / len(y)
    assert found["fp32"] < accuracy(net, x, y)
