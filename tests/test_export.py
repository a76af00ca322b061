"""What is exported is the net: read back by others' programs, it gives the same numbers."""

import json
import logging
import re
import resource
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError
from safetensors import safe_open
from torch import nn

import jeat
from jeat._support.plugins import NAMED
from jeat.cli import main
from jeat.energy import joint_energy, marginal_energy
from jeat.exports import export, torchscript
from jeat.exports.hub_folder import push
from jeat.nets import Spec, build, load_net, save_net, wrap
from jeat.samplers import Chain, ClassGaussian

from .toys.passes import Passes


class GoneError(EntryNotFoundError):
    def __init__(self):
        Exception.__init__(self, "404")


class RefusedError(HfHubHTTPError):
    def __init__(self, said):
        Exception.__init__(self, said)

    def __str__(self):
        return self.args[0]


def own():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 4))


SPEC = Spec("convnet-4", 3, 8, ("cat", "dog", "ox"), norm="batch", mean=[0.5, 0.4, 0.3], std=0.25)
GRAPHS = ("net.pt2", "net.ts", "net.torchscript", "net.py")
X = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a file of a net, and all that it is exported to from the command line."""
    place = tmp_path_factory.mktemp("exports")
    net = build(SPEC)
    net(torch.rand(16, 3, 8, 8))  # so that the statistics are not 0 and 1
    images = torch.randint(0, 256, (30, 3, 8, 8), dtype=torch.uint8)
    start = ClassGaussian.fit(images, torch.arange(30) % 3, classes=3, grain=4)
    about = {"plan": {"method": "jeat", "data": "someone/toys", "net": "convnet-4"}}
    save_net(net, start, place / "own.safetensors", about=about, chain=Chain(steps=3))
    for out in ("net.onnx", *GRAPHS, "hub/"):
        if out != "net.onnx" or _has_onnx():
            assert main(["export", str(place / "own.safetensors"), str(place / out)]) == 0
    return place


def _has_onnx():
    return all(map(find_spec, ("onnx", "onnxscript", "onnxruntime")))


@pytest.fixture
def net(made):
    return load_net(made / "own.safetensors")


def test_onnx_gives_logits_and_both_energies_of_batches_of_any_size(made, net):
    onnxruntime = pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    session = onnxruntime.InferenceSession(made / "net.onnx", providers=["CPUExecutionProvider"])
    assert [(i.name, i.shape) for i in session.get_inputs()] == [("images", ["batch", 3, 8, 8])]
    for x in (X, X[:1]):
        logits = net(x)
        y = torch.arange(len(x)) % 3
        found = session.run(["logits", "E", "E_y"], {"images": x.numpy()})
        got, E, E_y = map(torch.from_numpy, found)
        torch.testing.assert_close(got, logits, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(E, marginal_energy(logits), atol=1e-5, rtol=1e-5)
        own = E_y.gather(1, y[:, None]).squeeze(1)
        torch.testing.assert_close(own, joint_energy(logits, y), atol=1e-5, rtol=1e-5)
    meta = session.get_modelmeta().custom_metadata_map
    assert json.loads(meta["classes"]) == ["cat", "dog", "ox"]
    names = {w.name for w in onnx.load(made / "net.onnx").graph.initializer}
    assert {"net.conv4.weight", "net.linear.bias"} <= names


def test_graphs_of_pytorch_give_the_logits_to_the_bit(made, net, monkeypatch):
    program = torch.export.load(made / "net.pt2")
    scripts = [torch.jit.load(made / name) for name in ("net.ts", "net.torchscript")]
    monkeypatch.syspath_prepend(str(made))
    model = import_module("net").Model()
    for graph in (program.module(), *scripts, model):
        for x in (X, X[:1]):
            assert torch.equal(graph(x), net(x))
    assert "linear.weight" in program.state_dict
    assert not model.training  # as RobustBench asks for
    assert model.train() is model.eval() is model.to(torch.device("cpu")) is model
    x = X.clone().requires_grad_()
    model(x).sum().backward()
    assert x.grad.abs().sum() > 0
    assert "jeat" not in re.findall(r"import (\w+)", (made / "net.py").read_text())
    monkeypatch.delitem(sys.modules, "net")


def test_a_folder_for_the_hub_is_read_by_load_and_by_from_pretrained(made, net, tmp_path):
    assert {f.name for f in (made / "hub").iterdir()} == {
        "README.md", "config.json", "model.safetensors"
    }  # fmt: skip
    loaded = jeat.load(made / "hub")
    pretrained = jeat.Pretrained.from_pretrained(made / "hub")
    for again in (loaded, pretrained.net):
        assert (again.spec, again.chain, again.about) == (net.spec, net.chain, net.about)
        assert torch.equal(again.start.mean, net.start.mean)
        assert not again.training
        assert torch.equal(again(X), net(X))
    assert torch.equal(pretrained(X), net(X))
    with safe_open(made / "hub/model.safetensors", "pt") as f:
        assert {"net.conv1.weight", "net.norm4.running_var", "net.linear.bias"} <= {*f.keys()}
    pretrained.save_pretrained(tmp_path / "again")
    assert torch.equal(jeat.load(tmp_path / "again")(X), net(X))
    card = (made / "hub/README.md").read_text()
    assert huggingface_hub.ModelCard(card).data.datasets == ["someone/toys"]
    for said in (
        "library_name: jeat",
        "convnet-4, trained by `jeat` on someone/toys",
        "cat, dog, ox",
    ):
        assert said in card


def test_the_card_beside_a_net_goes_along(made, tmp_path, capsys):
    (tmp_path / "mine.safetensors").write_bytes((made / "own.safetensors").read_bytes())
    (tmp_path / "mine.md").write_text("its card\n")
    assert main(["export", str(tmp_path / "mine.safetensors"), str(tmp_path / "hub")]) == 0
    assert (tmp_path / "hub/README.md").read_text() == "its card\n"
    assert "| logits | 0 " in capsys.readouterr().out


@pytest.mark.parametrize("file", ["net.safetensors", "model.safetensors"])
def test_the_hub_is_asked_for_both_names(file, made, net, monkeypatch):
    def download(name, asked, *, revision):
        assert (name, revision) == ("someone/net", "a" * 40)
        if asked != file:
            raise GoneError
        return str(made / "hub/model.safetensors")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert torch.equal(jeat.load(f"someone/net@{'a' * 40}")(X), net(X))


def foreign():
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 3))


@pytest.mark.parametrize("out", GRAPHS[:2])
def test_a_net_of_others_is_exported_with_its_normalisation_and_preparation(out, tmp_path):
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = foreign()

        def forward(self, x):
            return {"scores": self.inner(x), "x": x}

    net = jeat.wrap(
        nn.DataParallel(Named()), (3, 8, 8), 3, mean=[0.5, 0.4, 0.3], std=2.0, output="scores",
        prepare=lambda x: 255 * x,
    )  # fmt: skip
    assert jeat.export(net, tmp_path / out) == {"logits": 0}
    load = torch.jit.load if out == "net.ts" else lambda f: torch.export.load(f).module()
    assert torch.equal(load(tmp_path / out)(X), net(X))


def test_a_net_that_is_named_comes_back_from_its_folder(tmp_path):
    net = jeat.wrap("tests.test_export:foreign", (3, 8, 8), ["a", "b", "c"], mean=0.5)
    jeat.export(net, tmp_path / "hub/")
    assert torch.equal(jeat.load(tmp_path / "hub")(X), net(X))


def test_a_file_whose_numbers_are_not_the_nets_gets_no_name(net, tmp_path, monkeypatch):
    right = torchscript.write
    (tmp_path / "net.ts").write_text("what was there")

    def wrong(net, file):
        with torch.no_grad():
            net.linear.bias[1] += 0.01
            right(net, file)
            net.linear.bias[1] -= 0.01

    monkeypatch.setattr(torchscript, "write", wrong)
    with pytest.raises(ValueError, match=r"net.ts cannot hold .* differ from the net's by 0\.01"):
        jeat.export(net, tmp_path / "net.ts")
    assert [f.read_text() for f in tmp_path.iterdir()] == ["what was there"]


def test_what_a_format_needs_is_named_before_any_work(made, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if "script" in name else 1)
    assert main(["export", str(made / "own.safetensors"), str(tmp_path / "net.onnx")]) == 2
    error = capsys.readouterr().err
    assert "needs onnxscript: pip install 'jeat[export]', or pip install onnxscript" in error
    assert not [*tmp_path.iterdir()]


def test_a_full_disk_leaves_no_half_of_a_folder(net, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            jeat.export(net, tmp_path / "hub/")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not [*tmp_path.iterdir()]


class Repeated(Passes):
    """Counts the images of a batch as shapes do, so that a graph can."""

    def forward(self, x):
        k = torch.arange(self.gain.num_embeddings).repeat(x.shape[0])
        return -self.energy(x.repeat_interleave(self.gain.num_embeddings, 0), k).view(
            x.shape[0], -1
        )


def test_a_net_of_a_pass_a_class_is_exported_where_its_code_counts_no_images(tmp_path):
    for kind, said in (
        ("tests.toys.passes:Passes", r"net.pt2 cannot hold this tests\.toys.* write x\.shape\[0\]"),
        ("tests.test_export:Repeated", None),
    ):
        net = build(Spec(kind, 1, 8, ("a", "b")))
        if said is None:
            assert jeat.export(net, tmp_path / "net.pt2") == {"logits": 0}
        else:
            with pytest.raises(ValueError, match=said):
                jeat.export(net, tmp_path / "net.pt2")
            with pytest.raises(ValueError, match=r"net.ts cannot hold .* of 1 images|8 images"):
                jeat.export(net, tmp_path / "net.ts")
            assert not [*tmp_path.iterdir()]


REFUSED = {
    "what no file makes": (lambda: jeat.wrap(foreign(), (3, 8, 8), 3), "no file can make"),
    "what no file keeps": (
        lambda: jeat.wrap("tests.test_export:foreign", (3, 8, 8), 3, prepare=lambda x: x / 2),
        "prepared by a function of yours, which no file keeps",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_folder_holds_no_net_that_it_could_not_give_back(case, tmp_path):
    make, said = REFUSED[case]
    with pytest.raises(ValueError, match=said):
        jeat.export(make(), tmp_path / "hub/")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"name": "convnet-5"}, "is of another net than the config.json"),
     ({"name": "os:system"}, "'os:system' is code of its own, which no file may have run"),
     ({"classes": 3}, "classes must be a list, got 3"),
     (None, "is no folder of jeat export: its config.json says no name")],
)  # fmt: skip
def test_a_config_decides_nothing_that_the_weights_do_not(changes, said, made, tmp_path, unchecked):
    for file in (made / "hub").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | changes if changes else {}))
    with pytest.raises(ValueError, match=said):
        jeat.Pretrained.from_pretrained(tmp_path)


def test_a_repository_of_a_pickle_is_not_filled_with_random_weights(monkeypatch, made):
    def download(*args, filename, **kwargs):
        if filename == "model.safetensors":
            raise GoneError
        return str(made / "hub/config.json")

    monkeypatch.setattr("huggingface_hub.hub_mixin.hf_hub_download", download)
    with pytest.raises(ValueError, match=r"it holds no model\.safetensors, as jeat export"):
        jeat.Pretrained.from_pretrained("someone/net")


class Hub:
    """The hub's calls that a push makes, and no more."""

    def __init__(self, **_):
        pass

    def create_repo(self, name, *, exist_ok):
        assert exist_ok

    def upload_folder(self, *, repo_id, folder_path, commit_message):
        assert commit_message
        files = sorted(f.name for f in Path(folder_path).iterdir())
        return huggingface_hub.CommitInfo(
            commit_url=f"https://huggingface.co/{repo_id}/commit/{'+'.join(files)}",
            commit_message="", commit_description="", oid="0",
        )  # fmt: skip


