"""Every net takes images in [0, 1], gives logits, and can be rebuilt from its spec."""

from dataclasses import replace
from itertools import product

import pytest
import torch
from pytorchcv.model_provider import get_model
from torch import nn
from torch.func import hessian, vmap

from jeat._support.plugins import known_parts
from jeat._support.signatures import signature_of
from jeat.nets import (
    Spec,
    autocast,
    build,
    by_name,
    evaluating,
    is_piecewise_linear,
    net_settings,
)

SMALLEST = {
    "convnet": "convnet-4",
    "vgg": "vgg-4",
    "wrn": "wrn-10-1",
    "wide_resnet": "wide_resnet-10-1",
    "preact_resnet": "preact_resnet-10-4",
    "resnet": "resnet-10-4",
    "igebm": "igebm-4",
    "glow": "glow-1-1-4",
}  # else an architecture's own defaults
FILES = [name for name in known_parts("nets") if name != "wrap"]  # it has a test of its own
NAMES = [SMALLEST.get(file, file) for file in FILES]
DENSITIES = ["glow-1-1-4"]  # squares of latents curve them
CLASSIFIERS = [name for name in NAMES if {"norm", "mean"} <= net_settings(name, {}).keys()]
CLASSES = ("one", "two", "three")
CHOICES = {
    "norm": ["none", "batch", "group"],
    "activation": ["relu", "leaky_relu", "silu", "softplus"],
}


def chosen(name):
    """The settings among CHOICES that an architecture takes, in every combination."""
    takes = {f.name for f in signature_of("nets", name.partition("-")[0]).flags}
    some = [[(k, v) for v in values] for k, values in CHOICES.items() if k in takes]
    return [dict(settings) for settings in product(*some)]


every_net = pytest.mark.parametrize("name", NAMES)
every_classifier = pytest.mark.parametrize("name", CLASSIFIERS)  # a flow normalises in its own way
every_kind = pytest.mark.parametrize(
    ("name", "settings"), [(name, settings) for name in NAMES for settings in chosen(name)]
)


@every_kind
@pytest.mark.parametrize(("channels", "size"), [(1, 8), (3, 32), (1, 28), (3, 9)])
def test_an_architecture_keeps_the_contract(name, settings, channels, size):
    spec = Spec(name, channels, size, CLASSES, **settings)
    net = build(spec)
    assert net.spec.settings.items() >= spec.settings.items()
    assert build(net.spec).spec == net.spec
    x = torch.rand(2, channels, size, size, requires_grad=True)
    logits = net(x)
    assert logits.shape == (2, 3)
    assert logits.isfinite().all()
    logits.sum().backward()
    assert x.grad.abs().sum() > 0
    assert all(p.grad is not None for p in net.parameters())
    again = build(spec)
    again.load_state_dict(net.state_dict())
    with evaluating(net), evaluating(again):
        assert torch.equal(net(x), again(x))


