"""Any classifier, wrapped, is taken by every function as a net of this package is."""

import warnings

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

import jeat
from jeat._support.checks import DoubtWarning
from jeat.nets import spec_of, wrap
from jeat.nets.checkpoint import load_net, save_net

MEAN, STD = [0.4914, 0.4822, 0.4465], [0.247, 0.2435, 0.2616]
CLASSES = ["cat", "dog", "frog"]


def resnet():
    torch.manual_seed(0)
    return torchvision.models.resnet18(num_classes=3)


class Answer:
    def __init__(self, logits):
        self.logits = logits


class Says(nn.Module):
    """The same logits in another form."""

    def __init__(self, form):
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.form = nn.Linear(3 * 64, 3), form

    def forward(self, x):
        return self.form(self.layer(x.flatten(1)))


NETS = {
    "bf16": lambda: Says(lambda f: f).bfloat16(),
    "compiled": lambda: torch.compile(Says(lambda f: f), backend="eager"),
    "parallel": lambda: nn.DataParallel(Says(lambda f: f)),
    "object": lambda: Says(Answer),
}


@pytest.fixture(params=NETS)
def wrapped(request):
    return wrap(NETS[request.param](), (3, 8, 8), CLASSES, mean=MEAN, std=STD)


def test_every_function_takes_it(wrapped, tmp_path):
    spec = spec_of(wrapped)
    x, y = torch.rand(6, 3, spec.size, spec.size), torch.arange(6) % 3
    x_adv = jeat.attacks.pgd(wrapped, x, y, eps=0.1, steps=2, step_size=0.05)
    assert (x_adv - x).abs().max() <= 0.1 + 1e-6
    images = jeat.sample(wrapped, y[:2], steps=2)
    assert images.shape == x[:2].shape
    m = jeat.metrics
    assert 0 <= m.accuracy(wrapped, x, y) <= 1
    assert m.robust_accuracy(wrapped, x, y, eps=0.1, step_size=0.05, steps=2) <= 1
    assert m.auto_attack(wrapped, x[:2], y[:2], eps=0.1, attacks=["apgd-ce"]) is not None
    assert m.fisher_score(wrapped, x[:1], y[:1], probes=1).isfinite().all()
    assert m.energies(wrapped, x, y)["E_y"] == pytest.approx(
        float(jeat.energy.joint_energy(wrapped(x), y).mean().detach()), abs=1e-2
    )
    around = m.plane(x[:1], seed=0)
    E = m.energy_on_plane(wrapped, x[:1], y[:1], directions=around, radius=1.0, points=3)
    assert E.shape == (1, 3, 3)
    assert m.judge_accuracy(wrapped, images, y[:2]) >= 0


def test_it_normalises_as_it_is_told_and_gives_the_nets_logits():
    net = resnet().eval()
    x = torch.rand(4, 3, 32, 32)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, STD))
    with torch.no_grad():
        right = net((x - mean) / std)
        assert torch.equal(wrap(net, (3, 32, 32), 3, mean=MEAN, std=STD)(x), right)
        pixels = wrap(net, (3, 32, 32), 3, prepare=lambda x: 255 * x)
        assert torch.equal(pixels(x), net(255 * x))


@pytest.mark.parametrize(
    ("form", "output"),
    [
        (lambda f: f, ""),
        (Answer, ""),
        (lambda f: {"logits": f}, ""),
        (lambda f: {"scores": f, "logits": 0 * f}, "scores"),
        (lambda f: (0 * f, f), "1"),
        (lambda f: [f, 0 * f], "0"),
    ],
)
def test_logits_are_found_where_they_are_said_to_be(form, output):
    x = torch.rand(4, 3, 8, 8)
    logits = Says(lambda f: f)(x)
    assert torch.equal(wrap(Says(form), (3, 8, 8), 3, output=output)(x), logits)


def program(*, any_batch):
    """A net of torch.export, for batches of any size, or of 4."""
    dims = ({0: torch.export.Dim("b", min=1, max=4096)},) if any_batch else None
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 3)).eval()
    return torch.export.export(net, (torch.rand(4, 3, 8, 8),), dynamic_shapes=dims)


