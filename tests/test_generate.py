"""Generation is a Langevin chain down E(x, y) in [0, 1], from the net's own start."""

import shlex
from dataclasses import replace

import pytest
import torch

import jeat
from jeat.cli import main
from jeat.energy import cross_entropy, joint_energy, marginal_energy
from jeat.jobs.drawing import Drawing, draw
from jeat.jobs.image_files import load_images
from jeat.nets import Spec, build, load_net, save_net
from jeat.samplers import Chain, Uniform, langevin, last

LABELS = torch.arange(12) % 10


def gray(y):
    """Every chain starts from (1 + its label) / 20."""
    return ((1 + y.float()) / 20).view(-1, 1, 1, 1).expand(-1, 1, 8, 8).clone()


@pytest.mark.parametrize(("channels", "size"), [(1, 8), (3, 12)])
def test_images_are_in_0_to_1_one_a_label(channels, size):
    net = build(Spec("convnet-4", channels, size, ("a", "b", "c")))
    images = jeat.sample(net, torch.tensor([2, 0, 1, 1]), steps=3, noise=1.0)
    assert images.shape == (4, channels, size, size)
    assert images.min() >= 0
    assert images.max() <= 1
    assert not images.requires_grad


@pytest.mark.parametrize(
    ("settings", "loss", "noise"),
    [
        ({}, joint_energy, 0.005),
        ({"energy": "cross-entropy"}, cross_entropy, 0.005),
        ({"noise": None}, joint_energy, None),
    ],
    ids=["eq 17", "eq 16", "coupled noise"],
)
def test_it_is_the_clamped_chain_from_uniform_noise_with_jems_settings(
    smooth_net, settings, loss, noise
):
    torch.manual_seed(1)
    images = jeat.sample(smooth_net, LABELS, steps=4, **settings)
    torch.manual_seed(1)
    chain = langevin(
        lambda x: loss(smooth_net(x), LABELS), torch.rand(12, 1, 8, 8),
        steps=4, step_size=0.25, noise=noise, bounds=(0, 1),
    )  # fmt: skip
    assert torch.equal(images, last(chain))


@pytest.mark.parametrize("w", [0.0, -1.0, -0.3, 0.5, 2.0])
def test_the_chain_descends_e_x_y_and_w_times_e_x(smooth_net, w):
    """Each step is along the gradient of the formula: Eq. 17 at 0, Eq. 16 at -1, to the bit."""
    how = {"steps": 5, "step_size": 0.3, "noise": 0.02}

    def drawn(**settings):
        torch.manual_seed(1)
        return jeat.sample(smooth_net, LABELS, **how, **settings)

    images = drawn(w_marginal=w)
    if w in (0, -1):
        assert torch.equal(images, drawn(energy="cross-entropy" if w else "joint"))
    torch.manual_seed(1)
    smooth_net.eval()
    x, y = torch.rand(12, 1, 8, 8), torch.nn.functional.one_hot(LABELS, 10)
    for _ in range(5):
        x.requires_grad_()
        logits = smooth_net(x)
        weights = y + w * logits.softmax(1)  # -dE / d logits
        (uphill,) = torch.autograd.grad((weights.detach() * logits).sum(), x)
        x = (x.detach() + 0.3 * uphill + 0.02 * torch.randn_like(x)).clamp(0, 1)
    torch.testing.assert_close(images, x)


def test_more_weight_of_p_x_ends_at_lower_e_x(smooth_net):
    how = {"steps": 50, "step_size": 0.05, "noise": 0.0, "start": gray}
    ends = [
        marginal_energy(smooth_net(jeat.sample(smooth_net, LABELS, w_marginal=w, **how))).mean()
        for w in (-0.5, 0.0, 1.0)
    ]
    assert ends[0] > ends[1] > ends[2]


def test_the_weight_is_in_the_command_that_draws_the_images_again(smooth_net, tmp_path):
    save_net(smooth_net, Uniform((1, 8, 8)), tmp_path / "net.safetensors", about={})
    d = Drawing(str(tmp_path / "net.safetensors"), number=1, step_size=9.0, w_marginal=-0.5)
    file = tmp_path / "drawn.safetensors"
    assert main(shlex.split(d.command(str(file)))[1:]) == 0
    images, _, about = load_images(file)
    assert about["command"] == d.command(str(file))
    torch.testing.assert_close(images, draw(d)[0], rtol=0, atol=0.5 / 255 + 1e-6)
    assert (images - draw(replace(d, w_marginal=0.0))[0]).abs().max() > 1 / 255


