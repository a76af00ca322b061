"""Black boxes see what they say: labels alone, or scores; and find what can be found."""

import importlib.util
from importlib import import_module

import pytest
import torch
from torch import nn

from jeat._support.progress import listening
from jeat.metrics import NotFiniteError, Subject, accuracy, auto_attack, hop_skip_jump
from jeat.nets import Spec, build

from .conftest import DIGITS

module = import_module("jeat.metrics.hop_skip_jump")
square = import_module("jeat.metrics.square_attack")


class Half(nn.Module):
    """Two classes, on either side of the plane <w, x> = b: distances are known."""

    def __init__(self, b=0.0, scale=1.0):
        super().__init__()
        w = torch.linspace(-1, 1.2, 16)
        self.w = nn.Parameter(w / w.norm())
        self.b, self.scale = b, scale

    def side(self, x):
        return (x - 0.5).flatten(1) @ self.w - self.b

    def forward(self, x):
        return self.scale * torch.stack([-self.side(x), self.side(x)], 1)

    def distance(self, x, norm):
        return self.side(x).abs() / (1 if norm == "l2" else self.w.abs().sum())


@pytest.fixture
def half():
    """Images near a plane, far from the box's sides, all right."""
    net = Half()
    x = 0.5 + 0.08 * torch.randn(12, 1, 4, 4)
    return net, x, (net.side(x) > 0).long()


@pytest.mark.parametrize("norm", ["linf", pytest.param("l2", marks=pytest.mark.slow)])
def test_it_finds_the_distance_to_a_plane(half, norm):
    """From above, as any point found is an upper bound, and within a tenth."""
    net, x, y = half
    found, _ = hop_skip_jump(net, x, y, norm=norm, steps=20)
    true = net.distance(x, norm).detach()
    assert (found >= true - 1e-5).all()
    assert ((found / true).median() - 1).abs() < 0.1


@pytest.mark.parametrize("norm", [pytest.param("linf", marks=pytest.mark.slow), "l2"])
def test_an_image_is_attacked_as_well_in_a_batch_as_alone(half, norm):
    """foolbox scales the estimates of a batch together: with more images it would step less far."""
    net, x, y = half
    many, _ = hop_skip_jump(net, x.repeat(8, 1, 1, 1), y.repeat(8), norm=norm, steps=4)
    ones = [hop_skip_jump(net, x[[i]], y[[i]], norm=norm, steps=4, starts=x)[0] for i in range(12)]
    true = net.distance(x, norm).detach()
    assert (many.view(8, 12).mean(0) / true).median() < 1.25 * (torch.cat(ones) / true).median()


class Watched(nn.Module):
    """A net that says what it was given and whether anything could be traced back."""

    def __init__(self, net):
        super().__init__()
        self.net, self.traced = net, []

    def forward(self, x):
        logits = self.net(x)
        self.traced.append(logits.requires_grad)
        return logits


def test_no_gradient_and_no_score_comes_through(half):
    net, x, y = half
    labels = module.Labels(net, x)
    seen = labels(x.requires_grad_())
    assert not seen.requires_grad
    assert torch.equal(seen, nn.functional.one_hot(net(x).argmax(1), 2).float())
    assert labels.passes == len(x)
    assert not list(labels.parameters())  # the library cannot reach the net by its wrapper
    assert not list(labels.children())
    watched = Watched(net)
    hop_skip_jump(watched, x.detach(), y, steps=2)
    assert len(watched.traced) > 100
    assert not any(watched.traced)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_scores_make_no_difference_where_labels_are_the_same(half, norm):
    """A net of other logits and the same labels is attacked exactly alike."""
    net, x, y = half
    found = []
    for other in (net, Half(scale=1e5), Half(scale=1e-5)):
        torch.manual_seed(3)
        found.append(hop_skip_jump(other, x, y, norm=norm, steps=3)[0])
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_the_accuracy_counts_flips_beyond_eps_and_the_median_halves_it(half):
    net, x, y = half
    y = y.where(torch.arange(12) > 2, 1 - y)  # three are wrong as they are
    subject = Subject(net, x, y)
    torch.manual_seed(1)
    distances, passes = hop_skip_jump(net, x, y, norm="l2", steps=3, starts=x)
    assert (distances == 0).tolist() == [True] * 3 + [False] * 9
    median = float(distances.quantile(0.5))
    for eps, share in ((0.0, 9 / 12), (median, 0.5), (9.0, 0.0)):
        torch.manual_seed(1)
        found = module.measure(subject, eps=eps, norm="l2", steps=3)
        assert found["hop_skip_jump"] == share
        assert found["hop_skip_jump_distance"] == median
        assert found["hop_skip_jump_images"] == 12
        assert found["hop_skip_jump_queries"] == passes > 100 * (1 + 2**0.5 + 3**0.5) - 3


