"""Large logits make gradients of cross-entropy vanish in fp32, and those of the energy not."""

import pytest
import torch
from torch import nn

from jeat.metrics import Subject, find, zero_gradient


class Margin(nn.Module):
    """Two classes: logits -<w, x> / 2 and <w, x> / 2, so that f_1 leads by that."""

    def __init__(self, w):
        super().__init__()
        self.w = nn.Parameter(w)

    def forward(self, x):
        f = (x * self.w).flatten(1).sum(1) / 2
        return torch.stack([-f, f], 1)


class Scaled(nn.Module):
    def __init__(self, net, by):
        super().__init__()
        self.net, self.by = net, by

    def forward(self, x):
        return self.by * self.net(x)


def test_a_gradient_is_zero_where_the_label_leads_by_more_than_fp32_holds():
    """It is -p_0 w / 2 once 1 - p_1 rounds to 0; margins of 50 and 120: exp(-50) is a float."""
    w = torch.tensor([1000.0, 1000, 0, 0]).view(1, 1, 2, 2)
    x = torch.zeros(600, 1, 2, 2)
    x[:, :, 0, 0] = torch.tensor([0.05, 0.12]).repeat(300)[:, None]
    found = zero_gradient(Margin(w), x, torch.ones(600).long())
    assert found["zero_gradient_share"] == 0.5
    assert found["zero_gradient_pixels"] == 0.75
    assert found["zero_gradient_share_energy"] == 0
    assert found["logit_margin"] == pytest.approx(85)
    other = zero_gradient(Margin(w), x, torch.zeros(600).long())  # wrong, by as much
    assert other["zero_gradient_share"] == 0
    assert other["zero_gradient_share_energy"] == 0
    assert other["logit_margin"] == pytest.approx(-85)


@pytest.mark.parametrize("by", [1e6, 1e8])
def test_scaling_the_logits_masks_the_gradient(net, digits, by):
    x, _ = digits
    y = net(x).argmax(1)
    plain, masked = zero_gradient(net, x, y), zero_gradient(Scaled(net, by), x, y)
    assert plain["zero_gradient_share"] == plain["zero_gradient_pixels"] == 0
    assert masked["zero_gradient_share"] > 0.8
    assert masked["zero_gradient_pixels"] >= masked["zero_gradient_share"]
    assert plain["zero_gradient_share_energy"] == masked["zero_gradient_share_energy"] == 0
    flat = zero_gradient(Scaled(net, 0), x, y)
    assert flat["zero_gradient_share"] == flat["zero_gradient_share_energy"] == 1
    assert masked["logit_margin"] == pytest.approx(by * plain["logit_margin"], rel=1e-3)


def test_it_is_in_fp32_under_autocast(net, digits):
    with torch.autocast("cpu", torch.bfloat16):
        found = find("zero_gradient")(Subject(net, *digits))
    assert found == zero_gradient(net, *digits)
