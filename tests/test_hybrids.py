"""DAT, SADA-JEM and EB-JDAT: the losses of their papers, at points that they say."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from jeat._support.checks import SettingError
from jeat.data import Batch
from jeat.energy import joint_energy, marginal_energy
from jeat.objectives import DAT, EBJDAT, SADAJEM
from jeat.objectives.dat import area_under_curve
from jeat.samplers import Restart
from jeat.steps import step_of
from jeat.training.followed import step_followed

from .test_baselines import points_of
from .test_objectives import batch_of, gradients, inputs_of, restart, watched

# DAT


def images_of(net, batch, objective):
    """What the loss of DAT sees, in order: x_adv, x, x_neg."""
    with inputs_of(net) as seen:
        loss, metrics = objective(net, Batch(batch.x, batch.y, logged=False))
    return loss, metrics, [x for x, training in seen if training]


def test_dat_adds_the_binary_cross_entropy_of_energies(smooth_net, digits):
    objective = DAT(restart, first_steps=3, w_px=0.7)
    loss, _, (x_adv, x, x_neg) = images_of(smooth_net, Batch(*digits), objective)
    assert torch.equal(x, digits[0])
    E = torch.cat([marginal_energy(smooth_net(x)), marginal_energy(smooth_net(x_neg))])
    real = torch.cat([torch.ones(len(x)), torch.zeros(len(x_neg))])
    expected = F.cross_entropy(smooth_net(x_adv), digits[1])
    expected = expected + 0.7 * F.binary_cross_entropy_with_logits(-E, real)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(gradients(loss, smooth_net), gradients(expected, smooth_net))


class Shifted(nn.Module):
    """Logits of a net with a constant added: energies as high or as low as one likes."""

    def __init__(self, net, by):
        super().__init__()
        self.net, self.by = net, nn.Parameter(torch.tensor(by))

    def forward(self, x):
        return self.net(x) + self.by


@pytest.mark.parametrize("by", [-1e4, -30.0, 0.0, 30.0, 1e4])
def test_the_gradient_of_dats_energy_loss_is_bounded_whatever_the_energies(by, smooth_net, digits):
    """d loss / d constant is 1/2 [-sigma(E) + sigma(-E_neg)], w_px / 2 at most; it holds no NaN."""
    net = Shifted(smooth_net, by)
    loss, metrics = DAT(restart, first_steps=1)(net, Batch(*digits))
    (slope,) = torch.autograd.grad(loss, net.by)
    assert loss.isfinite()
    assert abs(float(slope)) <= 0.501  # cross-entropy adds what fp32 loses at 1e4
    assert float(metrics["bce"]) <= abs(by) + 20


def test_negatives_of_dat_are_steps_of_one_length_down_e_x_y_from_starts_of_its_labels(
    smooth_net, digits
):
    starts = []

    def start(labels):
        starts.append((torch.full((len(labels), 1, 8, 8), 0.5), labels))
        return starts[-1][0]

    _, _, (_, _, x_neg) = images_of(
        smooth_net, Batch(*digits), DAT(Restart(start, 10), first_steps=1, step_size=0.1)
    )
    (x0, labels), y = starts[0], digits[1]
    assert torch.equal(labels, y)
    moved = (x_neg - x0).flatten(1)
    torch.testing.assert_close(moved.norm(dim=1), torch.full((16,), 0.1), rtol=1e-4, atol=1e-5)
    smooth_net.eval()
    assert (joint_energy(smooth_net(x_neg), y) < joint_energy(smooth_net(x0), y)).all()


def grown(objective, aucs):
    """T after each of these AUCs."""
    taken = []
    for auc in aucs:
        objective._grow(torch.tensor(auc))
        taken.append(int(objective.taken))
    return taken


def test_steps_grow_by_one_when_the_mean_auc_of_a_full_window_reaches_the_threshold():
    objective = DAT(restart, window=3, threshold=0.8)
    assert grown(objective, [1.0, 1.0, 0.3]) == [0, 0, 0]  # full, .77
    assert grown(objective, [0.5]) == [0]  # .6
    assert grown(objective, [1.0, 1.0]) == [0, 1]  # .3, .5, 1 -> .83: the last three
    assert grown(objective, [1.0, 1.0, 1.0]) == [1, 1, 2]  # a new window at each T


def test_steps_never_fall_and_never_pass_the_most():
    objective = DAT(restart, window=1, most_steps=2)
    assert grown(objective, [1.0, 0.0, 1.0, 0.0, 1.0, 1.0]) == [1, 1, 2, 2, 2, 2]


def test_dat_goes_on_with_as_many_steps_as_it_had():
    objective, other = (DAT(restart, window=2) for _ in range(2))
    grown(objective, [1.0, 1.0, 1.0])
    other.load_state_dict(objective.state_dict())
    assert grown(other, [1.0]) == grown(objective, [1.0]) == [2]


@pytest.mark.parametrize(
    ("true", "made", "auc"),
    [([1.0, 2.0], [0.0, -1.0], 1.0), ([0.0], [1.0, 2.0], 0.0), ([1.0], [1.0], 0.5),
     ([1.0, 3.0], [2.0, 0.0], 0.75)],
)  # fmt: skip
def test_the_auc_is_the_share_of_pairs_in_order(true, made, auc):
    assert area_under_curve(torch.tensor(true), torch.tensor(made)) == auc


@pytest.mark.parametrize(
    "settings", [{"window": 0}, {"threshold": 1.5}, {"first_steps": 5, "most_steps": 4}]
)
def test_dat_refuses_what_means_nothing(settings):
    with pytest.raises(SettingError):
        DAT(restart, **settings)


# SADA-JEM


def test_sada_jem_takes_the_energy_of_its_second_batch_and_the_loss_of_the_first(
    smooth_net, digits
):
    objective, seen = watched(SADAJEM(restart, steps=2, buffer_size=40, w_px=0.6, w_l2=0.1))
    batch = batch_of(digits, logged=False)
    loss, _ = objective(smooth_net, batch)
    E = marginal_energy(smooth_net(batch.others["positives"].x))
    E_neg = marginal_energy(smooth_net(seen["x_neg"]))
    expected = F.cross_entropy(smooth_net(batch.x), batch.y) + 0.6 * (E.mean() - E_neg.mean())
    expected = expected + 0.1 * ((E**2).mean() + (E_neg**2).mean())
    assert len(E) == len(E_neg) == 4
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(gradients(loss, smooth_net), gradients(expected, smooth_net))


def test_sada_jems_second_batch_is_not_augmented():
    (branch,) = SADAJEM(restart, buffer_size=64).branches.values()
    assert not branch.augment
    assert branch.data is None


def test_sada_jem_follows_the_sharpness_aware_gradient_unless_it_is_told_otherwise():
    asked = {"name": "sharpness_aware", "rho": 2.0, "adaptive": True}
    assert step_followed("sada_jem") == asked
    assert step_followed("sada_jem", "plain") == step_followed("jem") == "plain"
    step_of(asked)


def test_both_gradients_of_a_sharpness_aware_step_are_of_the_same_images(smooth_net, digits):
    objective = SADAJEM(restart, steps=2, buffer_size=40)
    batch, seen = batch_of(digits, logged=False), []
    loss_of = objective.points(smooth_net, batch)
    smooth_net.register_forward_pre_hook(lambda m, x: seen.append(x[0].clone()))
    for _ in range(2):
        loss_of(smooth_net)
    first, second = seen[: len(seen) // 2], seen[len(seen) // 2 :]
    assert len(first) == 3
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


# EB-JDAT


class Linear(nn.Module):
    """f(x) = W x, of double precision."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 64, dtype=torch.float64) / 8)

    def forward(self, x):
        return x.flatten(1).double() @ self.weight.T


