"""A metric gives the number its formula says, on nets whose number is known."""

import warnings

import pytest
import torch
from torch import nn
from torch.autograd.functional import hessian, jacobian
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from jeat import metrics
from jeat._support.plugins import constant_of
from jeat.attacks import fgsm
from jeat.energy import energy_of
from jeat.metrics import Subject, accuracy, energies, fisher_score, fisher_terms, robust_accuracy
from jeat.nets import Spec, autocast, build

CLASSES = ("one", "two", "three")
every_metric = pytest.mark.parametrize("name", metrics.names())
of_test_images = pytest.mark.parametrize(
    "name", [m for m in metrics.names() if not constant_of("metrics", m, "needs")]
)
labelled = pytest.mark.parametrize("joint", [True, False], ids=["joint", "marginal"])
every_activation = pytest.mark.parametrize("activation", ["leaky_relu", "silu"])


class Margin(nn.Module):
    """Two classes, the logit of class 1 being <w, x - 1/2> - at, of class 0 being 0."""

    def __init__(self, w, at):
        super().__init__()
        self.w, self.at = nn.Parameter(w), at

    def forward(self, x):
        f = ((x - 0.5) * self.w).flatten(1).sum(1) - self.at
        return torch.stack([torch.zeros_like(f), f], 1)


class Gaussian(nn.Module):
    """One class of logit -|x|^2 / (2 s^2), so that p(x) is a Gaussian."""

    def __init__(self, s):
        super().__init__()
        self.s = s

    def forward(self, x):
        return -x.flatten(1).square().sum(1, keepdim=True) / (2 * self.s**2)


def tiny(activation, **spec):
    """A net of 4x4 images small enough for brute force, with weights that make it curve."""
    net = build(Spec("convnet-2", 1, 4, CLASSES, activation=activation, **spec)).double()
    for p in net.parameters():
        nn.init.normal_(p, std=0.5)
    return net


@pytest.mark.parametrize(
    "measured",
    [
        accuracy,
        energies,
        fisher_terms,
        lambda net, x, y: fisher_terms(net, x),
        lambda net, x, y: metrics.calibration_error(net, x, y, bins=3),
        metrics.judge_accuracy,
        metrics.zero_gradient,
        lambda net, x, y: metrics.out_of_distribution(net, x, 1 - x),
    ],
    ids=["accuracy", "energies", "jfs", "mfs", "ece", "judge", "zeros", "outside"],
)
def test_figures_are_in_fp32_also_under_autocast(measured):
    net = build(Spec("convnet-4", 1, 8, CLASSES))
    x, y = torch.rand(6, 1, 8, 8), torch.arange(6) % 3
    kinds, found = [], []
    net.register_forward_hook(lambda m, i, logits: kinds.append(logits.dtype))
    for around in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=around):
            found.append(measured(net, x, y))
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=0)
    assert set(kinds) == {torch.float32}


@pytest.fixture
def images():
    """Six images (6, 1, 4, 4) and their labels."""
    return torch.rand(6, 1, 4, 4).double(), torch.arange(6) % 3


def brute_force(net, x, y):
    """1/2 |grad E|^2 (B,) and the Hessians of E (B, d, d), by automatic differentiation."""
    E, n, d = energy_of(net.eval(), y), len(x), x[0].numel()
    g = jacobian(lambda x: E(x).sum(), x).view(n, d)
    H = hessian(lambda x: E(x).sum(), x).view(n, d, n, d)
    return g.square().sum(1) / 2, H[torch.arange(n), :, torch.arange(n)]


def trace(H):
    return H.diagonal(dim1=1, dim2=2).sum(1)


@every_metric
def test_a_metric_measures_finite_floats_in_eval_mode_and_leaves_the_net_as_it_was(name, digits):
    net = build(Spec("convnet-4", 1, 8, tuple("0123456789"), norm="batch"))
    net[2].eval()
    net.normalised = True  # as a flow says of itself
    modes, state = [m.training for m in net.modules()], list(net.state_dict().values())
    before = [v.clone() for v in state]
    passes = []
    net.register_forward_pre_hook(lambda m, x: passes.append(m.training))
    x, y = digits
    train = torch.rand(9, 1, 8, 8)
    judge = build(Spec("convnet-4", 1, 8, tuple("0123456789")))
    others = {"samples": x, "sample_labels": y, "train": train, "outside": 1 - x, "judge": judge}
    others["train_labels"] = torch.arange(9)
    given = {field: others[field] for field in constant_of("metrics", name, "needs") or ()}
    found = metrics.find(name)(Subject(net, x[:4], y[:4], **given | {"judge": judge}))
    assert found
    for value in found.values():
        assert type(value) is float
        assert abs(value) < float("inf")
    assert passes or given
    assert not any(passes)
    assert [m.training for m in net.modules()] == modes
    assert all(torch.equal(a, b) for a, b in zip(state, before, strict=True))
    assert all(p.grad is None for p in net.parameters())


