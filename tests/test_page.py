"""A page draws and attacks as the package does, in a browser, and asks nobody for anything."""

import base64
import gzip
import hashlib
import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import jeat
from jeat._support.checks import SettingError
from jeat.attacks import balls, pgd
from jeat.energy import cross_entropy, joint_energy, marginal_energy
from jeat.exports import _gradient, _runtime, export
from jeat.exports import page as page_of
from jeat.exports.page import read, runtime
from jeat.nets import Spec, build, wrap
from jeat.samplers import Chain, ClassComponents, ClassGaussian, sampler_of
from jeat.sampling import sampler_for

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

CLASSES = ("<b>cat</b>", "it's a dog", "ox")
NO_RUNTIME = {_runtime.CODE: b"export {}", _runtime.WASM: b"\0asm"}
CHROMIUM = Path("/usr/bin/chromium")


class Pooled(nn.Module):
    """Every layer whose backward is ours, at its least usual settings."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.GroupNorm(2, 4), nn.SiLU(),
            nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False),
            nn.ConvTranspose2d(4, 4, 3, stride=2, output_padding=1, groups=2), nn.ELU(),
            nn.MaxPool2d(3, stride=2, padding=1), nn.AvgPool2d(2, stride=1),
            nn.Conv2d(4, 8, 2, dilation=2, padding=1, groups=4), nn.LeakyReLU(0.2),
            nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(8, 3),
        )  # fmt: skip

    def forward(self, x):
        return self.layers(x)


def net_of(module=None, shape=(3, 15, 16), classes=CLASSES):
    torch.manual_seed(0)
    net = wrap(module or Pooled(), shape, classes, mean=0.4, std=0.3)
    images = torch.randint(0, 256, (60, *shape[:1], 16, 16), dtype=torch.uint8)[..., : shape[1], :]
    net.chain = Chain(steps=6, step_size=0.5, noise=None)
    if shape[1] % 2 == 0:
        net.start = ClassGaussian.fit(
            images, torch.arange(60) % len(classes), classes=len(classes), grain=2
        )
    return net


def slopes(net, x, y, w):
    """The gradient of E(x, y) + w E(x) by autograd."""
    x = x.clone().requires_grad_()
    logits = net(x)
    E = joint_energy(logits, y) + w * marginal_energy(logits)
    return torch.autograd.grad(E.sum(), x)[0]


def check_law(net, file):
    """What is read back is the net's, gradients too, at new images."""
    x = torch.rand(3, *net.spec.shape, generator=torch.Generator().manual_seed(5))
    found, y = read(file)(x), torch.zeros(3, dtype=torch.int64)
    right = {"gradient": slopes(net, x, y, 0.0), "gradient_ce": slopes(net, x, y, -1.0)}
    largest = right["gradient"].abs().max()
    assert largest > 0
    for name, gradient in right.items():
        assert (found[name] - gradient).abs().max() <= 1e-4 * largest
    assert torch.allclose(found["logits"], net(x), atol=1e-5, rtol=1e-4)
    assert torch.allclose(found["E"], marginal_energy(net(x)), atol=1e-5, rtol=1e-4)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A net, the page of it without a runtime, and its images."""
    file = tmp_path_factory.mktemp("page") / "page.html"
    net = net_of()
    x = torch.randint(0, 256, (4, 3, 15, 16), generator=torch.Generator().manual_seed(1)) / 255
    export(net, file, found=NO_RUNTIME, images=x, labels=[0, 2, 1, 0], name="runs/<mine>")
    return net, file, x


def test_the_gradient_in_the_graph_is_that_of_autograd_through_every_kind_of_layer(page):
    net, file, _ = page
    check_law(net, file)


def part(text, name):
    packed = re.search(f'<script id="{name}"[^>]*>([^<]*)</script>', text)
    return packed[1]


def test_a_page_holds_what_the_net_says_of_itself_and_its_images_to_the_bit(page):
    _, file, x = page
    text = file.read_text()
    said = json.loads(part(text, "said"))
    assert tuple(said["classes"]) == CLASSES
    assert (said["shape"], said["labels"], said["title"]) == ([3, 15, 16], [0, 2, 1, 0], "<mine>")
    assert (said["steps"], said["step_size"], said["noise"]) == (6, 0.5, 1.0)
    assert "<h1>&lt;mine&gt;</h1>" in text
    held = gzip.decompress(base64.b64decode(part(text, "images")))
    assert torch.equal(
        torch.from_numpy(np.frombuffer(held, np.uint8).copy()).view(x.shape) / 255, x
    )
    assert gzip.decompress(base64.b64decode(part(text, "wasm"))) == NO_RUNTIME[_runtime.WASM]


@pytest.mark.parametrize(
    ("plan", "radii"),
    [
        ({}, {"linf": 8 / 255, "l2": 0.5}),
        ({"eps": 0.2}, {"linf": 0.2, "l2": 0.5}),
        ({"eps": 1.5, "eps_norm": "l2"}, {"l2": 1.5, "linf": 8 / 255}),
        ({"eps": 0.2, "objective": {"eps": 1.0, "norm": "l2"}}, {"l2": 1.0, "linf": 8 / 255}),
        ({"objective": {"eps": 12.0, "norm": "l1"}}, {"linf": 8 / 255, "l2": 0.5}),
        ({"objective": {"eps": 0.0}}, {"linf": 8 / 255, "l2": 0.5}),
    ],
)
def test_a_page_attacks_first_in_the_ball_that_the_net_was_trained_for(plan, radii):
    net = nn.Module()
    net.about = {"plan": plan}
    assert [*page_of._radii(net).items()] == [*radii.items()]


@pytest.mark.parametrize("noise", [None, 0.0, 0.01])
@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("langevin", {}),
        ("momentum", {"friction": 0.3}),
        ("clamped", {}),
        ("normalized", {"radius": 2}),
    ],
)
def test_a_page_draws_by_the_sampler_and_the_settings_of_the_net(name, own, noise):
    net = nn.Module()
    net.chain = Chain(steps=7, step_size=0.5, noise=noise, sampler=name, settings=own)
    said = page_of._chain(net)
    bound = sampler_for(net)
    assert said["sampler"] == bound.func.__name__ == name
    for key, value in bound.keywords.items():
        if key not in ("bounds", "noise"):
            assert (said | said["settings"])[key] == value, key
    if "noise" not in bound.keywords:
        assert said["noise"] is None
    elif noise is not None:
        assert said["noise"] == noise
    else:  # coupled to the step, sqrt(2 * 0.5), but of a sampler that says it is none
        assert said["noise"] == (0.0 if name == "clamped" else 1.0)


def test_of_a_sampler_that_a_page_does_not_know_it_says_so_and_draws_as_usual():
    net = nn.Module()
    net.chain = Chain(steps=7, step_size=30.0, sampler="mine:own", settings={"a": 1})
    assert page_of.other_sampler(net) == "mine:own"
    said = page_of._chain(net)
    assert (said["sampler"], said["step_size"], said["settings"]) == ("langevin", 0.25, {})


def test_a_page_names_no_place_to_fetch_from_and_forbids_it(page):
    text = page[1].read_text()
    assert {*re.findall(r"(?:https?:)?//[\w.-]+\.\w+", text)} <= {"http://www.w3.org"}
    assert not re.findall(r"<(?:link|img|iframe)[^>]*(?:href|src)=\"(?!data:,)", text)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy.startswith("default-src 'none'")
    assert "connect-src" not in policy


def test_what_a_page_cannot_hold_is_refused_before_any_work(tmp_path):
    small = Spec("convnet-4", 1, 8, ("a", "b"))
    x = torch.rand(2, 1, 8, 8)
    given = {"found": NO_RUNTIME, "images": x}
    for net, settings, said in (
        (wrap(nn.Sequential(nn.Flatten(), nn.Linear(128, 100_000)), (2, 8, 8), 100_000), {},
         "its weights are 52 MB, and a page holds 50 MB"),
        (wrap(nn.Sequential(nn.Flatten(), nn.Linear(128, 2)), (2, 8, 8), 2), {}, "2 channels"),
        (build(small), given | {"labels": [0]}, r"\(N, 1, 8, 8\) with N labels, got"),
        (build(small), given | {"labels": [0, 2]}, "labels"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=said):
            export(net, tmp_path / "page.html", **settings)
    assert not any(tmp_path.iterdir())


@pytest.mark.slow
def test_an_operation_that_onnx_has_not_is_one_line(tmp_path):
    class Gamma(nn.Module):
        def forward(self, x):
            return torch.special.i0e(x.flatten(1))[:, :2]

    with pytest.raises(ValueError, match=r"^[^\n]*ONNX, as PyTorch writes it, has no [\w.:]+, whi"):
        export(wrap(Gamma(), (1, 8, 8), 2), tmp_path / "page.html", found=NO_RUNTIME)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("kind", [ClassGaussian, ClassComponents])
def test_a_start_is_what_it_makes_of_normal_numbers(kind):
    images = torch.randint(0, 256, (60, 1, 8, 8), dtype=torch.uint8)
    start = kind.fit(images, torch.arange(60) % 3, classes=3, grain=2)
    y = torch.tensor([2, 0, 2, 1])
    torch.manual_seed(3)
    drawn = start(y)
    torch.manual_seed(3)
    assert torch.equal(start.from_normals(y, torch.randn(4, start.normals)), drawn)


@pytest.fixture
def packed(tmp_path, monkeypatch):
    """A package of npm with two files, whose sums are those that are asked for."""
    held = {_runtime.CODE: b"code", _runtime.WASM: b"wasm"}
    for name, content in held.items():
        file = tmp_path / "unpacked/package/dist" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    with tarfile.open(tmp_path / "net.tgz", "w:gz") as archive:
        archive.add(tmp_path / "unpacked/package", "package")
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in held.items()}
    monkeypatch.setattr(_runtime, "_SUMS", sums)
    monkeypatch.setenv("JEAT_CACHE", str(tmp_path / "cache"))
    return tmp_path, held


def test_the_runtime_is_known_by_its_sums_wherever_it_lies(packed):
    place, held = packed
    for where in ("net.tgz", "unpacked", "unpacked/package", "unpacked/package/dist"):
        assert runtime(place / where) == held
    (place / "unpacked/package/dist" / _runtime.WASM).write_bytes(b"another")
    with pytest.raises(SettingError, match=r"wasm in .* is not that of onnxruntime-web@"):
        runtime(place / "unpacked")
    for where in ("cache", "nowhere"):
        with pytest.raises(SettingError, match=r"does not hold ort.*'npm pack onnxruntime-web@\d"):
            runtime(place / where)


def test_the_runtime_is_fetched_once(packed, monkeypatch):
    place, held = packed
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(SettingError, match=r"npm is not there .* as --runtime FILE$"):
        runtime()
    monkeypatch.setattr("shutil.which", lambda name: "npm")
    calls = []

    def npm(words, **_):
        calls.append(words[:3])
        if len(calls) > 1:
            (Path(words[4]) / "it.tgz").write_bytes((place / "net.tgz").read_bytes())
        return subprocess.CompletedProcess(words, 1, "", "ENOTFOUND\nof a host")

    monkeypatch.setattr("subprocess.run", npm)
    with pytest.raises(SettingError, match=r"npm could not fetch .* \(ENOTFOUND of a host\)"):
        runtime()
    assert runtime() == runtime() == held
    assert calls == [["npm", "pack", _runtime.NAME]] * 2


# In a browser.

ARCHITECTURES = {
    "convnet of groups": lambda: build(
        Spec("convnet-8", 1, 8, ("a", "b", "c"), norm="group", activation="silu")
    ),
    "folded wide resnet": lambda: build(Spec("wrn-10-1-2", 3, 16, ("a", "b"), norm="batch")),
    "VGG": lambda: build(Spec("vgg-11", 3, 32, ("a", "b"))),
    "IGEBM's": lambda: build(Spec("igebm-8", 3, 32, ("a", "b"))),
    "a flow": lambda: build(Spec("glow-1-1-8", 1, 8, ("a", "b"))),
    "a pass a class": lambda: build(Spec("tests.test_export:Repeated", 1, 8, ("a", "b"))),
    "attention": lambda: wrap(
        {"name": "timm:vit_tiny_patch16_224", "img_size": 16, "patch_size": 8, "depth": 2},
        (3, 16, 16), 3,
    ),
    "in half precision": lambda: wrap(
        nn.Sequential(nn.Flatten(), nn.Linear(64, 3)).double(), (1, 8, 8), 3
    ),
    "enlarged images": lambda: wrap(
        Pooled(), (3, 8, 8), 3, prepare=lambda x: nn.functional.interpolate(x, 16, mode="bilinear")
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_any_net_whose_operations_decompose_has_its_gradient_in_the_graph(name, tmp_path):
    if name == "attention":
        pytest.importorskip("timm")
    torch.manual_seed(0)
    net = ARCHITECTURES[name]().eval()
    export(net, tmp_path / "page.html", found=NO_RUNTIME)
    if name != "in half precision":
        check_law(net, tmp_path / "page.html")


@pytest.mark.slow
def test_a_gradient_that_is_not_the_nets_gets_no_name(tmp_path, monkeypatch):
    rule = next(k for k in _gradient._RULES if "avg_pool" in str(k))
    right = _gradient._RULES[rule]
    monkeypatch.setitem(_gradient._RULES, rule, lambda *given: 1.01 * right(*given))
    with pytest.raises(ValueError, match=r"its gradient of 8 images differ from the net's by"):
        export(net_of(), tmp_path / "page.html", found=NO_RUNTIME)
    assert not any(tmp_path.iterdir())


def browser_and_runtime():
    """Playwright's module and the files of onnxruntime-web; a test without them is skipped."""
    api = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip(f"no {CHROMIUM}")
    try:
        found = runtime()
    except SettingError as error:
        pytest.skip(str(error))
    return api, found


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """A page of a small net in Chromium, without a network, what it asked for, and the net."""
    api, found = browser_and_runtime()
    folder = tmp_path_factory.mktemp("shown")
    net = net_of(build(Spec("convnet-8", 3, 16, CLASSES)), (3, 16, 16))
    x = torch.randint(0, 256, (3, 3, 16, 16), generator=torch.Generator().manual_seed(1)) / 255
    export(net, folder / "page.html", found=found, images=x, labels=[0, 1, 2], name="mine")
    with api.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_context(offline=True, viewport={"width": 390, "height": 844}).new_page()
        tab.set_default_timeout(240_000)
        asked, wrong = [], []
        tab.on("request", lambda r: asked.append(r.url))
        tab.on("pageerror", lambda e: wrong.append(str(e)))
        tab.goto((folder / "page.html").as_uri())
        tab.wait_for_selector("#draw .main:enabled")
        yield net, x, tab, asked, wrong
        browser.close()


