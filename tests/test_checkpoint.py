"""A net is one file, from which it comes back exactly or is refused in one line."""

import errno
from dataclasses import replace

import huggingface_hub
import pytest
import torch
from huggingface_hub import ModelCard
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

import jeat
from jeat._support.files import whole_file
from jeat._support.sealed import save_sealed
from jeat.nets import Spec, build, load_net, load_weights, save_net, shipped
from jeat.samplers import ClassGaussian, Uniform

CHAIN = {"steps": 150, "step_size": 0.25, "noise": 0.005}
SPEC = Spec("convnet-4", 3, 8, ("cat", "dog"), norm="batch", activation="silu", mean=0.4, std=0.25)
ABOUT = {"plan": {"method": "jeat"}, "iteration": 7, "note": "naïve"}


@pytest.fixture
def trained():
    """A net whose running statistics have moved, and a start."""
    net = build(SPEC)
    net(torch.rand(16, 3, 8, 8))
    images = torch.randint(0, 256, (40, 3, 8, 8), dtype=torch.uint8)
    return net, ClassGaussian.fit(images, torch.arange(40) % 2, classes=2, grain=4)


@pytest.fixture
def file(trained, tmp_path):
    save_net(*trained, tmp_path / "net.safetensors", about=ABOUT)
    return tmp_path / "net.safetensors"


def test_a_net_comes_back_exactly_and_in_eval_mode(trained, file):
    net, start = trained
    loaded = load_net(file)
    assert (loaded.spec, loaded.about) == (SPEC, ABOUT)
    assert not any(m.training for m in loaded.modules())
    torch.testing.assert_close(loaded.state_dict(), net.state_dict(), rtol=0, atol=0)
    assert torch.equal(loaded.start.mean, start.mean)
    assert torch.equal(loaded.start.factor, start.factor)
    assert (loaded.start.shape, loaded.start.grain) == ((3, 8, 8), 4)
    x = torch.rand(5, 3, 8, 8)
    torch.testing.assert_close(loaded(x), net.eval()(x))


def test_fp16_halves_the_file_and_rounds_to_11_bits(trained, file):
    net, start = trained
    half = file.with_name("half")
    save_net(net, start, half, about=ABOUT, precision="fp16")
    assert half.stat().st_size < 0.62 * file.stat().st_size
    loaded, x = load_net(half), torch.rand(5, 3, 8, 8)
    torch.testing.assert_close(loaded.state_dict(), net.state_dict(), rtol=2**-11, atol=1e-7)
    assert loaded(x).dtype == loaded.start(torch.tensor([0, 1])).dtype == torch.float32
    torch.testing.assert_close(loaded.start.factor, start.factor, rtol=2**-11, atol=1e-7)


def test_what_fp16_cannot_hold_stays_in_fp32(trained, file):
    net = build(trained[0].spec)
    net.load_state_dict(trained[0].state_dict())
    with torch.no_grad():
        next(net.parameters())[0] = 1e5
    save_net(net, None, file, about=ABOUT, precision="fp16")
    assert next(load_net(file).parameters()).max() == 1e5


def test_a_net_that_starts_from_uniform_noise_has_no_start_to_keep(trained, tmp_path):
    save_net(trained[0], Uniform((3, 8, 8)), tmp_path / "net", about={})
    assert load_net(tmp_path / "net").start is None


def test_the_memory_format_of_the_weights_does_not_matter(trained, tmp_path):
    net, start = trained
    save_net(net.to(memory_format=torch.channels_last), start, tmp_path / "net", about={})
    loaded = load_net(tmp_path / "net").state_dict()
    torch.testing.assert_close(loaded, net.state_dict(), rtol=0, atol=0, check_stride=False)