def test_a_net_that_gets_nothing_right_has_distance_zero(half):
    net, x, y = half
    found = module.measure(Subject(net, x, 1 - y), steps=1)
    assert found["hop_skip_jump"] == found["hop_skip_jump_distance"] == 0
    assert found["hop_skip_jump_queries"] == 0


def test_it_says_how_far_it_is(half):
    net, x, y = half
    said = []
    with listening(lambda stage, done, total, note="": said.append((done, total))):
        hop_skip_jump(net, x, y, steps=3)
    (total,) = {total for _, total in said}
    done = [done for done, _ in said]
    assert done == sorted(done)
    assert 0.7 * total < done[-1] <= total  # what a search takes is a guess


def test_it_spreads_few_images_evenly(net):
    x, y = DIGITS.test.floats(40)
    found = module.measure(Subject(net, x, y), steps=1, images=4)
    assert found["hop_skip_jump_images"] == 4


class Constant(nn.Module):
    def forward(self, x):
        return x.new_tensor([[1.0, 0.0]]).expand(len(x), -1) + 0 * x.sum()


class Random(nn.Module):
    def forward(self, x):
        return torch.randn(len(x), 2)


class Blind(nn.Module):
    def forward(self, x):
        return torch.full((len(x), 2), torch.nan)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("net", "settings", "said"),
    [
        (Constant(), {}, "nowhere to start from"),
        (Random(), {}, "different labels: make it repeat itself"),
        (Blind(), {}, "NaN or infinite"),
        (Half(), {"norm": "l1"}, "unknown norm 'l1'"),
        (Half(), {"steps": 0}, "at least 1 step"),
        (Half(), {"eps": -1.0}, r"eps is in \[0, 1\]"),
        (Half(), {"eps": 3.0}, "at most 1, got 3"),
        (Half(), {"images": 0}, "at least 1 image"),
    ],
)
def test_what_cannot_be_attacked_is_said(half, net, settings, said):
    _, x, _ = half
    with pytest.raises(ValueError, match=said) as caught:
        module.measure(Subject(net, x, torch.zeros(12, dtype=torch.int64)), **settings)
    assert isinstance(caught.value, NotFiniteError) == isinstance(net, Blind)


def test_a_missing_library_is_said_with_the_extra_that_has_it(monkeypatch, half):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "foolbox" else found(name, *a)
    )
    for run in (lambda: module.check({}), lambda: hop_skip_jump(*half)):
        with pytest.raises(ValueError, match=r"^HopSkipJump needs foolbox: pip install 'jeat\[att"):
            run()


def trained():
    torch.manual_seed(0)
    net = build(Spec("convnet-4", 1, 8, DIGITS.classes))
    optimizer = torch.optim.Adam(net.parameters(), 0.02)
    x, y = DIGITS.train.floats()
    for i in range(60):
        at = torch.arange(i * 64, (i + 1) * 64) % len(x)
        optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(net(x[at]), y[at]).backward()
        optimizer.step()
    return net, *DIGITS.test.floats(60)


@pytest.fixture(scope="module")
def ten():
    return trained()


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.15), ("l2", 0.6)])
def test_more_queries_find_more_and_white_boxes_more_than_either(ten, norm, eps):
    subject, found = Subject(*ten), {}
    for queries in (1, 20, 400):
        torch.manual_seed(0)
        figures = square.measure(subject, eps=eps, norm=norm, queries=queries)
        found[queries] = figures["square_attack"]
    assert accuracy(*ten) >= found[1] >= found[20] > found[400]
    white = auto_attack(*ten, eps=eps, norm=norm, attacks=["apgd-ce", "apgd-t"])
    assert white <= found[400] + 2 / 60


def test_square_asks_no_more_often_than_it_may_and_takes_no_gradient(ten):
    net, x, y = ten
    watched = Watched(net)
    with torch.no_grad():
        square.measure(Subject(watched, x[:8], y[:8]), eps=1e-3, queries=25)
    assert 25 <= len(watched.traced) <= 25 + 8  # and classes, clean images, and what it found
    assert not any(watched.traced)
    assert square.measure(Subject(net, x, y), eps=0.0, queries=3)["square_attack"] == accuracy(*ten)


@pytest.mark.parametrize(
    ("settings", "said"), [({"queries": 0}, "at least 1 query"), ({"norm": "l7"}, "unknown norm")]
)
@pytest.mark.usefixtures("unchecked")
def test_wrong_settings_of_square_are_said(ten, settings, said):
    with pytest.raises(ValueError, match=said):
        square.measure(Subject(*ten), **settings)