WALK = """async ({kind, x, label, settings, drawn}) => {
  let i = 0;
  const normal = () => drawn[i++];
  const states = [];
  for await (const s of jeat[kind](Float32Array.from(x), label, {...settings, normal})) {
    states.push({x: [...s.x], E: s.E, E_y: [...s.E_y], p: [...s.p]});
  }
  return states;
}"""


def walked(tab, kind, x, label, drawn=(), **settings):
    """The states that the page goes through, (N, C, H, W), and what it says of each."""
    given = {"kind": kind, "x": x.flatten().tolist(), "label": label, "settings": settings}
    states = tab.evaluate(WALK, given | {"drawn": list(drawn)})
    return torch.tensor([s["x"] for s in states]).view(-1, *x.shape), states


CHAINS = [
    ("langevin", {}, 0.02),
    ("momentum", {"friction": 0.3, "limit": 0.05}, 0.02),
    ("clamped", {"clip": 0.01}, 0.02),
    ("clamped", {"clip": 0.01}, 0.0),
    ("normalized", {"radius": None}, None),
    ("normalized", {"radius": 0.3}, None),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "own", "noise"), CHAINS)
def test_from_the_same_start_with_the_same_noise_the_chain_ends_where_jeat_ends(
    name, own, noise, shown, monkeypatch
):
    net, x, tab, *_ = shown
    assert {case[0] for case in CHAINS} == {*page_of._SAMPLERS}
    noises = torch.randn(5, 1, *x.shape[1:])
    left = iter(noises)
    module = sys.modules[f"jeat.samplers.{name}"]
    monkeypatch.setattr(module, "gaussian", lambda _: next(left), raising=False)
    settings = {"steps": 5, "step_size": 0.5 if noise is None else 2.0}
    settings |= {} if noise is None else {"noise": noise}
    sampler = sampler_of(own | {"name": name}, **settings, bounds=(0, 1))
    ends = jeat.sample(net, torch.tensor([1]), start=lambda y: x[:1], sampler=sampler)
    states, _ = walked(
        tab, "chain", x[0], 1, noises.flatten().tolist(), sampler=name, steps=5,
        stepSize=settings["step_size"], noise=noise, **own,
    )  # fmt: skip
    assert len(states) == 6
    assert (ends - x[:1]).abs().max() > 0.01
    assert torch.allclose(states[-1], ends[0], atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.1), ("l2", 0.5)])
