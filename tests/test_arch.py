"""A file of another project that does not say all of its net: it is said beside it, in one name."""

import json
import re
import warnings

import huggingface_hub
import numpy as np
import pytest
import timm
import torch
from huggingface_hub import PyTorchModelHubMixin
from huggingface_hub.errors import EntryNotFoundError
from pytorchcv.model_provider import get_model
from safetensors.torch import save_file
from torch import nn
from torchvision import models

import jeat
from jeat._support.words import joined, parted
from jeat.cli import main
from jeat.nets import Spec, build, spec_of

from .foreign_nets import Robustness
from .test_layouts import trained

pytestmark = pytest.mark.filterwarnings("ignore:.*is read as")
COMMIT = "0" * 40
VIT = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 1, "num_heads": 2}
VIT_NAME = "timm:vit_tiny_patch16_224"


def vit(classes=10):
    torch.manual_seed(0)
    return timm.create_model("vit_tiny_patch16_224", num_classes=classes, **VIT).eval()


def saved(state, place, prefix=""):
    torch.save({"state_dict": {f"{prefix}{k}": v for k, v in state.items()}, "epoch": 3}, place)
    return place


def same(a, b, x):
    with torch.no_grad():
        right = b(x)
        scale = float(right.std())
        torch.testing.assert_close(a(x) / scale, right / scale, rtol=1e-4, atol=1e-4)


def normalised(net, mean, std):
    mean, std = (torch.tensor(v).view(-1, 1, 1) for v in (mean, std))
    return lambda x: net((x - mean) / std)


# One name


@pytest.mark.parametrize(
    "said",
    [
        {"name": "wrn-10-1", "norm": "batch", "mean": [0.5, 0.4, 0.3], "classes": 10},
        {
            "name": "own file.py:net",
            "images": [3, 32, 48],
            "flag": True,
            "of": None,
            "word": "a&b=c",
        },
        {"name": "", "classes": ["a cat", "dög"], "std": 0.25},
    ],
)
def test_a_name_and_what_is_said_are_parted_as_they_were_joined(said):
    name, found = parted(joined("a folder/net.pt", said))
    assert name == "a folder/net.pt"
    assert found == {k: v for k, v in said.items() if v is not None}


def test_a_file_whose_name_has_a_question_mark_is_that_file(tmp_path):
    (tmp_path / "net?arch=3").touch()
    assert parted(str(tmp_path / "net?arch=3"))[1] == {}
    assert parted("net.pt") == ("net.pt", {})


# Nets of this package, of libraries, of one's own


@pytest.mark.parametrize("prefix", ["", "module.", "module.net.", "_orig_mod."])
def test_a_state_dict_of_a_net_of_ours_is_loaded_by_its_name(prefix, tmp_path):
    own = build(Spec("wrn-10-1", 3, 32, tuple("abcde"), norm="batch", std=0.25)).eval()
    file = saved(own.state_dict(), tmp_path / "net.pt", prefix)
    arch = {"name": "wrn-10-1", "norm": "batch", "std": 0.25, "classes": list("abcde")}
    net = jeat.load(file, arch=arch)
    assert spec_of(net).classes == tuple("abcde")
    same(net, own, torch.rand(2, 3, 32, 32))
    assert len(spec_of(jeat.load(f"{file}?arch=wrn-10-1&norm=batch")).classes) == 5


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_state_dict_of_timm_is_loaded_by_its_name_and_kept_as_such(suffix, tmp_path):
    file = tmp_path / f"net{suffix}"
    save_file(vit().state_dict(), file) if suffix != ".pt" else saved(vit().state_dict(), file)
    net = jeat.load(file, arch={"name": VIT_NAME, "mean": 0.4, "std": 0.3, **VIT})
    x = torch.rand(2, 3, 32, 32)
    same(net, lambda x: vit()((x - 0.4) / 0.3), x)
    jeat.nets.save_net(net, None, tmp_path / "ours.safetensors", about={})
    same(jeat.load(tmp_path / "ours.safetensors"), net, x)


def test_a_state_dict_in_a_module_of_ones_own(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 4))
    file = saved(layers.state_dict(), tmp_path / "net.pt")
    said = {"name": f"{tmp_path}/own.py:net", "images": (1, 8, 8), "mean": 0.5, "std": 0.5}
    x = torch.rand(2, 1, 8, 8)
    same(jeat.load(file, arch=said), lambda x: layers(2 * x - 1), x)
    wrapped = {"name": f"{tmp_path}/own.py:wrapped"}
    same(jeat.load(file, arch=wrapped), lambda x: layers((x - 0.25) / 0.5), x)


