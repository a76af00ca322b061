"""Every public function that takes a net takes those of torchvision and timm, in any form.

Functions are found by what modules export, and given arguments by their names: a new one is run
unasked.
"""

import inspect
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

import pytest
import timm
import torch
from torch import nn
from torchvision import models

import jeat
from jeat import attacks, energy, metrics, samplers
from jeat._support.plugins import known_parts
from jeat.metrics import Subject
from jeat.nets import evaluating, is_piecewise_linear, save_net, wrap
from jeat.training.plan import Optimisation, Plan

pytestmark = [
    pytest.mark.usefixtures("unchecked"),  # what a user meets
    pytest.mark.filterwarnings("ignore"),
]
MEAN, STD = [0.5, 0.4, 0.3], [0.25, 0.25, 0.3]
CLASSES = ("cat", "dog", "owl", "pig")
VIT = {"img_size": 32, "patch_size": 4, "embed_dim": 24, "depth": 2, "num_heads": 2}


def generator():
    return torch.Generator().manual_seed(0)


X, Y = torch.rand(2, 3, 32, 32, generator=generator()), torch.tensor([1, 3])
DRAWN, OF = torch.rand(6, 3, 32, 32, generator=generator()), torch.arange(6) % 4


def resnet():
    torch.manual_seed(0)
    net = models.resnet18(num_classes=4)
    with torch.no_grad():
        for m in net.modules():
            if isinstance(m, nn.BatchNorm2d):
                m.running_mean.normal_(0, 0.1)
    return net


def vit():
    torch.manual_seed(0)
    net = timm.create_model("vit_tiny_patch16_224", num_classes=4, **VIT)
    nn.init.normal_(net.head.weight, std=0.3)
    return net


NETS = {
    "torchvision": resnet,
    "timm": vit,
    "bf16": lambda: vit().bfloat16(),
    "compiled": lambda: torch.compile(vit(), backend="eager"),
    "parallel": lambda: nn.DataParallel(vit()),
}
NEEDED = {
    "x": X, "y": Y, "labels": OF, "samples": DRAWN, "outside": 1 - X, "eps": 0.02, "steps": 2,
    "step_size": 0.01, "radius": 1.0, "points": 3, "directions": metrics.plane(X, seed=0),
    "target": "next", "radii": [0.0, 0.02],
}  # fmt: skip
SMALL = {
    "steps": 2, "step_size": 0.01, "noise": 0.0, "random_start": False, "probes": 1, "queries": 2,
    "attacks": ["apgd-ce"], "seed": 0, "ratio": 1e-9, "points": 3, "images": 2,
    "eps": 0.3,
}  # fmt: skip
TAKES = {"net", "judge", "E", "subject"}
NO_PASS = {
    "counterfactual",
    "export",
    "load",
    "wrap",
    "fit",
    "shared",
}  # tested below, or they run nothing


def functions():
    """Name -> every public function that runs a net or an energy."""
    found = {}
    for module in (jeat, attacks, energy, metrics, samplers):
        for name in module.__all__:
            f = getattr(module, name)
            takes = inspect.signature(f).parameters if inspect.isfunction(f) else {}
            if TAKES & {*takes} and name not in NO_PASS and ("E" not in takes or "steps" in takes):
                found[name] = f
    for name in known_parts("metrics"):
        found[f"metric {name}"] = import_module(f"jeat.metrics.{name}").measure
    return found


FUNCTIONS = functions()


def run(name, net):
    """What a function gives, as one tensor."""
    f, subject = FUNCTIONS[name], Subject(net, X, Y, DRAWN, OF, DRAWN, 1 - X, net, train_labels=OF)
    nets = {"net": net, "judge": net, "subject": subject, "E": energy.energy_of(net)}
    values = NEEDED | nets
    given = {}
    for p in inspect.signature(f).parameters.values():
        if p.default is p.empty:
            given[p.name] = values[p.name]  # a new name is given a value above
        elif p.name in SMALL:
            given[p.name] = "apgd-ce" if p.annotation == (str | None) else SMALL[p.name]
    torch.manual_seed(0)
    found = f(**given)
    if inspect.isgenerator(found):
        found = samplers.last(found)
    if callable(found) and not isinstance(found, torch.Tensor):
        found = energy.score(found, X)
    return flat(found)