@pytest.mark.usefixtures("unchecked")
@of_test_images
def test_a_metric_needs_images_and_as_many_labels(name, net, digits):
    x, y = digits
    net.normalised = True
    for images, labels in ((x[:0], y[:0]), (x, y[:-1])):
        with pytest.raises(ValueError, match="as many labels as images"):
            metrics.find(name)(Subject(net, images, labels, outside=x))


def test_a_metric_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="unknown metric 'fid0': metrics are "):
        metrics.find("fid0")
    with pytest.raises(ValueError, match="unknown metric"):
        metrics.find("_subject")


def test_accuracy_is_the_share_of_labels_with_the_largest_logit():
    """1,100 one-hot images of ten classes, every fourth label wrong: more than one piece."""
    y = torch.arange(1_100) % 10
    x = F.one_hot(y, 10).float().view(-1, 10, 1, 1)
    said = torch.where(torch.arange(1_100) % 4 == 0, (y + 1) % 10, y)
    assert accuracy(nn.Flatten(), x, said) == 0.75
    assert energies(nn.Flatten(), x, said)["accuracy"] == 0.75


def test_energies_are_means_over_all_images_whatever_the_pieces(smooth_net):
    x, y = torch.rand(700, 1, 8, 8), torch.arange(700) % 10
    found, logits = energies(smooth_net, x, y), smooth_net(x).detach()
    assert found["E_y"] == pytest.approx(float(-logits[torch.arange(700), y].mean()), rel=1e-5)
    assert found["E"] == pytest.approx(float(-logits.logsumexp(1).mean()), rel=1e-5)
    assert found["cross_entropy"] == pytest.approx(float(F.cross_entropy(logits, y)), rel=1e-4)


@pytest.mark.parametrize("loss", ["ce", "energy"])
@pytest.mark.parametrize(("norm", "dual", "eps"), [("linf", 1, 8 / 255), ("l2", 2, 0.1)])
def test_robust_accuracy_is_the_share_of_margins_beyond_eps_times_the_dual_norm(
    loss, norm, dual, eps
):
    """On a linear net: half of the images have 0.8 of that margin, half 1.2, all are right."""
    w = torch.randn(1, 2, 3, 3)
    reach = eps * float(w.norm(dual))
    margins = reach * torch.tensor([0.8, 1.2]).repeat(40)
    x = 0.5 + (margins / w.square().sum()).view(-1, 1, 1, 1) * w
    net, y = Margin(w, 0.0), torch.ones(80, dtype=torch.int64)
    assert accuracy(net, x, y) == 1
    for radius, share in ((eps, 0.5), (0.0, 1.0)):
        found = robust_accuracy(net, x, y, eps=radius, step_size=eps, norm=norm, loss=loss)
        assert found == share