OWN = """
import torch, jeat
from torch import nn
from huggingface_hub import PyTorchModelHubMixin

def net(classes=4):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))

def wrapped():
    return jeat.wrap(net(), images=(1, 8, 8), classes=4, mean=0.25, std=0.5)

class Mine(nn.Module, PyTorchModelHubMixin):
    def __init__(self, hidden: int = 3, classes: int = 4):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, hidden), nn.Linear(hidden, classes))

    def forward(self, x):
        return self.layers(x)
"""


def test_every_command_takes_what_is_said_and_records_it_in_one_name(tmp_path, capsys):
    own = build(Spec("convnet-4", 1, 8, tuple("0123456789"))).eval()
    file = str(saved(own.state_dict(), tmp_path / "net.pt", "module."))
    flags = ["--arch", "convnet-4", "--images", "1", "8", "8", "--arch.activation", "leaky_relu"]
    words = ["--data", "digits", "-n", "2"]
    out, drawn = tmp_path / "m.json", tmp_path / "x.safetensors"
    assert main(["attack", file, "--steps", "1", *flags, *words]) == 0
    assert main(["sample", file, str(drawn), "-n", "1", "--steps", "1", *flags]) == 0
    assert (
        main(["landscape", file, str(tmp_path / "l.png"), "--points", "3", *flags, *words[:2]]) == 0
    )
    named = f"{file}?arch=convnet-4&images=[1,8,8]&activation=leaky_relu"
    other = build(Spec("convnet-4", 1, 8, tuple("0123456789")))
    saved(other.state_dict(), tmp_path / "judge.pt")
    judge = named.replace("net.pt", "judge.pt")
    measure = ["--metrics", "accuracy", "judge_accuracy", "--judge", judge, "--samples", str(drawn)]
    assert main(["measure", file, *flags, *words, *measure, "--out", str(out)]) == 0
    kept = json.loads(out.read_text())
    assert kept["net"] == named
    capsys.readouterr()
    assert main(["measure", kept["net"], *words, "--metrics", "accuracy"]) == 0
    assert f"{kept['figures']['accuracy']:.4g}" in capsys.readouterr().out


def test_yaml_says_it_too(tmp_path):
    file = saved(vit().state_dict(), tmp_path / "net.pt")
    (tmp_path / "c.yaml").write_text(
        "arch: convnet-4\nimages: [3, 32, 32]\nmean: [0.5, 0.5, 0.5]\nmetrics: [accuracy]\n"
    )
    net = build(Spec("convnet-4", 3, 32, ("0", "1"))).eval()
    file = saved(net.state_dict(), tmp_path / "net.pt")
    np.savez(
        tmp_path / "d.npz", images=np.zeros((40, 32, 32, 3), np.uint8), labels=np.arange(40) % 2
    )
    words = ["--config", str(tmp_path / "c.yaml"), "--data", str(tmp_path / "d.npz"), "-n", "2"]
    assert main(["measure", str(file), *words]) == 0


# What does not fit


@pytest.mark.parametrize(
    ("arch", "said"),
    [
        (
            "convnet-8",
            r"does not fit convnet-8: others in shape are conv1.weight \(4, 1, 3, 3\) for ",
        ),
        ("vgg-8", "does not fit vgg-8: it lacks "),
        ("convnet-x", "in digits"),
        ("nothing", "unknown net 'nothing'"),
        ({"name": "convnet-4", "norm": "layer"}, "norm must be one of"),
        ({"name": "convnet-4", "images": [3, 8]}, "images are C H W"),
        ({"name": "convnet-4", "images": "1x8x8"}, "images are C H W"),
        ({"name": "convnet-4", "classes": ["a", "a"]}, "names that differ"),
        ({"name": "convnet-4", "mean": "dark"}, "mean is a number"),
        ({"name": "convnet-4", "mean": [0.1, 0.2], "images": (1, 8, 8)}, "1 number for images"),
        ({"name": "timm:nothing"}, "timm has no 'nothing'"),
        ({"name": "timm:resnet18", "pretrained": True}, "pretrained is no setting"),
        ({"name": "timm:resnet18", "checkpoint_path": "x"}, "checkpoint_path is no setting"),
        ({"name": "nowhere.py:net"}, "there is no file"),
        ({"name": "json:dumps"}, "which returns a net"),
        (3, "arch must be the name"),
    ],
)
def test_what_is_said_wrongly_is_refused_in_a_line(arch, said, tmp_path, unchecked):
    net = build(Spec("convnet-4", 1, 8, ("a", "b")))
    file = saved(net.state_dict(), tmp_path / "net.pt")
    if isinstance(arch, str):
        arch = {"name": arch, "images": (1, 8, 8)}
    with pytest.raises(ValueError, match=said) as error:
        jeat.load(file, arch=arch)
    assert "\n" not in str(error.value)