@pytest.mark.parametrize("loss", ["ce", "energy"])
def test_the_attack_is_that_of_the_package(loss, norm, eps, shown):
    net, x, tab, *_ = shown
    right = pgd(
        net, x[1:2], torch.tensor([1]), eps=eps, steps=4, step_size=0.4 * eps, loss=loss,
        norm=norm, random_start=False,
    )  # fmt: skip
    states, _ = walked(
        tab, "pgd", x[1], 1, loss=loss, norm=norm, eps=eps, steps=4, stepSize=0.4 * eps
    )
    assert torch.allclose(states[0], x[1])
    same = (states[-1] - right[0]).abs() < 1e-5
    assert same.float().mean() > 0.99  # a gradient near 0 may have another sign
    assert balls.length(states[-1:] - x[1:2], norm) > 0.9 * eps


@pytest.mark.slow
@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.02), ("l2", 0.5)])
def test_a_random_start_lies_in_the_ball(norm, eps, shown):
    x, tab = 0.5 * torch.ones(3, 16, 16), shown[2]
    start = """async ([x, norm, eps, seed]) => {
      const settings = {loss: "ce", norm, eps, steps: 0, stepSize: 1, random: jeat.generator(seed)};
      for await (const s of jeat.pgd(Float32Array.from(x), 0, settings)) return [...s.x];
    }"""
    for seed in range(5):
        at = torch.tensor(tab.evaluate(start, [x.flatten().tolist(), norm, eps, seed])).view_as(x)
        far = float(balls.length((at - x)[None], norm))
        assert 0.9 * eps < far < eps + 1e-6


