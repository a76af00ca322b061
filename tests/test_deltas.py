"""Eq. 15: what an attack and an optimiser step do to the energies."""

import pytest
import torch
from torch import nn

from jeat.data import Batch
from jeat.energy import joint_energy, marginal_energy
from jeat.nets import autocast
from jeat.training.deltas import watch

EPS = 0.05


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 3))


@pytest.fixture
def batch():
    return Batch(0.25 + torch.rand(64, 3, 2, 2) / 2, torch.arange(64) % 3)


def test_a_step_that_changes_nothing_changes_no_energy(net, batch):
    changes = watch(net, batch, eps=EPS)()
    assert all(v == 0 for k, v in changes.items() if "theta" in k)
    assert changes["delta_x_E_y"] > 0  # the attack lowers the label's logit


def test_deltas_are_the_changes_of_the_logits(net, batch):
    """Adding c to the bias of one class lowers E(x, y) of its images by c, and all E(x) by less."""
    changes = watch(net, batch, eps=EPS)
    with torch.no_grad():
        net[1].bias[0] += 0.3
    found = changes()
    ours = (batch.y == 0).float()
    assert found["delta_theta_E_y"] == pytest.approx(-0.3 * ours.mean().item(), abs=1e-6)
    assert found["delta_theta_E_y_std"] == pytest.approx(
        0.3 * ours.std(correction=0).item(), abs=1e-6
    )
    assert -0.3 < found["delta_theta_E"] < 0


def test_the_attack_is_one_and_the_same_before_and_after(net, batch):
    """With one step from within the ball every pixel ends at its edge or near it: closed form."""
    found = watch(net, batch, eps=1e-3)()
    x = batch.x.requires_grad_()
    logits = net(x)
    E_y, E = joint_energy(logits, batch.y), marginal_energy(logits)
    (g,) = torch.autograd.grad((E_y - E).sum(), x, retain_graph=True)
    for name, energy in (("E_y", E_y), ("E", E)):
        (slope,) = torch.autograd.grad(energy.sum(), x, retain_graph=True)
        steepest = (slope * g.sign()).flatten(1).sum(1).mean().item() * 1e-3
        most = slope.abs().flatten(1).sum(1).mean().item() * 1e-3
        # 1.25 eps from U(-eps, eps), clipped: the mean displacement is 0.859 eps towards the sign
        assert abs(found[f"delta_x_{name}"] - 0.859 * steepest) < 0.1 * most


def test_it_leaves_no_trace_and_is_in_fp32(net, batch):
    net[1].weight.requires_grad = False
    state = torch.random.get_rng_state()
    with autocast("bf16", batch.x.device):
        inside = watch(net, batch, eps=EPS)()
    assert torch.equal(torch.random.get_rng_state(), state)
    assert inside == watch(net, batch, eps=EPS)()
    assert net.training
    assert net[1].bias.requires_grad
    assert not net[1].weight.requires_grad
    assert net[1].bias.grad is None