def test_a_net_that_asks_for_a_chain_is_drawn_by_it_unless_told_otherwise(smooth_net, tmp_path):
    own = {"steps": 3, "step_size": 0.5, "noise": 0.1}
    save_net(smooth_net, Uniform((1, 8, 8)), tmp_path / "net", about={}, chain=Chain(**own))
    asks = load_net(tmp_path / "net")
    for given in ({}, {"steps": 2}, {"step_size": 0.1}, {"noise": None}):
        images = []
        for net, how in ((asks, given), (smooth_net.eval(), own | given)):
            torch.manual_seed(1)
            images.append(jeat.sample(net, LABELS, **how))
        torch.testing.assert_close(*images)


def test_bf16_passes_draw_nearly_the_same_images_in_fp32(smooth_net):
    images = []
    for precision in ("fp32", "bf16"):
        torch.manual_seed(1)
        images.append(jeat.sample(smooth_net, LABELS, steps=4, precision=precision))
    assert images[1].dtype == torch.float32
    assert not torch.equal(*images)
    torch.testing.assert_close(*images, rtol=0, atol=2e-3)


def test_each_chain_lowers_its_own_energy(smooth_net):
    how = {"steps": 50, "step_size": 0.05, "noise": 0.0, "start": gray}
    down_E_y = jeat.sample(smooth_net, LABELS, **how)
    down_loss = jeat.sample(smooth_net, LABELS, energy="cross-entropy", **how)

    def figures(x):
        logits = smooth_net(x).detach()
        return joint_energy(logits, LABELS), cross_entropy(logits, LABELS)

    (E_start, loss_start), (E_end, _), (_, loss_end) = map(
        figures, (gray(LABELS), down_E_y, down_loss)
    )
    assert (E_end < E_start).all()
    assert (loss_end < loss_start).all()


def test_the_same_seed_gives_the_same_images_and_another_does_not(smooth_net):
    images = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        images.append(jeat.sample(smooth_net, LABELS, steps=3))
    assert torch.equal(images[0], images[1])
    assert not torch.equal(images[0], images[2])


def test_many_labels_keep_their_order(smooth_net):
    """More than one piece; chains that hardly move show where each started."""
    labels = torch.randint(10, (1_100,))
    images = jeat.sample(smooth_net, labels, steps=1, step_size=1e-9, noise=0.0, start=gray)
    torch.testing.assert_close(images, gray(labels))


def test_the_nets_own_start_is_used_and_one_that_is_given_comes_first(smooth_net):
    still = {"steps": 1, "step_size": 1e-9, "noise": 0.0}
    smooth_net.start = gray
    torch.testing.assert_close(jeat.sample(smooth_net, LABELS, **still), gray(LABELS))
    given = jeat.sample(smooth_net, LABELS, start=lambda y: 1 - gray(y), **still)
    torch.testing.assert_close(given, 1 - gray(LABELS))


def test_the_net_is_run_in_eval_mode_and_left_as_it_was():
    net = build(Spec("convnet-4", 1, 8, tuple("0123456789"), norm="batch"))
    before = {k: v.clone() for k, v in net.state_dict().items()}
    passes = []
    net.register_forward_pre_hook(lambda m, x: passes.append(m.training))
    jeat.sample(net, LABELS, steps=3)
    assert passes == [False] * 4  # the last looks whether the end is finite
    assert all(m.training for m in net.modules())
    torch.testing.assert_close(dict(net.state_dict()), before, rtol=0, atol=0)
    assert all(p.grad is None for p in net.parameters())


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("labels", "settings", "said"),
    [
        ([0, 10], {}, r"one or more of 0\.\.9"),
        ([-1], {}, r"one or more of 0\.\.9"),
        ([], {}, r"one or more of 0\.\.9"),
        ([0], {"energy": "marginal"}, "unknown energy 'marginal'"),
        ([0], {"w_marginal": float("nan")}, "w_marginal must be a finite number, got nan"),
        ([0], {"w_marginal": "1"}, "w_marginal must be a finite number, got '1'"),
        ([0], {"w_marginal": 1.0, "energy": "cross-entropy"}, "leave one of them out"),
        ([0], {"steps": 0}, "at least 1 step"),
        ([0], {"step_size": 0.0}, "step_size must be positive"),
        ([0], {"noise": -1.0}, "noise must not be negative"),
    ],
)
def test_what_cannot_be_sampled_is_refused(net, labels, settings, said):
    with pytest.raises(ValueError, match=said):
        jeat.sample(net, torch.tensor(labels, dtype=torch.int64), **{"steps": 1} | settings)