def test_keys_that_differ_are_named_three_of_a_kind(tmp_path):
    state = vit().state_dict()
    state["extra.weight"] = torch.zeros(4)
    del state["norm.weight"]
    file = saved(state, tmp_path / "net.pt", "module.")
    with pytest.raises(ValueError, match=r"it lacks norm\.weight; it also has extra\.weight$"):
        jeat.load(file, arch={"name": VIT_NAME, **VIT})
    with pytest.raises(ValueError, match=r"it lacks (blocks\S+ ){2}blocks\S+ and 9 more$"):
        jeat.load(saved(vit().state_dict(), file), arch={"name": VIT_NAME, **VIT, "depth": 2})


def test_a_normalisation_in_the_file_is_not_left_out_in_silence(tmp_path):
    own = build(Spec("convnet-4", 1, 8, ("a", "b")))
    state = {f"model.{k}": v for k, v in own.state_dict().items()} | {"mean": torch.zeros(1, 1, 1)}
    file, arch = saved(state, tmp_path / "net.pt"), {"name": "convnet-4", "images": (1, 8, 8)}
    with pytest.raises(ValueError, match="it also has mean"):
        jeat.load(file, arch=arch)
    jeat.load(file, arch=arch | {"mean": 0.0, "std": 0.5})


@pytest.mark.parametrize("name", ["cifar10-at", "timm:resnet18", "net.py:f"])
def test_what_says_itself_which_net_it_is_takes_no_arch(name):
    with pytest.raises(ValueError, match="itself"):
        jeat.load(name, arch="wrn-10-1")
    with pytest.raises(ValueError, match="leave --arch"):
        joined("a.pt?arch=wrn-10-1", {"name": "wrn-16-2"})


# Layouts of libraries


def cv(name):
    return lambda: get_model(name)