def flat(found):
    if isinstance(found, dict):
        found = list(found.values())
    if isinstance(found, list | tuple):
        return torch.cat([flat(v) for v in found])
    return torch.as_tensor(found, dtype=torch.float64).detach().flatten()


def wrapped(kind):
    torch._dynamo.reset()
    net = wrap(NETS[kind](), (3, 32, 32), CLASSES, mean=MEAN, std=STD)
    net.normalised = True  # as what takes a density asks
    return net


@pytest.fixture(scope="module")
def known():
    """What each function gives of the plain nets."""
    return {kind: {name: run(name, wrapped(kind)) for name in FUNCTIONS} for kind in ("timm",)}


def test_the_functions_are_found():
    assert len(FUNCTIONS) >= 30
    assert {"sample", "pgd", "fisher_score", "langevin", "metric curvature"} <= FUNCTIONS.keys()


@pytest.mark.parametrize("kind", NETS)
def test_every_function_takes_it(kind, known):
    net, plain = wrapped(kind), known["timm"]
    for name in FUNCTIONS if kind == "timm" else [n for n in FUNCTIONS if "metric" not in n]:
        found = run(name, net)
        assert len(found), name
        assert not found.isnan().any() or plain[name].isnan().any(), name
        if kind in ("compiled", "parallel"):
            same = torch.isclose(found, plain[name], rtol=1e-3, atol=1e-4, equal_nan=True)
            assert same.all(), name
        if kind == "bf16":
            assert found.shape == plain[name].shape, name


@pytest.mark.parametrize("kind", ["torchvision", "timm", "bf16", "parallel"])
def test_it_has_counterfactuals(kind):
    net = wrapped(kind)
    with evaluating(net):
        y = net(X[:1]).argsort(1)[:, -2]
        found = attacks.counterfactual(net, X[:1], y, steps=3, tolerance=0.5)
        assert torch.equal(net(found.x).argmax(1), y)
    assert 0 < float(found.length) <= float(found.radius) * (1 + 1e-5)


@pytest.mark.parametrize("kind", ["torchvision", "timm", "bf16", "parallel"])
def test_it_is_saved_and_loaded(kind, tmp_path):
    net = wrapped(kind)
    save_net(net, None, tmp_path / "net.safetensors", about={})
    plain = "torchvision" if kind == "torchvision" else "timm"
    again = jeat.load(tmp_path / "net.safetensors", net=NETS[plain]())
    loose = {"rtol": 0.1, "atol": 0.1} if kind == "bf16" else {"rtol": 1e-3, "atol": 1e-4}
    with torch.no_grad():
        torch.testing.assert_close(again(X), net(X), **loose)


@pytest.mark.parametrize("kind", ["torchvision", "timm", "parallel"])
def test_it_is_trained(kind, tmp_path, data_of_colours):
    plan = Plan(
        "jeat", data=data_of_colours, objective={"steps": 2, "buffer_size": 16},
        optimisation=Optimisation(epochs=0.2, batch_size=8, log_every=1, evaluate_images=4),
    )  # fmt: skip
    torch._dynamo.reset()
    logs = [log.metrics["loss"] for log in jeat.fit(plan, tmp_path / "run", net=wrapped(kind))]
    assert len(logs) == 1
    plain = "torchvision" if kind == "torchvision" else "timm"
    kept = jeat.load(tmp_path / "run", net=NETS[plain]())
    assert jeat.sample(kept, torch.tensor([0]), steps=1).shape == (1, 3, 32, 32)


@pytest.fixture
def data_of_colours(tmp_path):
    import numpy as np

    images = (torch.rand(48, 32, 32, 3, generator=generator()) * 255).byte().numpy()
    file = tmp_path / "d.npz"
    np.savez(file, images=images, labels=np.arange(48) % 4)
    return str(file)


# Faults that nets of other kinds bring