def test_the_gap_of_eb_jdat_has_the_gradient_of_its_formula():
    """E(x) = -logsumexp W x: d/dW mean [E(x_adv) - E(x)] = -mean [p(x_adv) x_adv' - p(x) x']."""
    net, x, y = Linear(), torch.rand(6, 1, 8, 8, dtype=torch.float64), torch.arange(6) % 3
    loss = {}
    for w_gap in (0.0, 0.5):
        torch.manual_seed(1)
        objective = EBJDAT(lambda n: torch.rand(n, 1, 8, 8).double(), buffer_size=40, w_gap=w_gap)
        value, _, x_adv = points_of(objective, net, Batch(x, y))
        loss[w_gap] = torch.autograd.grad(value, net.weight)[0]

    def of(x):
        return net(x).softmax(1).T @ x.flatten(1) / len(x)

    expected = -0.5 * (of(x_adv) - of(x)).detach()
    torch.testing.assert_close(loss[0.5] - loss[0.0], expected)


def test_x_adv_of_eb_jdat_is_in_the_ball_and_has_more_energy(smooth_net, digits):
    x, y = digits
    smooth_net.eval()
    _, metrics, x_adv = points_of(
        EBJDAT(restart, buffer_size=40, eps=0.1, attack_steps=10), smooth_net, Batch(x, y)
    )
    assert (x_adv - x).abs().max() <= 0.1 + 1e-6
    assert x_adv.min() >= 0
    assert x_adv.max() <= 1
    assert (joint_energy(smooth_net(x_adv), y) > joint_energy(smooth_net(x), y)).all()
    assert metrics["E_adv-E_clean"] == metrics["E_adv"] - metrics["E_clean"]


def test_without_its_terms_eb_jdat_is_cross_entropy(smooth_net, digits):
    objective = EBJDAT(restart, buffer_size=40, w_adv=0.0, w_px=0.0, w_gap=0.0)
    loss, _ = objective(smooth_net, Batch(*digits))
    torch.testing.assert_close(loss, F.cross_entropy(smooth_net(digits[0]), digits[1]))