@pytest.mark.parametrize("name", [n for n in NAMES if any("activation" in s for s in chosen(n))])
def test_the_activation_asked_for_is_the_only_one(name):
    kinds = {"relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "silu": nn.SiLU, "softplus": nn.Softplus}
    for asked in kinds:
        modules = list(build(Spec(name, 1, 8, CLASSES, activation=asked)).modules())
        found = {kind for kind, cls in kinds.items() if any(isinstance(m, cls) for m in modules)}
        assert found == {asked}
        assert all(m.negative_slope == 0.2 for m in modules if isinstance(m, nn.LeakyReLU))


@every_classifier
@pytest.mark.parametrize(("mean", "std"), [(0.5, 0.5), (0.3, 0.1)])
def test_the_first_layer_maps_the_mean_to_0_and_one_std_above_it_to_1(name, mean, std):
    net = build(Spec(name, 1, 8, CLASSES, mean=mean, std=std))
    first = next(m for m in net.modules() if not list(m.children()))
    image = torch.full((1, 1, 8, 8), mean)
    assert (first(image) == 0).all()
    torch.testing.assert_close(first(image + std), torch.ones(1, 1, 8, 8))


@every_kind
def test_piecewise_linear_is_claimed_where_no_layer_curves(name, settings):
    net = build(Spec(name, 1, 8, CLASSES, **settings)).eval()
    straight = {"group", "silu", "softplus"}.isdisjoint(settings.values())
    assert is_piecewise_linear(net) == (straight and name not in DENSITIES)


@every_kind
def test_the_hessian_of_a_logit_is_0_exactly_where_piecewise_linear_is_claimed(name, settings):
    net = build(Spec(name, 1, 4, CLASSES, **settings)).double().eval()
    for p in net.parameters():
        nn.init.normal_(p, std=0.3)  # so that no curvature is lost to rounding
    x = torch.rand(2, 1, 4, 4).double()
    H = vmap(hessian(lambda one: net(one[None])[0]))(x)
    assert bool((H == 0).all()) == is_piecewise_linear(net)


def test_what_depends_on_the_batch_is_not_piecewise_linear():
    net = build(Spec("convnet-4", 1, 8, CLASSES, norm="batch"))
    assert not is_piecewise_linear(net)
    assert is_piecewise_linear(net.eval())
    dropping = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    assert not is_piecewise_linear(dropping)
    assert is_piecewise_linear(dropping.eval())


class Softmaxed(nn.Sequential):
    """A subclass of a known container, with a forward pass of its own."""

    def forward(self, x):
        return super().forward(x).softmax(1)


@pytest.mark.parametrize(
    "net",
    [
        Softmaxed(nn.Linear(2, 2)),
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2, track_running_stats=False)),
    ],
    ids=["own forward", "batch statistics"],
)
def test_what_curves_under_a_known_name_is_not_claimed(net):
    assert not is_piecewise_linear(net.eval())


@pytest.mark.parametrize("layer", [nn.Softmax(1), nn.Tanh(), nn.GELU(), nn.Bilinear(2, 2, 2)])
def test_a_layer_that_is_not_known_is_not_claimed(layer):
    assert not is_piecewise_linear(nn.Sequential(nn.Linear(2, 2), layer))


class Block(nn.Module):
    """A residual block as torchvision's: batch norm, ReLU in place, ``out += identity``."""

    def __init__(self, width, between):
        super().__init__()
        self.first, self.second = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        self.norm, self.relu, self.between = nn.BatchNorm2d(width), nn.ReLU(inplace=True), between

    def forward(self, x):
        out = self.relu(self.norm(self.first(x)))
        out = self.between(self.second(out))
        out += x
        return self.relu(out)


def residual(between=lambda z: z):
    """A small residual net, in eval mode, whose weights curve it where they can."""
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.MaxPool2d(3, 2, 1), Block(4, between),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3),
    )  # fmt: skip
    for p in net.parameters():
        nn.init.normal_(p, std=0.5)
    return net.double().eval()


def shifted_in(z):
    """Half of z, written into zeros."""
    found = torch.zeros_like(z)
    found[:, 1:] = z[:, 1:]
    return found


class Mine(torch.autograd.Function):
    """z, with a gradient of its own that curves."""

    @staticmethod
    def forward(ctx, z):
        ctx.save_for_backward(z)
        return z.clone()

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0]