@pytest.mark.parametrize(("eps", "robust"), [(0.01, 1.0), (0.1, 0.0)])
def test_an_image_that_only_bf16_takes_for_fooled_is_attacked_to_the_end(eps, robust):
    """0.001 between two logits is lost in bf16; the pixels but the first can take away 0.002."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(101, 2, bias=False))
    with torch.no_grad():
        net[1].weight.zero_()
        net[1].weight[:, 0] = torch.tensor([1.0, 1.001])
        net[1].weight[1, 1:] = -0.0002
        x, y = torch.full((1, 1, 1, 101), 0.0), torch.tensor([1])
        x[..., 0] = 0.95
        x[..., 1:51], net[1].weight[1, 51:] = 0.5, 0.0002  # which cancel in the clean image
        x[..., 51:] = 0.5
        with autocast("bf16", x.device):
            assert net(x).argmax(1) == 0
        assert net(x).argmax(1) == 1
    found = robust_accuracy(net, x, y, eps=eps, step_size=eps / 4, precision="bf16")
    assert found == robust


def test_robust_accuracy_is_pgd_20_at_8_255_by_default():
    """20 steps of 2/255 from one random start: margins of 7.9 and 8.1 times ||w||_1 / 255."""
    w = torch.randn(1, 1, 4, 4)
    margins = float(w.norm(1)) / 255 * torch.tensor([7.9, 8.1, 8.1, 8.1])
    x = 0.5 + (margins / w.square().sum()).view(-1, 1, 1, 1) * w
    found = metrics.find("robust_accuracy")(Subject(Margin(w, 0.0), x, torch.ones(4).long()))
    assert found == {"robust_accuracy": 0.75}


@pytest.mark.parametrize("loss", ["ce", "energy"])
def test_one_step_without_a_random_start_is_fgsm_on_what_is_classified_right(loss, net):
    """Table 1's attacks; the images with the label that the net says first or second."""
    x = torch.rand(400, 1, 8, 8)
    y = net(x).topk(2).indices[torch.arange(400), torch.arange(400) % 5 // 4]
    x_adv = fgsm(net, x, y, eps=0.02, loss=loss)
    right = (net(x).argmax(1) == y) & (net(x_adv).argmax(1) == y)
    assert 0.1 < float(right.float().mean()) < 0.7
    how = {"eps": 0.02, "steps": 1, "step_size": 0.02, "loss": loss}
    found = robust_accuracy(net, x, y, random_start=False, **how)
    assert found == float(right.sum()) / 400
    measured = metrics.find("robust_accuracy")(Subject(net, x, y), random_start=False, **how)
    assert measured == {"robust_accuracy": found}
    assert robust_accuracy(net, x, y, **how) != found


@labelled
@every_activation
def test_the_exact_score_is_that_of_the_brute_force_hessian(activation, joint, images):
    """Eq. 23 and 24: 1/2 |grad E|^2 - tr Hess E."""
    net, (x, y) = tiny(activation), images
    y = y if joint else None
    half_square, H = brute_force(net, x, y)
    found = fisher_terms(net, x, y)
    scale = half_square.abs().max()
    torch.testing.assert_close(found[0], half_square, rtol=1e-9, atol=0)
    torch.testing.assert_close(found[1].double(), trace(H), rtol=1e-5, atol=1e-6 * scale)
    J = half_square - trace(H)
    torch.testing.assert_close(fisher_score(net, x, y).double(), J, rtol=1e-5, atol=1e-6 * scale)


def test_the_trace_of_the_joint_hessian_is_0_for_a_leaky_relu_net(images):
    net, (x, y) = tiny("leaky_relu"), images
    assert (brute_force(net, x, y)[1] == 0).all()
    for probes in (None, 5):
        assert (fisher_terms(net, x, y, probes=probes)[1] == 0).all()
    assert fisher_terms(net, x)[1].abs().max() > 1e-3  # the marginal one is not


def test_batch_norm_is_measured_in_eval_mode_in_closed_form(images):
    net, x = tiny("leaky_relu", norm="batch"), images[0]
    for _ in range(3):
        net(torch.rand(8, 1, 4, 4).double())
    assert net.training
    J = fisher_score(net, x)
    assert net.training
    half_square, H = brute_force(net, x, None)
    torch.testing.assert_close(J.double(), half_square - trace(H), rtol=1e-5, atol=1e-5)


@labelled
@every_activation
def test_hutchinson_is_unbiased_with_the_spread_of_rademacher_probes(activation, joint, images):
    """Var v^T H v = 2 sum_{i != j} H_ij^2; mean of 4,000 probes within 4 standard errors."""
    n, net, (x, y) = 4_000, tiny(activation), (images[0][:2], images[1][:2])
    y = y if joint else None
    _, H = brute_force(net, x, y)
    variance = 2 * (H.square().sum((1, 2)) - H.diagonal(dim1=1, dim2=2).square().sum(1))
    many = net, x.repeat_interleave(n, 0), None if y is None else y.repeat_interleave(n)
    draws = fisher_terms(*many, probes=1)[1].double().view(2, n)
    rounding = 1e-6 * H.abs().amax((1, 2))
    assert ((draws.mean(1) - trace(H)).abs() <= 4 * (variance / n).sqrt() + rounding).all()
    square = (draws - trace(H)[:, None]).square()
    spread = 4 * square.std(1) / n**0.5
    assert ((square.mean(1) - variance).abs() <= spread + rounding).all()


def test_probes_are_averaged(images):
    net, x = tiny("silu"), images[0]
    torch.manual_seed(3)
    together = fisher_terms(net, x, probes=5)[1]
    torch.manual_seed(3)
    apart = torch.stack([fisher_terms(net, x, probes=1)[1] for _ in range(5)])
    torch.testing.assert_close(together, apart.mean(0))


@labelled
@pytest.mark.parametrize("probes", [None, 1, 3])
@pytest.mark.parametrize("s", [0.3, 1.0, 2.0])
def test_the_score_of_a_gaussian_is_in_closed_form(s, probes, joint):
    """J = |x|^2 / (2 s^4) - D / s^2; a diagonal Hessian leaves Rademacher probes no variance."""
    x, y = torch.rand(7, 3, 4, 4), torch.zeros(7, dtype=torch.int64)
    J = fisher_score(Gaussian(s), x, y if joint else None, probes=probes)
    expected = x.flatten(1).square().sum(1) / (2 * s**4) - 48 / s**2
    torch.testing.assert_close(J, expected, rtol=1e-5, atol=1e-5 * 48 / s**4)


@labelled
@every_activation
def test_scores_in_0_to_1_are_4_times_those_in_minus_1_to_1(activation, joint, images):
    x, y = images
    y = y if joint else None
    in_01 = tiny(activation)  # sees (x - 1/2) / (1/2) = 2 x - 1 after its first layer
    in_11 = build(Spec("convnet-2", 1, 4, CLASSES, activation=activation, mean=0.0, std=1.0))
    in_11.double().load_state_dict(in_01.state_dict())
    half_square, H = brute_force(in_11, 2 * x - 1, y)
    fourfold = 4 * (half_square - trace(H))
    torch.testing.assert_close(fisher_score(in_01, x, y).double(), fourfold, rtol=1e-5, atol=1e-5)


@labelled
@every_activation
def test_a_float64_net_is_measured_in_float64(activation, joint, images):
    net, (x, y) = tiny(activation), images
    y = y if joint else None
    _, H = brute_force(net, x, y)
    torch.testing.assert_close(fisher_terms(net, x, y)[1], trace(H), rtol=1e-9, atol=1e-9)


def test_only_the_gradient_of_the_energy_counts_not_that_of_the_softmax(images):
    """Raising all logits by the same function of x changes p(x) and not p(y|x): J must see it."""
    net, x = tiny("leaky_relu"), images[0]
    before = fisher_score(net, x)
    with torch.no_grad():
        net[-1].weight += torch.randn(1, net[-1].in_features).double()
    assert not torch.allclose(fisher_score(net, x), before)


def test_the_score_is_the_same_under_no_grad_and_detached(images):
    net, x = tiny("leaky_relu"), images[0]
    with torch.no_grad():
        quiet = fisher_score(net, x)
    assert torch.equal(quiet, fisher_score(net, x))
    assert not quiet.requires_grad


class Attention(nn.Module):
    """A small vision transformer of 4 patches."""

    def __init__(self):
        super().__init__()
        self.patches, self.qkv = nn.Conv2d(1, 8, 2, 2), nn.Linear(8, 24)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        z = self.patches(x).flatten(2).mT
        q, k, v = (t.unflatten(-1, (2, 4)).transpose(1, 2) for t in self.qkv(z).chunk(3, -1))
        z = z + F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return self.head(z.mean(1))


def transformer():
    layer = nn.TransformerEncoderLayer(4, 2, 8, 0.0, batch_first=True)
    return nn.Sequential(
        nn.Flatten(1), nn.Unflatten(1, (4, 4)), layer, nn.Flatten(1), nn.Linear(16, 3)
    )


@labelled
@pytest.mark.parametrize("make", [Attention, transformer])
def test_attention_is_differentiated_twice(make, joint, images):
    net, (x, y) = make().double(), images
    y = y if joint else None
    with sdpa_kernel(SDPBackend.MATH):
        half_square, H = brute_force(net, x, y)
    assert trace(H).abs().min() > 1e-6
    found = fisher_terms(net, x, y)
    torch.testing.assert_close(found[0], half_square)
    torch.testing.assert_close(found[1], trace(H))
    many = torch.stack([fisher_terms(net, x, y, probes=64)[1] for _ in range(30)])
    error = many.std(0) / 30**0.5
    assert ((many.mean(0) - trace(H)).abs() <= 5 * error + 1e-9).all()


def test_what_autograd_cannot_differentiate_twice_is_named_with_what_would_do(images):
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.Hardsigmoid(), nn.Linear(8, 3)).double()
    x, y = images
    with pytest.raises(ValueError, match=r"derivative of the net's hardsigmoid: .*curvature"):
        fisher_score(net, x, y, probes=2)
    exact = fisher_score(net, x)  # which needs none: the net is piecewise linear
    logits = jacobian(lambda x: net(x), x).view(6, 3, 6, 16)[torch.arange(6), :, torch.arange(6)]
    p = net(x).softmax(1)
    m = (p[:, :, None] * logits).sum(1)
    spread = (p * logits.square().sum(2)).sum(1) - m.square().sum(1)
    torch.testing.assert_close(exact, m.square().sum(1) / 2 + spread)
    curving = nn.Sequential(net[:3], nn.SiLU(), net[3])
    with pytest.raises(ValueError, match="hardsigmoid"):
        fisher_score(curving, x, y)
    metrics.find("curvature")(Subject(curving, x, y))