def test_a_folder_is_pushed_and_where_it_went_is_said(made, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("jeat.exports.hub_folder.HfApi", Hub)
    words = ["export", str(made / "own.safetensors"), f"{tmp_path}/hub/", "--push", "me/net"]
    assert main(words) == 0
    assert "me/net: https://huggingface.co/me/net/commit/README.md+config.json+model" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize(
    "error",
    [RefusedError("401 of Bearer hf_secret\nlog in"),
     ValueError("the token hf_secret is bad"), OSError("hf_secret")],
)  # fmt: skip
def test_a_push_that_fails_is_said_in_a_line_without_a_token(error, made, monkeypatch):
    def fails(*args, **kwargs):
        raise error

    monkeypatch.setattr("jeat.exports.hub_folder.HfApi", Hub)
    monkeypatch.setattr(Hub, "create_repo", fails)
    with pytest.raises(OSError, match=r"^[^\n]*hub is written, but .* as me/net: .*log in by") as e:
        push(made / "hub", "me/net")
    assert "secret" not in str(e.value)


def test_what_was_compiled_is_exported_as_it_was_before(tmp_path):
    net = wrap(torch.compile(own(), backend="eager"), (3, 8, 8), 4)
    x = torch.rand(5, 3, 8, 8)
    for name in ("net.ts", "net.pt2"):
        export(net, tmp_path / name)
    with torch.no_grad():
        assert torch.allclose(torch.jit.load(tmp_path / "net.ts")(x), net(x), atol=1e-6)
    assert hasattr(net.net, "_orig_mod")


def test_a_half_precision_net_is_compared_by_what_its_dtype_holds(tmp_path):
    net = wrap(own().half(), (3, 8, 8), 4)
    assert max(export(net, tmp_path / "net.pt2").values()) <= 1e-2


def test_a_hub_that_cannot_be_reached_is_one_line(tmp_path, monkeypatch):
    """Whatever the hub's client raises; what is written stays."""
    (tmp_path / "hub").mkdir()

    class UnreachableError(Exception):
        pass

    def fails(*_, **__):
        raise UnreachableError("Name or service not known")

    monkeypatch.setattr("huggingface_hub.HfApi.create_repo", fails)
    with pytest.raises(OSError, match="is written, but the hub does not take it as a/b"):
        push(tmp_path / "hub", "a/b")


class Decides(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 3)

    def forward(self, x):
        logits = self.layer(x.flatten(1))
        return 2 * logits if x.mean() > 0.6 else logits


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("onnx", "decides by the values of its images.*torch.where"),
        ("pt2", "decides by the values of its images.*torch.where"),
        ("ts", "its logits of 1 images differ from the net's"),
    ],
)
def test_code_that_decides_by_values_is_refused_in_one_line_and_nothing_else(
    end, said, tmp_path, capfd, caplog
):
    """A graph would go one way for all images; exporters print pages of it."""
    net = jeat.wrap(Decides(), (1, 8, 8), 3)
    with pytest.raises(ValueError, match=f"^[^\n]*{said}[^\n]*$"):
        jeat.export(net, tmp_path / f"net.{end}")
    assert not any(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


OWN = """
from torch import nn
def layers(classes, channels, size):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * size**2, classes))
"""


def test_a_net_that_code_of_ones_own_makes_is_exported_by_its_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(OWN)
    net, name = wrap({"name": "own.py:layers"}, (3, 8, 8), 4), "own.py:layers"
    save_net(net, None, "net.safetensors")

    def words(out, *more):
        NAMED.discard(str(Path("own.py").resolve()))  # as in a process of its own
        return main(["export", "net.safetensors", out, *more])

    assert words("net.ts") == 1
    assert f"--arch {name}" in capsys.readouterr().err
    assert [words(out, "--arch", name) for out in ("net.ts", "net.pt2", "hub/")] == [0, 0, 0]
    for again in (jeat.load("hub", arch=name), torch.jit.load("net.ts")):
        torch.testing.assert_close(again(X), net(X))
    given = jeat.load("net.safetensors", net=nn.Sequential(nn.Flatten(), nn.Linear(192, 4)))
    NAMED.discard(str(Path("own.py").resolve()))
    with pytest.raises(ValueError, match=r"other/model.safetensors does not .* arch='own.py:lay"):
        export(given, "other/")
    assert not Path("other").exists()
