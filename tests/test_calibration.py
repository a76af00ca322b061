"""ECE is 0 for what is calibrated, and the gap for what is not."""

import pytest
import torch
from torch import nn

from jeat.metrics import Subject, calibration_error, find


class Table(nn.Module):
    """Known logits (n, k): those of row i for the image whose one pixel is i / n."""

    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, x):
        return self.logits[(x.flatten() * len(self.logits)).round().long()]

    @property
    def images(self):
        n = len(self.logits)
        return (torch.arange(n) / n).view(n, 1, 1, 1)


def error(logits, y, **how):
    net = Table(logits)
    return calibration_error(net, net.images, y, **how)


def confident(confidence, right):
    """Three-class logits of top probability ``confidence`` (n,), and labels where it is right."""
    p = torch.stack([confidence, (1 - confidence) / 2, (1 - confidence) / 2], 1)
    return p.log(), (~right).long()


def test_labels_drawn_from_the_predicted_distribution_are_calibrated():
    """Sampling error only: sum_m n_m / N |mean of n_m coins| <= sqrt(bins / N) / 2."""
    n = 20_000
    logits = 2 * torch.randn(n, 4)
    y = torch.multinomial(logits.softmax(1), 1)[:, 0]
    assert error(logits, y) < 0.5 * (15 / n) ** 0.5
    sharper = error(3 * logits, y)
    gap = (3 * logits).softmax(1).amax(1).mean() - (logits.argmax(1) == y).float().mean()
    assert sharper == pytest.approx(float(gap), abs=0.01)
    assert sharper > 0.1


@pytest.mark.parametrize("confidence", [0.5, 0.95, 1 - 2e-7])
def test_confidence_that_is_not_kept_is_the_error(confidence):
    right = torch.arange(700) % 4 != 0
    x, y = confident(torch.full((700,), confidence), right)
    assert error(x, y) == pytest.approx(abs(confidence - 0.75), abs=1e-5)


def test_exactly_1_is_in_the_last_bin():
    """(1 + 0.95) / 2 is the bin's confidence, 3/4 its accuracy."""
    x = torch.tensor([[500.0, 0, 0], [0.95, 0.025, 0.025]]).repeat(100, 1)
    x[1::2] = x[1::2].log()
    y = torch.tensor([0, 0, 1, 0]).repeat(50)
    assert error(x, y) == pytest.approx(0.975 - 0.75, abs=1e-5)


def test_large_logits_and_logits_in_0_to_1_are_both_logits():
    right = torch.ones(100, dtype=torch.bool)
    x, y = confident(torch.full((100,), 0.9), right)
    x = x - x.amin()  # logits of 0 and log(18)
    for shift in (0.0, 1e3):
        found = error(x + shift, y)
        assert found == pytest.approx(0.1, abs=1e-3)
    weak = error(x / 10, y)  # all in [0, 1], and not probabilities
    assert weak == pytest.approx(1 - float((x / 10).softmax(1).amax()), abs=1e-5)


def test_it_is_measured_in_15_bins_of_which_each_has_its_own_error():
    """Confidences of 0.61, all right, and 0.69, none right: in two of 15 bins, in one of 10."""
    right = torch.tensor([True, False] * 50)
    x, y = confident(torch.tensor([0.61, 0.69] * 50), right)
    net = Table(x)
    found = find("calibration")(Subject(net, net.images, y))
    assert found == pytest.approx({"ece": (0.39 + 0.69) / 2}, abs=1e-5)
    one = error(x, y, bins=10)
    assert one == pytest.approx(0.65 - 0.5, abs=1e-5)