@pytest.mark.parametrize(
    ("net", "how", "said"),
    [
        (lambda: Says(lambda f: (f, f)), {}, "say where its logits are"),
        (lambda: Says(lambda f: (f, f)), {"output": "5"}, "without '5'"),
        (lambda: Says(lambda f: f), {"classes": 4}, "3 logits for 4 classes"),
        (lambda: Says(lambda f: f), {"images": (3, 9, 9)}, "does not take images of"),
        (lambda: Says(lambda f: f[:, :, 0]), {}, "does not take images of .* too many indices"),
        (lambda: nn.Bilinear(2, 2, 3), {}, "does not take images of .* missing 1 required"),
        (lambda: Says(lambda f: f), {"images": (3, 8)}, "images are"),
        (lambda: Says(lambda f: f / 0), {}, "NaN or infinite"),
        (lambda: Says(lambda f: f), {"mean": [0.5, 0.5]}, "mean takes 1 number or 3"),
        (lambda: Says(lambda f: f), {"mean": [125.3, 123.0, 113.9]}, "pixels in 0..255 by 255"),
        (lambda: Says(lambda f: f), {"std": 63.0}, "pixels in 0..255 by 255"),
        (lambda: Says(lambda f: f), {"mean": float("nan")}, "must be a finite number"),
        (lambda: Says(lambda f: f), {"mean": "dark"}, "mean is a number, or one a channel"),
        (lambda: Says(lambda f: f), {"std": None}, "std is a number, or one a channel"),
        (lambda: Says(lambda f: f), {"images": 8}, r"images are \(C, H, W\), .* got 8"),
        (lambda: Says(lambda f: f), {"images": (3.0, 8, 8)}, r"images are \(C, H, W\)"),
        (lambda: Says(lambda f: f), {"classes": None}, "classes are names, .* or how many"),
        (lambda: Says(lambda f: f), {"classes": "cat"}, "classes are names, .* or how many"),
        (lambda: Says(lambda f: f), {"classes": 3.0}, "classes are names, .* or how many"),
        (lambda: Says(lambda f: f), {"output": 1}, "output is a text, such as 'logits' or '1'"),
        (lambda: Says(lambda f: f), {"prepare": 5}, "prepare is a function of images"),
        (lambda: Says, {}, r"the class Says: give a net of it, as Says\(\.\.\.\)"),
        (lambda: lambda x: x, {}, "a function: call it in the forward of a module"),
        (lambda: nn.Linear(2, 2).state_dict(), {}, "load a state dict into its module"),
        (lambda: program(any_batch=True), {}, r"torch.export: give its \.module\(\)"),
        (lambda: program(any_batch=False).module(), {}, "one size, 4: export it with dynamic_sh"),
        (lambda: 3, {}, "Module or a name"),
        (lambda: "timm:nothing", {}, "timm"),
        (lambda: "torchvision:nothing", {}, "torchvision has no 'nothing'"),
    ],
)
def test_what_cannot_be_wrapped_is_said(net, how, said, unchecked):
    settings = {"images": (3, 8, 8), "classes": 3} | how
    with pytest.raises(ValueError, match=said):
        wrap(net(), **settings)


@pytest.mark.filterwarnings("error::jeat.metrics.DoubtWarning")
def test_an_exported_net_has_one_mode_and_nothing_is_said_of_it():
    x, y = torch.rand(6, 3, 8, 8), torch.arange(6) % 3
    bare = program(any_batch=True).module()
    for net in (bare, wrap(bare, (3, 8, 8), 3)):
        jeat.attacks.pgd(net, x, y, eps=0.1, steps=2, step_size=0.05)
        jeat.metrics.robust_accuracy(net, x, y, eps=0.1, steps=2, step_size=0.05)
        jeat.metrics.zero_gradient(net, x, y)
    jeat.sample(net, y, steps=2)
    beside = nn.Sequential(bare, nn.Dropout(0.5))
    assert jeat.metrics.energies(beside, x, y) == jeat.metrics.energies(beside, x, y)


@pytest.mark.filterwarnings("error::jeat.metrics.DoubtWarning")
def test_a_net_that_is_0_has_no_sigmoid():
    wrap(Says(lambda f: 0 * f), (3, 8, 8), 3)


def test_the_number_of_classes_may_be_of_numpy():
    net = wrap(Says(lambda f: f), images=(3, 8, 8), classes=np.int64(3))
    assert spec_of(net).classes == ("0", "1", "2")


