"""What does not depend on the scale of logits does not change with it, and is what it says."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from jeat.metrics import DoubtWarning, Subject, find, fisher_score, logit_spread, temperature
from jeat.metrics.flatness import Scaled
from jeat.nets import is_piecewise_linear

from .conftest import DIGITS

measure = find("flatness")


def subject_of(net, test_labels=None):
    x, y = DIGITS.test.floats(30)
    train, labels = DIGITS.train.floats(200)
    with torch.no_grad():  # a net that is right more often than not
        net[-1].weight.mul_(30)
    y = y if test_labels is None else test_labels
    return Subject(net, x, y, train=train, train_labels=drawn(net, train, labels))


def drawn(net, x, y):
    """Labels that are the net's class for half of the images."""
    with torch.no_grad():
        return torch.where(torch.arange(len(y)) % 2 == 0, net.eval()(x).argmax(1), y)


@pytest.mark.parametrize("factor", [0.1, 7.0])
@pytest.mark.parametrize("kind", ["net", "smooth_net"])
def test_figures_do_not_change_when_logits_are_multiplied_by_a_constant(kind, factor, request):
    subject = subject_of(request.getfixturevalue(kind))
    torch.manual_seed(1)
    known = measure(subject)
    torch.manual_seed(1)
    found = measure(replace(subject, net=Scaled(subject.net, factor)))
    for name in ("temperature", "logit_spread"):
        assert found.pop(name) == pytest.approx(factor * known.pop(name), rel=1e-4)
    assert found == {name: pytest.approx(v, rel=1e-3) for name, v in known.items()}
    raw = [
        find("fisher_score")(replace(subject, net=n)) for n in (subject.net, Scaled(subject.net, 7))
    ]
    assert raw[1]["jfs"] > 5 * raw[0]["jfs"]


def test_figures_are_those_of_a_net_whose_last_layer_is_divided(net):
    subject = subject_of(net)
    torch.manual_seed(1)
    found = measure(subject, images=20)
    known = {}
    for scale, by in (("calibrated", "temperature"), ("unit_spread", "logit_spread")):
        with torch.no_grad():
            net[-1].weight.div_(found[by])
            net[-1].bias.div_(found[by])
        x, y = subject.x, subject.y
        known |= {f"jfs_{scale}": float(fisher_score(net, x, y).mean())}
        known |= {f"mfs_{scale}": float(fisher_score(net, x).mean())}
        torch.manual_seed(1)
        bends = find("curvature")(subject, images=20)
        known |= {f"{k}_{scale}": bends[k] for k in ("curvature", "curvature_absolute")}
        with torch.no_grad():
            net[-1].weight.mul_(found[by])
            net[-1].bias.mul_(found[by])
    assert {k: found[k] for k in known} == {
        k: pytest.approx(v, rel=1e-3, abs=1e-6) for k, v in known.items()
    }
    assert found.keys() - known == {"temperature", "logit_spread"}


def test_a_scaled_net_is_as_piecewise_linear_as_the_net(net, smooth_net):
    x = DIGITS.test.floats(1)[0]
    assert is_piecewise_linear(Scaled(net.eval(), 2.0), x)
    assert not is_piecewise_linear(Scaled(smooth_net.eval(), 2.0), x)


@pytest.mark.parametrize("T", [0.3, 1.0, 4.0])
def test_the_temperature_of_labels_drawn_at_one_is_that_within_4_standard_errors(T):
    """Their information on 1 / T is n times the mean variance of f under p."""
    n = 20_000
    f = 3 * torch.randn(n, 5)
    p = (f / T).softmax(1).double()
    y = torch.multinomial(p, 1)[:, 0]
    information = n * ((p * f**2).sum(1) - (p * f).sum(1) ** 2).mean()
    found = temperature(f + torch.randn(n, 1), y)
    assert 1 / found == pytest.approx(1 / T, abs=4 * float(information) ** -0.5)
    nll = [F.cross_entropy(f.double() / (found * by), y) for by in (0.99, 1, 1.01)]
    assert nll[1] < min(nll[0], nll[2])


def test_it_is_the_training_images_that_calibrate(net):
    subject = subject_of(net)
    other = replace(subject, y=(subject.y + 1) % 10)
    assert measure(other)["temperature"] == measure(subject)["temperature"]
    fewer = measure(subject, fitted=40)["temperature"]
    with torch.no_grad():
        known = temperature(net.eval()(subject.train[::5]), subject.train_labels[::5])
    assert fewer == pytest.approx(known, rel=1e-4)


def test_the_spread_is_that_of_logits_less_what_all_classes_share():
    f = 3 * torch.randn(5000, 10) + 100 * torch.randn(5000, 1)
    assert logit_spread(f) == pytest.approx(3 * 0.9**0.5, rel=0.02)
    assert logit_spread(torch.tensor([[1.0, -1.0], [9.0, 7.0]])) == pytest.approx(1)


@pytest.mark.parametrize(
    ("logits", "said"),
    [
        (torch.eye(3), "right at all of the images, or no better"),
        (1 - torch.eye(3), "no better than chance"),
        (torch.zeros(3, 3), "no better than chance"),
    ],
    ids=["right", "wrong", "constant"],
)
def test_where_no_temperature_fits_it_is_said_in_a_line(logits, said):
    with pytest.raises(ValueError, match=f"^[^\n]*{said}[^\n]*$"):
        temperature(logits, torch.arange(3))
    with pytest.raises(ValueError, match=r"^the logits of all classes are equal[^\n]*$"):
        logit_spread(torch.ones(3, 3))


def test_what_has_no_temperature_is_left_out_with_a_word_and_constant_logits_are_refused(net):
    subject = subject_of(net)
    known = measure(subject)
    with torch.no_grad():
        right = net.eval()(subject.train).argmax(1)
    with pytest.warns(DoubtWarning, match="calibrated figures are left out: no temperature"):
        found = measure(replace(subject, train_labels=right))
    left_out = {"temperature", *(name for name in known if name.endswith("calibrated"))}
    assert known.keys() - found == left_out
    constant = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    nn.init.zeros_(constant[1].weight)
    nn.init.zeros_(constant[1].bias)
    with pytest.raises(ValueError, match="logits of all classes are equal"):
        measure(replace(subject, net=constant))