FOLLOWED = {
    "nothing": lambda z: z,
    "relu6": nn.functional.relu6,
    "hardsigmoid": nn.functional.hardsigmoid,
    "prelu": lambda z: nn.functional.prelu(z, torch.full((1,), 0.1).double()),
    "padded": lambda z: nn.functional.pad(z[:, :2], (0, 0, 0, 0, 0, 2)),
    "concatenated": lambda z: torch.cat(z.chunk(2, 1)[::-1], 1),
    "resized": lambda z: nn.functional.interpolate(z, scale_factor=1.0, mode="bilinear"),
    "chosen": lambda z: torch.where(z > 0, z, -2 * z),
    "largest": lambda z: torch.maximum(z, z.flip(1)),
    "shifted": shifted_in,
    "scaled": lambda z: z * 3 / 2,
}
CURVED = {
    "squeezed and excited": lambda z: z * z.mean((2, 3), keepdim=True),
    "squared": lambda z: z**2,
    "divided": lambda z: z / (1 + z.abs()),
    "inverted": lambda z: 1 / (1 + z.abs()),
    "gelu": nn.functional.gelu,
    "softmax": lambda z: z.softmax(1),
    "layer norm": lambda z: nn.functional.layer_norm(z, z.shape[1:]),
    "instance norm": nn.functional.instance_norm,
    "by a number of its own": lambda z: z * z.detach().max().item(),
    "squared in memory": lambda z: shifted_in(z) * shifted_in(z),
    "products": lambda z: (z.flatten(2) @ z.flatten(2).mT).mean((1, 2))[:, None, None, None] + z,
    "a gradient of one's own": Mine.apply,
    "complex": lambda z: (z + 1j * z.flip(1)).abs(),
    "seen as complex": lambda z: z.flatten(1).view(torch.complex128).abs().repeat(1, 2).view_as(z),
    "under a condition": lambda z: torch.cond(z.sum() > 0, torch.sin, torch.cos, (z,)),
}


@pytest.mark.parametrize("between", FOLLOWED)
def test_a_net_is_known_whose_every_operation_is_piecewise_linear(between):
    net, x = residual(FOLLOWED[between]), torch.rand(2, 1, 8, 8).double()
    assert not is_piecewise_linear(net)
    assert is_piecewise_linear(net, x)
    if between not in ("hardsigmoid", "prelu", "resized"):  # which torch cannot batch
        H = vmap(hessian(lambda one: net(one[None])[0]))(x[:, :, :4, :4])
        assert (H == 0).all()


@pytest.mark.parametrize("between", CURVED)
def test_a_net_is_not_known_where_one_operation_curves(between):
    assert not is_piecewise_linear(residual(CURVED[between]), torch.rand(2, 1, 8, 8).double())


def plain():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 5)).eval()


@pytest.mark.parametrize(
    "bend",
    [
        lambda n: n[1].register_forward_hook(lambda m, i, o: o.sin()),
        lambda n: n.register_forward_pre_hook(lambda m, i: (i[0] ** 2,)),
        lambda n: setattr(n, "forward", lambda x, f=n.forward: f(x).tanh()),
        lambda n: setattr(n[2], "forward", nn.functional.gelu),
    ],
    ids=["hook", "hook before", "own forward", "own forward of a layer"],
)
def test_a_net_of_known_layers_is_not_known_where_they_do_something_else(bend):
    net, x = plain(), torch.rand(2, 1, 8, 8)
    assert is_piecewise_linear(net)
    bend(net)
    assert not is_piecewise_linear(net)
    assert not is_piecewise_linear(net, x)