@pytest.mark.parametrize(
    ("form", "said"),
    [
        (lambda f: f.softmax(1), "leave its softmax out"),
        (lambda f: f.log_softmax(1), "E.x. is 0 for every image: leave its log_softmax out"),
        (lambda f: (20 * f).sigmoid(), r"lie in \[0, 1\] .* of a sigmoid, leave it out"),
        (lambda f: 20 * f + torch.randn(3), "logits are random in eval mode"),
        (
            lambda f: nn.functional.dropout(20 * f, 0.5, training=True),
            "logits are random in eval mode",
        ),
        (lambda f: f - f.mean(0), "depend on the others in its batch"),
        (nn.BatchNorm1d(3, track_running_stats=False), "depend on the others in its batch"),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_outputs_that_are_no_logits_of_the_image_are_warned_of_once(form, said, dtype):
    net = Says(form).to(dtype)
    before = torch.get_rng_state()
    with pytest.warns(DoubtWarning, match=said) as found:
        wrap(net, (3, 8, 8), 3)
    assert len(found) == 1
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("bias", [-0.5, 0.5])
def test_two_small_logits_are_no_sigmoid(bias):
    net = Says(lambda f: f)
    with torch.no_grad():
        net.layer.weight.mul_(1e-3)
        net.layer.bias.fill_(bias)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DoubtWarning)
        wrap(net, (3, 8, 8), CLASSES)


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_logits_of_whatever_size_are_no_matter_of_doubt(name, scale):
    net = NETS[name]()
    with torch.no_grad():
        for p in net.parameters():
            p *= scale
    with warnings.catch_warnings():
        warnings.simplefilter("error", DoubtWarning)
        wrap(net, (3, 8, 8), CLASSES)


def test_a_net_of_a_library_is_saved_and_loaded_again(tmp_path):
    net = wrap("torchvision:resnet18", (3, 32, 32), CLASSES, mean=MEAN, std=STD)
    save_net(net, None, tmp_path / "net.safetensors", about={})
    again = load_net(tmp_path / "net.safetensors")
    x = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(again(x), net(x))
    assert spec_of(again).classes == ("cat", "dog", "frog")


def test_a_module_that_was_given_is_loaded_with_it(tmp_path):
    net = wrap(resnet(), (3, 32, 32), CLASSES)
    file = tmp_path / "net.safetensors"
    save_net(net, None, file, about={})
    with pytest.raises(ValueError, match="net=MODULE"):
        jeat.load(file)
    torch.manual_seed(7)
    again = jeat.load(file, net=torchvision.models.resnet18(num_classes=3))
    x = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(again(x), net(x))


def test_a_net_of_torchvision_is_trained_and_resumed(tmp_path):
    from jeat.runs.fit import fit
    from jeat.training.plan import Optimisation, Plan

    own = {"make": "tests.test_wrap:small"}
    plan = Plan(
        "at", net="wrap", architecture=own, optimisation=Optimisation(epochs=0.2, log_every=1)
    )
    for _ in fit(plan, tmp_path / "run"):
        pass
    net = jeat.load(tmp_path / "run")
    assert jeat.sample(net, torch.tensor([1]), steps=1).shape == (1, 1, 8, 8)


def small():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


def test_a_net_of_wrap_is_not_wrapped_again():
    """Its normalisation and outputs would be lost, or be applied twice."""
    own = wrap(Says(lambda f: f), (3, 8, 8), CLASSES, mean=MEAN, std=STD)
    for net in (own, nn.DataParallel(own)):
        with pytest.raises(ValueError, match="use it as it stands"):
            wrap(net, (3, 8, 8), CLASSES)


def test_that_no_file_keeps_a_preparation_is_said(tmp_path):
    """It is kept where the net of wrap is given again, in loading as in training."""
    module, x = Says(lambda f: f), torch.rand(4, 3, 8, 8)
    own = wrap(module, (3, 8, 8), CLASSES, prepare=lambda x: 255 * x)
    save_net(own, None, str(tmp_path / "net.safetensors"))
    right = own(x)
    with pytest.warns(DoubtWarning, match="prepare, which no file keeps"):
        bare = jeat.load(tmp_path / "net.safetensors", net=module)
    assert not torch.allclose(bare(x), right)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DoubtWarning)
        again = jeat.load(tmp_path / "net.safetensors", net=own)
    assert torch.equal(again(x), right)