def test_attention_has_second_derivatives():
    torch.manual_seed(0)
    small = VIT | {"img_size": 4, "patch_size": 2, "embed_dim": 16}
    net = timm.create_model("vit_tiny_patch16_224", num_classes=4, **small)
    nn.init.normal_(net.head.weight, std=0.3)
    assert net.blocks[0].attn.fused_attn
    net, y = wrap(net, (3, 4, 4), 4, std=0.25), torch.tensor([1])
    x, E = torch.rand(1, 3, 4, 4, generator=generator()), energy.energy_of(net, y)
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        H = torch.autograd.functional.hessian(lambda x: E(x).sum(), x).view(48, 48)
    _, trace = metrics.fisher_terms(net, x, y)
    torch.testing.assert_close(trace.abs(), H.trace().abs()[None], rtol=1e-3, atol=1e-5)
    _, estimate = metrics.fisher_terms(net, x, y, probes=200)
    assert float(estimate - trace) == pytest.approx(0, abs=0.5 * float(H.norm()))


def test_residual_nets_of_libraries_have_the_closed_form():
    nets = (
        resnet(),
        models.mobilenet_v2(num_classes=4),
        timm.create_model("resnet18", num_classes=4),
        timm.create_model("resnet26", num_classes=4),
    )
    for net in nets:
        assert is_piecewise_linear(wrap(net, (3, 32, 32), 4), X)
        assert not is_piecewise_linear(wrap(net, (3, 32, 32), 4).train(), X)
    for net in (vit(), timm.create_model("resnet18", num_classes=4, act_layer=nn.SiLU)):
        assert not is_piecewise_linear(wrap(net, (3, 32, 32), 4), X)
    score = metrics.fisher_score(wrapped("torchvision"), X, Y)
    E = energy.energy_of(wrapped("torchvision"), Y)
    right = energy.score(E, X).square().flatten(1).sum(1) / 2  # Eq. 23, its trace is 0
    torch.testing.assert_close(score, right, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_threads_that_use_one_net_find_what_one_finds(mode):
    net = wrapped("torchvision")
    statistics = [b.clone() for b in net.buffers()]
    xs = [torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(i)) for i in range(3)]

    def work(i):
        if mode == "train":
            return metrics.fisher_score(net, xs[i], Y[:1])
        how = {"eps": 0.05, "steps": 3, "step_size": 0.02, "random_start": False}
        return attacks.pgd(net, xs[i], Y[:1], **how)

    right = [work(i) for i in range(3)]
    net.train(mode == "train")
    with ThreadPoolExecutor(4) as pool:
        for _ in range(2):
            for a, b in zip(pool.map(work, range(3)), right, strict=True):
                torch.testing.assert_close(a, b)
    assert all(p.requires_grad for p in net.parameters())
    assert all(m.training == (mode == "train") for m in net.modules())
    assert all(torch.equal(a, b) for a, b in zip(net.buffers(), statistics, strict=True))


def test_the_last_of_several_users_restores_modes_and_weights():
    net = wrapped("timm").train()
    net.net.cls_token.requires_grad = False
    first, second = evaluating(net), evaluating(net)
    for use in (first, second):
        use.__enter__()
    first.__exit__(None, None, None)
    assert not any(m.training for m in net.modules())
    assert not any(p.requires_grad for p in net.parameters())
    second.__exit__(None, None, None)
    assert all(m.training for m in net.modules())
    assert [n for n, p in net.named_parameters() if not p.requires_grad] == ["net.cls_token"]


@pytest.mark.parametrize("kind", ["torchvision", "timm"])
def test_a_net_made_in_inference_mode_works_wrapped(kind):
    with torch.inference_mode():
        made = NETS[kind]()
    with torch.inference_mode(False):
        net = wrap(made, (3, 32, 32), CLASSES, mean=MEAN, std=STD)
    plain = wrapped(kind)
    for name in ("accuracy", "sample", "fisher_score", "robust_accuracy", "energies"):
        torch.testing.assert_close(run(name, net), run(name, plain), rtol=1e-4, atol=1e-5)