@pytest.mark.slow
def test_energies_and_probabilities_that_are_shown_are_those_of_pytorch(shown):
    net, x, tab, *_ = shown
    for image, label in zip(x, (0, 1, 2), strict=True):
        _, (said,) = walked(tab, "chain", image, label, steps=0, stepSize=1, noise=0)
        with torch.no_grad():
            logits = net(image[None])
        assert torch.allclose(torch.tensor(said["E_y"]), -logits[0], atol=1e-5)
        assert abs(said["E"] - float(marginal_energy(logits))) < 1e-5
        assert torch.allclose(torch.tensor(said["p"]), logits[0].softmax(0), atol=1e-5)
        loss = float(cross_entropy(logits, torch.tensor([label])))
        assert abs(said["E_y"][label] - said["E"] - loss) < 1e-5


@pytest.mark.slow
def test_the_start_of_the_page_is_the_nets(shown):
    net, _, tab, *_ = shown
    z = torch.randn(1, net.start.normals)
    begun = tab.evaluate(
        "async z => { let i = 0; return [...await jeat.begun('own', 2, {normal: () => z[i++]})] }",
        z[0].tolist(),
    )
    assert torch.allclose(
        torch.tensor(begun), net.start.from_normals(torch.tensor([2]), z).flatten(), atol=1e-5
    )