def rewrite(file, change_tensors=dict, change_header=dict):
    """The same file with other tensors or another header."""
    header = change_header({"spec": vars(SPEC), "about": ABOUT, "grain": 4})
    save_sealed(file, header, change_tensors(load_file(file)))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: f.unlink(), "not a jeat checkpoint"),
        (lambda f: f.write_text("no net here"), "not a jeat checkpoint"),
        (lambda f: f.write_bytes(b""), "not a jeat checkpoint"),
        (lambda f: f.write_bytes(f.read_bytes()[:50]), "not a jeat checkpoint"),
        (lambda f: f.write_bytes(f.read_bytes()[:-4]), "not a jeat checkpoint"),
        (lambda f: torch.save({"net": 1}, f), "not a jeat checkpoint"),
        (lambda f: save_file({"a": torch.zeros(1)}, f), "not a jeat checkpoint"),
        (lambda f: save_file({}, f, metadata={"jeat": "{not json"}), "not a jeat checkpoint"),
        (lambda f: save_file({}, f, metadata={"jeat": '"word"'}), "not a jeat checkpoint"),
        (lambda f: save_file({}, f, metadata={"jeat": "[]"}), "not a jeat checkpoint"),
        (lambda f: save_file(load_file(f), f, {"jeat": "{}"}), "is not what was saved"),
        (lambda f: rewrite(f, lambda t: {}), "another architecture than convnet-4"),
        (lambda f: rewrite(f, lambda t: t | {"net.b": torch.zeros(1)}), "not fit, such as b"),
        (
            lambda f: rewrite(f, lambda t: {k: v for k, v in t.items() if k != "net.conv1.weight"}),
            "1 tensors do not fit, such as conv1.weight",
        ),
        (
            lambda f: rewrite(f, change_header=lambda h: h | {"spec": vars(SPEC) | {"size": 16}}),
            "another architecture",
        ),
        (
            lambda f: rewrite(f, change_header=lambda h: h | {"spec": vars(SPEC) | {"name": "v"}}),
            "unknown net",
        ),
    ],
    ids=[
        "missing", "text", "empty", "truncated header", "truncated data", "pickle", "foreign",
        "foreign header", "a word", "a list", "no checksum", "no weights", "a weight too many",
        "a weight too few", "other size", "unknown architecture",
    ],
)  # fmt: skip
def test_what_is_no_net_is_refused_in_one_line(file, damage, said):
    damage(file)
    with pytest.raises(ValueError, match=said) as error:
        load_net(file)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"spec": vars(SPEC), "grain": 4},
        {"spec": vars(SPEC), "about": {}},
        {"spec": {"name": "convnet-4"}, "about": {}, "grain": 4},
        {"spec": vars(SPEC) | {"dropout": 0.1}, "about": {}, "grain": 4},
        {"spec": vars(SPEC), "about": {}, "grain": 4, "chain": {"steps": 3}},
        {"spec": vars(SPEC), "about": {}, "grain": 4, "chain": {k: [] for k in CHAIN}},
        {"spec": vars(SPEC), "about": {}, "grain": 4, "chain": CHAIN | {"steps": 10**12}},
        {"spec": vars(SPEC), "about": {}, "grain": 4, "chain": CHAIN | {"step_size": -1.0}},
        {"spec": vars(SPEC) | {"name": "wrn-9999994-1"}, "about": {}, "grain": 4},
    ],
    ids=[
        "empty",
        "no about",
        "no grain",
        "half a spec",
        "a later version's spec",
        "half a chain",
        "no numbers",
        "an endless chain",
        "a chain uphill",
        "an endless net",
    ],
)
def test_a_header_of_another_version_is_refused_in_one_line(file, header):
    rewrite(file, change_header=lambda _: header)
    with pytest.raises(ValueError, match="not a jeat checkpoint"):
        load_net(file)


def test_a_net_of_the_hub_is_fetched_at_the_commit_that_is_named(file, trained, monkeypatch):
    asked = []

    def fetch(name, what, *, revision):
        asked.append((name, what, revision))
        return str(file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch)
    commit = "0123456789" * 4
    net = jeat.load(f"owner/name@{commit}")
    assert asked == [("owner/name", "net.safetensors", commit)]
    torch.testing.assert_close(net.state_dict(), trained[0].state_dict(), rtol=0, atol=0)


def test_weights_are_copied_between_nets_of_one_architecture_only(trained):
    net, _ = trained
    other = build(SPEC)
    load_weights(other, net)
    torch.testing.assert_close(other.state_dict(), net.state_dict(), rtol=0, atol=0)
    other[1].weight.data.zero_()
    assert (net[1].weight != 0).any()
    with pytest.raises(ValueError, match="another architecture: name convnet-4 and not convnet-8"):
        load_weights(build(replace(SPEC, name="convnet-8")), net)
    for odd in ({"activation": "relu"}, {"std": 0.5}, {"classes": ("a", "b", "c")}):
        with pytest.raises(ValueError, match=f"another architecture: {next(iter(odd))}"):
            load_weights(build(replace(SPEC, **odd)), net)
    load_weights(build(replace(SPEC, classes=("a", "b"))), net)


def test_every_shipped_net_loads_and_says_what_it_is():
    for file in shipped().values():
        net = load_net(file)
        side = net.spec.size
        x = torch.rand(2, net.spec.channels, side, side)
        assert net(x).shape == (2, len(net.spec.classes))
        assert net.about
        card = ModelCard.load(file.with_suffix(".md"))
        figures = {r.metric_type for r in card.data.eval_results}
        assert "accuracy" in figures
        assert card.data.license == "mit"
        for title in ("How it was made", "Figures", "Weaknesses"):
            assert f"\n## {title}\n" in card.text


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_tied_weights_are_saved_under_each_name_and_loaded_into_one_tensor(tmp_path, precision):
    net = build(Spec("tests.tied:Tied", 1, 8, ("cat", "dog")))
    net(torch.rand(4, 1, 8, 8))
    save_net(net, None, tmp_path / "tied", about={}, precision=precision)
    kept = load_file(tmp_path / "tied")
    assert {k.removeprefix("net.") for k in kept} == net.state_dict().keys()
    loaded = load_net(tmp_path / "tied")
    assert loaded.third.weight is loaded.second.weight
    assert loaded.again is loaded.norm
    near = 2**-11 if precision == "fp16" else 0
    torch.testing.assert_close(loaded.state_dict(), net.state_dict(), rtol=near, atol=near)


def test_a_file_of_a_net_without_tied_weights_is_byte_for_byte_what_it_was(tmp_path):
    """No tensor is copied needlessly, and none is left out."""
    a, b = torch.rand(3, 4), torch.rand(2)
    save_sealed(tmp_path / "a", {}, {"a": a, "b": b, "view": a[1]})
    save_sealed(tmp_path / "b", {}, {"a": a.clone(), "b": b.clone(), "view": a[1].clone()})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    "said",
    [
        'Error while serializing: IoError(Os { code: 28, kind: StorageFull, message: "No space" })',
        "Error while serializing: I/O error: No space left on device (os error 28)",
    ],
    ids=["safetensors 0.5", "since 0.6"],
)
def test_a_full_disk_is_said_as_the_system_says_it(said, tmp_path):
    with (
        pytest.raises(OSError, match="No space left on device") as error,
        whole_file(tmp_path / "net.safetensors"),
    ):
        raise SafetensorError(said)
    assert error.value.errno == errno.ENOSPC