LAYOUTS = {
    "torchvision:resnet18": lambda: models.resnet18(num_classes=10),
    "torchvision:mobilenet_v3_small": lambda: models.mobilenet_v3_small(num_classes=7),
    "torchvision:shufflenet_v2_x0_5": lambda: models.shufflenet_v2_x0_5(),
    "torchvision:regnet_y_400mf": lambda: models.regnet_y_400mf(num_classes=6),
    "timm:mixer_s32_224": lambda: timm.create_model("mixer_s32_224", num_classes=5),
    "pytorchcv:resnet20_cifar10": cv("resnet20_cifar10"),
    "pytorchcv:preresnet20_cifar10": cv("preresnet20_cifar10"),
    "pytorchcv:seresnet20_cifar100": cv("seresnet20_cifar100"),
    "pytorchcv:densenet40_k12_cifar10": cv("densenet40_k12_cifar10"),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_of_a_library_is_known_by_its_keys_and_shapes(name, tmp_path):
    torch.manual_seed(0)
    theirs = trained(LAYOUTS[name])
    for weight in theirs.parameters():
        if weight.dim() == 2 and not weight.any():  # as timm begins
            nn.init.normal_(weight)
    file = saved(theirs.state_dict(), tmp_path / "net.pt", "module.")
    with pytest.warns(jeat.metrics.DoubtWarning, match=f"it is read as {name}, of images 3 "):
        net = jeat.load(file)
    spec = spec_of(net)
    assert spec.settings["make"] == name
    x = torch.rand(2, *spec.shape)
    same(net, normalised(theirs, spec.settings["mean"], spec.settings["std"]), x)
    if name == "torchvision:resnet18":
        other = jeat.load(file, arch={"images": (3, 32, 32), "mean": 0.5, "std": 0.25})
        same(other, lambda x: theirs((x - 0.5) / 0.25), torch.rand(2, 3, 32, 32))


@pytest.mark.parametrize(
    ("arch", "said", "beside"),
    [
        (
            None,
            "of images 3 224 224 normalised by mean .* others by --images, --mean and --std$",
            0,
        ),
        ({"images": (3, 32, 32)}, "resnet18, normalised by .* say others by --mean and --std$", 0),
        ({"mean": 0.5, "std": 0.5}, "resnet18, of images 3 224 224, .* say others by --images$", 0),
        (None, "resnet18, of images 3 224 224, .* say others by --images$", 1),
        ({"images": (3, 32, 32), "mean": 0.5, "std": 0.5}, "", 0),
        ({"images": (3, 32, 32)}, "", 1),
    ],
)
def test_only_what_nobody_says_is_said_to_be_unsaid(arch, said, beside, tmp_path):
    state = {f"1.{k}": v for k, v in models.resnet18(num_classes=3).state_dict().items()}
    if beside:
        state |= {"0.mean": torch.tensor([0.5, 0.4, 0.3]), "0.std": torch.tensor([0.2, 0.3, 0.2])}
    file = saved(state, tmp_path / "net.pt")
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", jeat.metrics.DoubtWarning)
        jeat.load(file, arch=arch)
    told = [str(w.message) for w in found if "it is read as" in str(w.message)]
    assert len(told) == bool(said)
    assert all(re.search(said, text) for text in told)


def test_a_layout_of_colours_takes_no_grey_images(tmp_path):
    file = saved(models.resnet18(num_classes=3).state_dict(), tmp_path / "net.pt")
    with pytest.raises(ValueError, match="images of C=3, and C=1 is said, as by --images"):
        jeat.load(file, arch={"images": (1, 8, 8)})


def test_a_doubt_is_a_line_of_the_command_whoever_is_told_of_it(tmp_path, monkeypatch, capsys):
    """Of a file, and of a factory of one's own, whose file is not the package's."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    saved(models.resnet18(num_classes=10).state_dict(), tmp_path / "net.pt")
    (tmp_path / "own_doubt.py").write_text(
        "import jeat\nfrom torch import nn\n"
        "def net():\n    return jeat.wrap(nn.Sequential(nn.Flatten(), nn.Linear(64, 10), "
        "nn.LogSoftmax(1)), images=(1, 8, 8), classes=10)\n"
    )
    np.savez(tmp_path / "c.npz", images=np.zeros((40, 32, 32, 3)), labels=np.arange(40) % 10)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        main(["measure", "net.pt", "--images", "3", "32", "32", "--data", "c.npz"])
        main(
            ["measure", "own_doubt.py:net", "--data", "digits", "-n", "3", "--metrics", "accuracy"]
        )
    said = capsys.readouterr().err
    assert "jeat: warning: net.pt: it is read as torchvision:resnet18, normalised by" in said
    assert "jeat: warning: the net's outputs are logarithms of probabilities" in said
    assert "Warning:" not in said
    assert "warnings.warn" not in said


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("vit_b_16", models.vit_b_16), ("vgg11", models.vgg11), ("vgg13_bn", models.vgg13_bn),
        ("densenet121", models.densenet121), ("resnet50", models.resnet50),
        ("wide_resnet50_2", models.wide_resnet50_2), ("resnext50_32x4d", models.resnext50_32x4d),
        ("convnext_tiny", models.convnext_tiny), ("efficientnet_b0", models.efficientnet_b0),
    ],
)  # fmt: skip
def test_large_nets_of_torchvision_are_told_apart_by_their_shapes(name, make):
    from jeat.nets.layouts._library import of_torchvision

    with torch.device("meta"):
        state = make(num_classes=11).state_dict()
    assert of_torchvision(state) == name
    del state[next(iter(state))]
    assert of_torchvision(state) is None


def test_a_net_of_imagenet_has_its_classes(tmp_path):
    net = jeat.load(saved(models.shufflenet_v2_x0_5().state_dict(), tmp_path / "net.pt"))
    assert spec_of(net).classes[0] == "tench"
    assert spec_of(net).shape == (3, 224, 224)


def test_madrylabs_imagenet_resnet_is_read_with_its_normaliser(tmp_path):
    mean, std = [0.4, 0.5, 0.45], [0.2, 0.3, 0.25]
    theirs = trained(lambda: Robustness(models.resnet18(num_classes=9), mean, std))
    torch.save(
        {"model": {f"module.{k}": v for k, v in theirs.state_dict().items()}}, tmp_path / "n"
    )
    net = jeat.load(tmp_path / "n")
    assert spec_of(net).shape == (3, 224, 224)
    same(net, theirs, torch.rand(2, 3, 224, 224))


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (
            lambda: timm.create_model("vit_tiny_patch16_224"),
            "one of deit_tiny_patch16_224, vit_tiny",
        ),
        (vit, "a vision transformer or alike"),
    ],
)
def test_what_keys_do_not_tell_is_refused_with_the_flag_that_would(state, said, tmp_path):
    with pytest.raises(ValueError, match=said) as error:
        jeat.load(saved(state().state_dict(), tmp_path / "net.pt"))
    assert "--arch timm:" in str(error.value)
    assert "net.pt" in str(error.value)


# Folders of the hub


def of_timm(folder):
    folder.mkdir()
    save_file(vit(3).state_dict(), folder / "model.safetensors")
    how = {"input_size": [3, 32, 32], "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.2]}
    config = {
        "architecture": "vit_tiny_patch16_224", "num_classes": 3, "model_args": VIT,
        "label_names": ["cat", "dog", "owl"], "pretrained_cfg": how,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    return folder, how


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub of one repository, ``owner/name``, in a folder; what was asked of it."""
    folder, asked = tmp_path / "owner--name", []

    def fetch(repo, file, *, revision):
        asked.append((repo, file, revision))
        if not (folder / file).exists():
            raise EntryNotFoundError(f"no {file}")
        return str(folder / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch)
    return folder, asked


def test_a_folder_of_timm_says_its_net_and_images(tmp_path):
    folder, how = of_timm(tmp_path / "folder")
    net = jeat.load(folder)
    assert spec_of(net).classes == ("cat", "dog", "owl")
    same(net, normalised(vit(3), how["mean"], how["std"]), torch.rand(2, 3, 32, 32))


@pytest.mark.parametrize("before", ["", "hf-hub:", "hf_hub:", "timm:hf_hub:", "timm:hf-hub:"])
def test_a_hub_id_of_timm_is_fetched_at_its_commit(before, hub):
    folder, asked = hub
    of_timm(folder)
    net = jeat.load(f"{before}owner/name@{COMMIT}")
    assert spec_of(net).settings["make"]["name"] == VIT_NAME
    assert {(repo, revision) for repo, _, revision in asked} == {("owner/name", COMMIT)}
    with pytest.raises(FileNotFoundError, match="named with its commit"):
        jeat.load(f"{before}owner/name")


def test_a_model_of_the_hub_mixin_needs_the_class_from_the_users_own_code(hub, tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    exec(OWN, own := {"__name__": "own"})
    assert issubclass(own["Mine"], PyTorchModelHubMixin)
    folder, _ = hub
    mine = own["Mine"](hidden=5)
    mine.save_pretrained(folder, config={"hidden": 5, "classes": 4})
    said = {"name": f"{tmp_path}/own.py:Mine", "images": (1, 8, 8)}
    for name in (folder, f"owner/name@{COMMIT}"):
        same(jeat.load(name, arch=said), mine, torch.rand(2, 1, 8, 8))
        with pytest.raises(ValueError, match=r"--arch FILE\.py:CLASS"):
            jeat.load(name)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ('{"model_type": "vit", "architectures": ["X"]}', "a model of transformers"),
        ("[1]", "config.json is damaged"),
        ('{"architecture": "os:system", "pretrained_cfg": {}}', "timm has no 'os:system'"),
        ('{"architecture": "/etc/x", "pretrained_cfg": {}}', "timm has no '/etc/x'"),
    ],
)
def test_a_config_names_no_code(config, said, tmp_path):
    folder, _ = of_timm(tmp_path / "folder")
    (folder / "config.json").write_text(config)
    with pytest.raises(ValueError, match=said):
        jeat.load(folder)
    of_timm(tmp_path / "other")
    config = json.loads((tmp_path / "other/config.json").read_text())
    config["model_args"]["checkpoint_path"] = "/etc/x"
    (tmp_path / "other/config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="checkpoint_path is no setting"):
        jeat.load(tmp_path / "other")