def test_a_net_with_sparse_weights_is_followed():
    class Sparse(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.rand(5, 64).to_sparse_csr()

        def forward(self, x):
            return (self.weight @ x.flatten(1).T).T

    assert is_piecewise_linear(Sparse(), torch.rand(2, 1, 8, 8))


def test_a_net_is_not_known_where_a_layer_sees_the_batch():
    net, x = residual(), torch.rand(2, 1, 8, 8).double()
    net[2].norm.train()
    assert not is_piecewise_linear(net, x)


def test_looking_whether_a_net_curves_leaves_it_and_the_images_alone():
    net, x = residual(), torch.rand(2, 1, 8, 8).double()
    state, before = [v.clone() for v in net.state_dict().values()], x.clone()
    assert is_piecewise_linear(net, x)
    assert all(torch.equal(*pair) for pair in zip(state, net.state_dict().values(), strict=True))
    assert torch.equal(x, before)
    assert not x.requires_grad
    assert all(p.grad is None for p in net.parameters())


def test_wrn_28_10_is_pytorchcvs():
    """With batch norm: as many parameters, and logits of the same shape."""

    def count(net):
        return sum(p.numel() for p in net.parameters())

    with torch.device("meta"):
        ours = build(Spec("wrn-28-10", 3, 32, tuple("0123456789"), norm="batch"))
        theirs = get_model("wrn28_10_cifar10")
        x = torch.rand(2, 3, 32, 32)
        assert count(ours) == count(theirs)
        assert ours(x).shape == theirs(x).shape == (2, 10)


@pytest.mark.parametrize(("channels", "size"), [(3, 32), (1, 28), (3, 64)])
def test_wrn_10_2_has_three_stages_on_any_image_size(channels, size):
    net = build(Spec("wrn-10-2", channels, size, CLASSES))
    x, shapes = torch.rand(1, channels, size, size), []
    for layer in net:
        x = layer(x)
        shapes.append(tuple(x.shape[1:]))
    half, quarter = size // 2, size // 4
    assert shapes[1:5] == [
        (16, size, size), (32, size, size), (64, half, half), (128, quarter, quarter)
    ]  # fmt: skip
    assert shapes[-1] == (3,)


def test_a_fold_of_2_sees_2_by_2_pixels_at_once():
    """Its first convolution works on half the size, and a shift by 2 pixels is one there."""
    net = build(Spec("wrn-10-1-2", 3, 32, CLASSES))
    seen = []
    net[2].register_forward_hook(lambda m, x, out: seen.append(out))
    x = torch.rand(1, 3, 32, 32)
    net(x), net(x.roll(2, dims=3))
    assert seen[0].shape == (1, 16, 16, 16)
    torch.testing.assert_close(seen[0].roll(1, dims=3)[..., 2:-2], seen[1][..., 2:-2])
    count = sum(p.numel() for p in net.parameters())
    plain = sum(p.numel() for p in build(Spec("wrn-10-1", 3, 32, CLASSES)).parameters())
    assert count - plain == 16 * 9 * (12 - 3)


@pytest.mark.parametrize(
    ("name", "size"), [("wrn-10-1-2", 9), ("wrn-10-1-2", 6), ("wrn-10-1-0", 8)]
)
def test_a_fold_that_does_not_fit_is_refused(name, size):
    with pytest.raises(ValueError, match=r"cannot be built: .*(fold|small)"):
        build(Spec(name, 3, size, CLASSES))


def test_evaluating_restores_each_modules_own_mode_after_an_error_too():
    net = build(Spec("wrn-10-1", 3, 32, CLASSES, norm="batch"))
    net[2].eval()
    modes = [m.training for m in net.modules()]
    assert {True, False} == set(modes)
    with evaluating(net):
        assert not any(m.training for m in net.modules())
    assert [m.training for m in net.modules()] == modes
    with pytest.raises(ZeroDivisionError), evaluating(net):
        raise ZeroDivisionError
    assert [m.training for m in net.modules()] == modes


def test_evaluating_casts_weights_once_to_what_autocast_would_cast_them_to_at_every_pass():
    net = build(Spec("wrn-10-1", 3, 32, CLASSES, norm="batch")).eval()
    x = torch.rand(2, 3, 32, 32)
    weights = {name: (p, p.data_ptr(), p.detach().clone()) for name, p in net.named_parameters()}
    with autocast("bf16", x.device):
        known = net(x)
        with evaluating(net), evaluating(net):
            inside = {name: p.dtype for name, p in net.named_parameters()}
            assert torch.equal(net(x), known)
        with pytest.raises(ZeroDivisionError), evaluating(net):
            raise ZeroDivisionError
    assert set(inside.values()) == {torch.bfloat16, torch.float32}
    assert inside["conv.weight"] == torch.bfloat16
    assert (
        inside["stage1_block1.branch.norm1.weight"] == torch.float32
    )  # autocast normalises in fp32
    for name, p in net.named_parameters():
        assert p is weights[name][0]  # as optimisers and DDP's hooks know it
        assert p.data_ptr() == weights[name][1]
        assert torch.equal(p, weights[name][2])
        assert p.requires_grad
    with evaluating(net):
        assert all(p.dtype == torch.float32 for p in net.parameters())


def test_evaluating_keeps_what_hooks_on_gradients_stand_on():
    """DDP hooks the node that accumulates a gradient; a weight of another dtype would drop it."""
    net = build(Spec("convnet-4", 1, 8, CLASSES))
    weight = net[1].weight
    called = []
    node = weight.view_as(weight).grad_fn.next_functions[0][0]
    node.register_hook(lambda *_: called.append(1))
    with autocast("bf16", weight.device):
        with evaluating(net):
            net(torch.rand(2, 1, 8, 8))
        net(torch.rand(2, 1, 8, 8)).sum().backward()
    assert called == [1]


def test_tied_weights_stay_tied():
    a, b = nn.Linear(3, 3), nn.Linear(3, 3)
    b.weight = a.weight
    with autocast("bf16", a.weight.device), evaluating(nn.Sequential(a, b)):
        assert a.weight.dtype == b.weight.dtype == torch.bfloat16
    assert b.weight is a.weight


def test_a_graph_made_before_evaluating_goes_back_to_full_weights_after_it():
    net = build(Spec("wrn-10-1", 3, 32, CLASSES))
    x = torch.rand(2, 3, 32, 32)
    gradients = []
    for between in (False, True):
        net.zero_grad()
        with autocast("bf16", x.device):
            loss = net(x).float().sum()
            if between:
                with evaluating(net):
                    net(x)
        loss.backward()
        gradients.append([p.grad.clone() for p in net.parameters()])
    assert all(g.dtype == torch.float32 for g in gradients[1])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "vit-16"}, "unknown net 'vit': nets are "),
        ({"name": "_layers"}, "unknown net"),
        ({"name": ""}, "unknown net"),
        ({"name": "wrn-11-2"}, "6n \\+ 4"),
        ({"name": "wrn-4-2"}, "6n \\+ 4"),
        ({"name": "wrn-10-0"}, "width is at least 1"),
        ({"name": "wrn-10-2-3"}, "cannot be built"),
        ({"name": "wrn-ten"}, "cannot be built"),
        ({"name": "convnet-0"}, "width is at least 1"),
        ({"name": "convnet-4", "size": 3}, "too small"),
        ({"name": "wrn-10-1", "size": 3}, "too small"),
        ({"norm": "layer"}, "norm must be one of"),
        ({"activation": "tanh"}, "activation must be one of"),
        ({"std": 0.0}, "std must lie in"),
    ],
)
def test_a_spec_that_cannot_be_built_is_refused(change, said):
    with pytest.raises(ValueError, match=said):
        build(replace(Spec("wrn-10-1", 3, 32, CLASSES), **change))