@pytest.mark.slow
def test_noise_of_the_page_is_normal_and_the_same_for_a_seed(shown):
    tab = shown[2]
    draws = (
        "seed => { const g = jeat.generator(seed); return Array.from({length: 20000}, g.normal) }"
    )
    one, again, other = (torch.tensor(tab.evaluate(draws, seed)) for seed in (7, 7, 8))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert abs(one.mean()) < 4 / 20000**0.5
    assert abs(one.var() - 1) < 4 * (2 / 20000) ** 0.5
    assert abs((one.abs() < 1).float().mean() - 0.6827) < 4 * (0.6827 * 0.3173 / 20000) ** 0.5


@pytest.mark.slow
def test_a_reader_draws_attacks_and_uploads_by_keys_alone_and_nothing_is_asked_for(shown, tmp_path):
    _, _, tab, asked, wrong = shown
    said, told = "#draw-said", "#attack-said"
    tab.select_option("#draw [name=label]", "each")
    assert tab.is_disabled("#draw [name=number]")
    tab.focus("#draw .main")
    tab.keyboard.press("Enter")
    tab.wait_for_selector(f'{said}:text-matches("6 steps in")')
    captions = tab.locator("#drawn figcaption").all_inner_texts()
    assert [c.splitlines()[0].strip() for c in captions] == list(CLASSES)
    assert tab.locator("#draw-plot polyline").count() == 3
    assert "jeat sample mine drawn.png -n 1 --steps 6" in tab.text_content("#draw-command")
    tab.select_option("#draw [name=label]", "1")
    assert r"--class 'it'\''s a dog'" in tab.text_content("#draw-command")
    tab.focus("#choices input:checked")
    tab.keyboard.press("ArrowRight")
    assert tab.input_value("#attack [name=label]") == "1"
    tab.focus("#attack .main")
    tab.keyboard.press("Enter")
    tab.wait_for_selector(f'{told}:text-matches("says")')
    assert tab.locator("#attacked canvas").count() == 3
    assert tab.locator("#attack-table tbody tr").count() == 4
    Image.new("RGB", (40, 20), (200, 30, 60)).save(tmp_path / "red.png")
    tab.set_input_files("#attack [name=file]", tmp_path / "red.png")
    tab.wait_for_function("() => jeat.choices.length === 4")
    held = torch.tensor(tab.evaluate("() => [...jeat.choices[3].x]")).view(3, -1)
    assert torch.allclose(held, torch.tensor([200, 30, 60])[:, None] / 255, atol=1e-6)
    (tmp_path / "no.png").write_text("nonsense")
    tab.set_input_files("#attack [name=file]", tmp_path / "no.png")
    tab.wait_for_selector(f'{told}:text("no.png is no picture that this browser reads.")')
    assert tab.evaluate("() => document.documentElement.scrollWidth") == 390
    assert wrong == []
    assert [url for url in asked if not url.startswith(("blob:", "data:"))] == asked[:1]
    assert asked[0].startswith("file:")
    assert (
        tab.evaluate("() => fetch('data:,x').then(() => 'fetched', () => 'refused')") == "refused"
    )