def test_a_residual_net_of_others_is_scored_in_closed_form_by_a_pass_a_class():
    """The sum of branches in torchvision's and timm's nets; 3072 products an image before."""

    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
            self.norm, self.head = nn.BatchNorm2d(4), nn.Linear(4, 3)

        def forward(self, x):
            x = F.relu(self.norm(self.first(x)), inplace=True)
            out = self.second(x)
            out += x
            return self.head(F.relu(out).mean((2, 3)))

    net, x = Residual().eval(), torch.rand(2, 3, 32, 32)
    passes = []
    net.register_forward_hook(lambda *_: passes.append(1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        J, y = fisher_score(net, x), torch.tensor([0, 1])
        measured = metrics.find("fisher_score")(Subject(net, x, y))
    assert len(passes) < 10
    assert measured["fisher_probes"] == 0
    gradient, trace = fisher_terms(net, x, probes=200)
    torch.testing.assert_close(J, gradient - trace, rtol=0.3, atol=0)


def test_the_number_of_products_is_said_before_an_exact_score_takes_many(monkeypatch):
    net = nn.Sequential(nn.Flatten(), nn.Linear(1024, 4), nn.SiLU(), nn.Linear(4, 2))
    passes = []
    net.register_forward_hook(lambda *_: passes.append(1))

    monkeypatch.setattr(warnings, "warn", lambda text, **_: passes.append(text))
    fisher_score(net, torch.rand(3, 1, 32, 32))
    (text,) = [p for p in passes if isinstance(p, str)]
    assert "1024 Hessian-vector products an image, 3072 in all; probes=10" in text
    passes.clear()
    fisher_score(net, torch.rand(3, 1, 32, 32), probes=2)
    assert "1024" not in str(passes)


def test_measured_scores_are_means_over_all_images_whatever_the_pieces():
    net = build(Spec("convnet-2", 1, 4, CLASSES))
    x, y = torch.rand(150, 1, 4, 4), torch.arange(150) % 3
    found = metrics.find("fisher_score")(Subject(net, x, y))
    for name, labels in (("jfs", y), ("mfs", None)):
        gradient, curvature = (float(t.mean()) for t in fisher_terms(net, x, labels))
        assert found[f"{name}_gradient"] == pytest.approx(gradient, rel=1e-5)
        assert found[f"{name}_trace"] == pytest.approx(curvature, rel=1e-5)
        assert found[name] == pytest.approx(gradient - curvature, rel=1e-5)


@pytest.mark.parametrize(
    ("y", "probes", "said"),
    [
        (None, 0, "at least 1 probe"),
        (None, -2, "at least 1 probe"),
        (torch.full((6,), 3), None, r"labels must lie in 0\.\.2"),
        (torch.full((6,), 3), 2, r"labels must lie in 0\.\.2"),
    ],
)
def test_a_score_that_cannot_be_had_is_refused(y, probes, said, images):
    with pytest.raises(ValueError, match=said):
        fisher_score(tiny("leaky_relu"), images[0], y, probes=probes)
