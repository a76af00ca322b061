"""A classifier's logits are two energies, and cross-entropy is their difference."""

import math

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from jeat.energy import cross_entropy, energy_of, joint_energy, marginal_energy, score

LOGITS = arrays.arrays(
    np.float64, st.tuples(st.integers(1, 4), st.integers(1, 6)), elements=st.floats(-50, 50)
).map(torch.from_numpy)


def labels(logits):
    """Every sample a label, all classes in turn."""
    return torch.arange(len(logits)) % logits.shape[1]


@given(LOGITS)
def test_boltzmann_ratio_of_the_energies_is_softmax(logits):
    """Eq. 11: exp(E(x) - E(x, y)) = p(y|x), for each y."""
    for k in range(logits.shape[1]):
        y = torch.full((len(logits),), k)
        p = (marginal_energy(logits) - joint_energy(logits, y)).exp()
        torch.testing.assert_close(p, logits.softmax(1)[:, k])


@given(LOGITS)
def test_cross_entropy_is_torchs(logits):
    """Eq. 13."""
    y = labels(logits)
    expected = F.cross_entropy(logits, y, reduction="none")
    torch.testing.assert_close(cross_entropy(logits, y), expected, rtol=1e-12, atol=1e-12)


@given(LOGITS, st.floats(-50, 50))
def test_raising_all_logits_lowers_both_energies_and_leaves_cross_entropy(logits, c):
    y, close = labels(logits), torch.testing.assert_close
    close(joint_energy(logits + c, y), joint_energy(logits, y) - c)
    close(marginal_energy(logits + c), marginal_energy(logits) - c)
    close(cross_entropy(logits + c, y), cross_entropy(logits, y), rtol=0, atol=1e-12)


@given(LOGITS)
def test_marginal_energy_lies_below_every_joint_energy_by_at_most_log_c(logits):
    lowest = -logits.amax(1)
    assert (marginal_energy(logits) <= lowest + 1e-12).all()
    assert (marginal_energy(logits) >= lowest - math.log(logits.shape[1]) - 1e-12).all()


def test_joint_energy_is_minus_the_logit_exactly():
    logits = torch.randn(8, 10)
    y = torch.randint(10, (8,))
    assert joint_energy(logits, y).tolist() == [-float(logits[i, y[i]]) for i in range(8)]


@pytest.mark.parametrize("size", [1e4, 1e30])
def test_energies_of_huge_logits_are_finite_with_finite_gradients(size):
    logits = torch.tensor([[size, -size, 0.0], [-size, -size, -size]], requires_grad=True)
    y = torch.tensor([1, 2])
    expected = torch.tensor([-size, size - math.log(3)])
    torch.testing.assert_close(marginal_energy(logits), expected, rtol=1e-6, atol=0)
    E = torch.stack([joint_energy(logits, y), marginal_energy(logits), cross_entropy(logits, y)])
    E.sum().backward()
    assert E.isfinite().all()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize(
    ("given_in", "kept_in"),
    [
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_energies_are_in_fp32_or_better(given_in, kept_in):
    logits = torch.randn(5, 10).to(given_in)
    y = labels(logits)
    for E in (joint_energy(logits, y), marginal_energy(logits), cross_entropy(logits, y)):
        assert E.dtype == kept_in
    torch.testing.assert_close(marginal_energy(logits), -logits.to(kept_in).logsumexp(1))


@pytest.mark.parametrize("y", [-1, 3, 255])
@pytest.mark.parametrize("energy", [joint_energy, cross_entropy])
def test_a_label_outside_the_classes_is_refused(energy, y):
    with pytest.raises(ValueError, match=r"labels must lie in 0\.\.2"):
        energy(torch.zeros(2, 3), torch.tensor([0, y]))


def test_an_empty_batch_has_no_energies():
    assert joint_energy(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)).shape == (0,)


def test_energy_of_closes_a_net_into_its_energies(net, digits):
    x, y = digits
    logits = net(x)
    assert torch.equal(energy_of(net, y)(x), joint_energy(logits, y))
    assert torch.equal(energy_of(net)(x), marginal_energy(logits))


@pytest.mark.parametrize("labelled", [True, False])
def test_score_is_minus_the_gradient_by_central_differences(smooth_net, digits, labelled):
    x, y = digits[0][:2].double(), digits[1][:2]
    E = energy_of(smooth_net.double(), y if labelled else None)
    s, h = score(E, x), 1e-5
    for pixel in range(x[0].numel()):
        d = torch.zeros(1, 64).double()
        d[0, pixel] = h
        d = d.view(1, 1, 8, 8)
        slope = (E(x + d) - E(x - d)) / (2 * h)
        torch.testing.assert_close(s.flatten(1)[:, pixel], -slope, rtol=1e-6, atol=1e-8)


def test_score_is_detached_and_leaves_no_gradient_even_under_no_grad(net, digits):
    x = digits[0].requires_grad_()
    with torch.no_grad():
        s = score(energy_of(net), x)
    assert not s.requires_grad
    assert x.grad is None
    assert all(p.grad is None for p in net.parameters())


def test_score_of_each_sample_is_its_own():
    """The sum over the batch mixes nothing: the score of a batch is the batch of scores."""
    E = energy_of(nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.SiLU(), nn.Linear(3, 2)))
    x = torch.randn(5, 1, 2, 2)
    torch.testing.assert_close(score(E, x), torch.cat([score(E, one[None]) for one in x]))