@pytest.mark.filterwarnings("ignore:.*CUDA is not available")
def test_fp32_on_a_gpu_is_no_tf32_while_it_is_asked_for():
    def allowed():
        return torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32

    before = allowed()
    assert before[0]
    with autocast("fp32", torch.device("cuda")):
        assert allowed() == (False, False)
    with autocast("bf16", torch.device("cuda")), autocast("fp32", torch.device("cpu")):
        assert allowed() == before
    assert allowed() == before


@pytest.mark.parametrize("name", ["convnet-4", "vgg-4", "wrn-10-1-2", "resnet-50-4"])
def test_weights_are_named_by_what_they_are_and_are_taken_by_position_too(name):
    """Version 0.1.0 named the layers of a net by their positions."""
    net = build(Spec(name, 3, 32, CLASSES, norm="batch"))
    keys = [*net.state_dict()]
    assert not any(word.isdecimal() for key in keys for word in key.split("."))
    assert {"linear.weight", "linear.bias"} <= {*keys}
    old = dict(zip(by_position(net), net.state_dict().values(), strict=True))
    assert old.keys() & keys == set()
    other = build(net.spec)
    other.load_state_dict(old)
    torch.testing.assert_close(other.state_dict(), net.state_dict(), rtol=0, atol=0)
    assert [*by_name(net, old)] == keys == [*by_name(net, net.state_dict())]
    old.popitem()
    with pytest.raises(RuntimeError, match=r"linear\.bias"):
        other.load_state_dict(old)


def by_position(net):
    """The keys of a state dict with the positions of layers for their names."""
    found = []
    for key in net.state_dict():
        m, words = net, []
        for word in key.split("."):
            named = isinstance(m, nn.Sequential)
            words.append(str([*m._modules].index(word)) if named else word)
            m = getattr(m, word)
        found.append(".".join(words))
    return found
