"""A file that is no net, no samples and no data set is said to be what it is, by its content."""

import io
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import nn

import jeat
from jeat._support.kinds import kind_of
from jeat.cli import main
from jeat.jobs.image_files import load_images
from jeat.training.plan import Plan

pytestmark = pytest.mark.usefixtures("unchecked")  # what a user meets
NET = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


def written(write):
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def zipped(*names):
    def write(file):
        with zipfile.ZipFile(file, "w") as archive:
            for name in names:
                archive.writestr(zipfile.ZipInfo(name), b"x" * 99)

    return written(write)


def tarred(file):
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("net.pth"))


def field(number, data):
    """A field of a protobuf, of bytes or a small number."""
    if isinstance(data, int):
        return bytes([number << 3, data])
    return bytes([number << 3 | 2, len(data) & 127 | 128, len(data) >> 7]) + data


ONNX = field(1, 8) + field(2, b"pytorch") + field(3, b"2.5") + field(7, b"g" * 900)
SAFE = save({"weight": torch.zeros(100)})
KINDS = {
    "torch": (written(lambda f: torch.save(NET.state_dict(), f)), "a pickle of torch.save"),
    "torch, a module": (written(lambda f: torch.save(NET, f)), "a pickle of torch.save"),
    "torch, before archives": (
        written(lambda f: torch.save(NET.state_dict(), f, _use_new_zipfile_serialization=False)),
        "a pickle of torch.save",
    ),
    "torchscript": (
        zipped("net/data.pkl", "net/code/__torch__.py", "net/constants.pkl", "net/version"),
        "a TorchScript archive",
    ),
    "exported": (
        zipped("net/archive_format", "net/models/model.json", "net/data/weights/weight_0"),
        "an exported program of PyTorch",
    ),
    "exported, before": (
        zipped("serialized_exported_program.json", "serialized_state_dict.pt", "version"),
        "an exported program of PyTorch",
    ),
    "onnx": (ONNX + field(8, b"\x10\x12"), "an ONNX model"),
    "onnx, cut": (ONNX[:-500], "an ONNX model"),
    **{f"pickle {p}": (pickle.dumps({"a": [1, 2]}, protocol=p), "a pickle") for p in range(6)},
    "numpy": (written(lambda f: np.save(f, np.zeros(3))), "a bare array of numpy (.npy)"),
    "arrays": (written(lambda f: np.savez(f, a=np.zeros(3))), "an .npz of arrays"),
    "keras": (zipped("config.json", "model.weights.h5"), "a Keras archive"),
    "zip": (zipped("a.png", "b.png"), "a zip archive"),
    "zip, cut": (zipped("a.png")[:50], "a zip archive that is cut short: fetch or make it anew"),
    "tar": (written(tarred), "a tar archive: unpack it"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "a pointer of Git LFS"),
    "html": (b"<!DOCTYPE html><html>not found</html>", "a web page"),
    "text": (b"what is this", "a text file"),
    "empty": (b"", "an empty file"),
    "safetensors, cut in its header": (SAFE[:30], "a safetensors file that is cut short"),
    "safetensors, cut": (SAFE[:-7], "a safetensors file that is cut short"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_file_is_known_by_its_content(tmp_path, kind, suffix):
    data, said = KINDS[kind]
    file = tmp_path / f"net{suffix}"
    file.write_bytes(data)
    assert (kind_of(file) or "").startswith(said)


@pytest.mark.parametrize("data", [SAFE, bytes(range(256)) * 9, b"\x08\x08\x12" * 99, b"\x80\xff"])
def test_a_file_of_which_nothing_is_known_is_said_to_be_nothing(tmp_path, data):
    (tmp_path / "file").write_bytes(data)
    assert kind_of(tmp_path / "file") is None


@pytest.mark.parametrize(
    "data", [bytes(range(256)) * 9, b"\x08\x08\x12" * 99, b"\x80\xff", bytes(512)]
)
def test_a_net_of_an_unknown_kind_of_file_is_refused_as_such(tmp_path, data):
    (tmp_path / "net.pt").write_bytes(data)
    with pytest.raises(ValueError, match=r"a file of an unknown kind.*jeat reads"):
        jeat.load(tmp_path / "net.pt")


@pytest.mark.parametrize("kind", ["torchscript", "onnx", "pickle 4", "html"])
def test_a_net_or_samples_of_another_kind_are_refused_as_what_they_are(tmp_path, kind, capsys):
    data, said = KINDS[kind]
    file = tmp_path / "other.bin"
    file.write_bytes(data)
    with pytest.raises(ValueError, match=r"it is a folder; jeat reads .safetensors"):
        load_images(tmp_path)
    for call in (jeat.load, load_images):
        with pytest.raises(ValueError, match="jeat") as error:
            call(file)
        assert f"{file} " in str(error.value)
        assert f"it is {said}; jeat reads .safetensors" in str(error.value)
    drawn, net = str(tmp_path / "drawn.safetensors"), "digits-at"
    net = next(iter(jeat.shipped()))
    for words in (
        ["attack", str(file)],
        ["measure", str(file)],
        ["sample", str(file), drawn],
        ["landscape", str(file), str(tmp_path / "new.png")],
        ["measure", net, "--data", "digits", "--metrics", "nearest", "--samples", str(file)],
        ["train", "at", "--out", str(tmp_path / "new"), "--init", str(file), "--net", "convnet-4"],
    ):
        assert main(words) == 1
        error = capsys.readouterr().err
        assert said in error
        assert "header" not in error
    assert not Path(drawn).exists()
    assert not (tmp_path / "new").exists()


def scripted(file):
    torch.jit.script(NET).save(file)


def exported(file):
    x = torch.rand(2, 1, 8, 8)
    batch = {0: torch.export.Dim("batch")}
    torch.export.save(torch.export.export(NET, (x,), dynamic_shapes=(batch,)), file)


@pytest.mark.filterwarnings("ignore:.*(torch.jit|TorchScript|deprecated)")
@pytest.mark.parametrize(
    ("name", "write", "said"),
    [
        ("net.ts", scripted, "a TorchScript archive"),
        ("net.pt2", exported, "an exported program of PyTorch"),
        ("net.pkl", lambda f: torch.save(NET, f), "holds more than tensors"),
    ],
)
def test_what_is_said_of_a_net_in_another_form_works(
    tmp_path, monkeypatch, name, write, said, capsys
):
    monkeypatch.chdir(tmp_path)
    write(name)
    assert main(["measure", name]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
    code, command = error.partition("'def net")[2].partition("', with your")[::2]
    assert "images=(3, 32, 32), classes=10" in code
    code = code.replace("3, 32, 32", "1, 8, 8")  # "with your images"
    Path("own.py").write_text(f"import jeat, torch\ndef net{code}\n")
    words = command.partition("jeat measure ")[2].split()[:3]
    words = [w.replace("DATA", "digits") for w in words]
    assert main(["measure", *words, "-n", "5", "--metrics", "accuracy"]) == 0


def test_an_onnx_model_is_said_to_be_one_with_what_takes_it(tmp_path, capsys):
    (tmp_path / "net.onnx").write_bytes(KINDS["onnx"][0])
    assert main(["sample", str(tmp_path / "net.onnx"), "x.png"]) == 1
    error = capsys.readouterr().err
    assert "it is an ONNX model" in error
    assert "onnx2torch.convert('net.onnx')" in error
    assert "'import jeat, onnx2torch' (pip install onnx2torch)" in error


def test_a_python_file_is_said_to_need_the_name_of_a_function(tmp_path, capsys):
    (tmp_path / "own.py").write_text("def net():\n    return None\n")
    assert main(["sample", str(tmp_path / "own.py"), "x.png"]) == 1
    assert f"named as {tmp_path / 'own.py'}:FUNCTION" in capsys.readouterr().err


def test_a_state_dict_is_taken_by_the_flag_that_is_named(tmp_path, capsys):
    torch.save(NET.state_dict(), tmp_path / "net.pt")
    words = ["measure", str(tmp_path / "net.pt"), "--metrics", "accuracy", "--data", "digits"]
    assert main(words) == 1
    assert "--arch FILE.py:FUNCTION" in capsys.readouterr().err
    (tmp_path / "own.py").write_text(
        "from torch import nn\ndef net(): return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))\n"
    )
    arch = ["--arch", f"{tmp_path}/own.py:net", "--images", "1", "8", "8"]
    assert main([*words, *arch]) == 0


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_folder_of_the_hub_is_taken_or_says_what_it_lacks(tmp_path, name, capsys):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/config.json").write_text('{"hidden": 3}')
    words = ["sample", str(tmp_path / "folder"), str(tmp_path / "x.png"), "-n", "1", "--steps", "1"]
    assert main(words) == 1
    assert "model.safetensors or pytorch_model.bin is read" in capsys.readouterr().err
    write = torch.save if name.endswith("bin") else lambda s, f: f.write_bytes(save(s))
    write(NET.state_dict(), tmp_path / "folder" / name)
    assert main(words) == 1
    assert "--arch FILE.py:CLASS" in capsys.readouterr().err
    (tmp_path / "own.py").write_text(
        "from torch import nn\n"
        "def Net(hidden): return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))\n"
    )
    arch = ["--arch", f"{tmp_path}/own.py:Net", "--images", "1", "8", "8"]
    assert main([*words, *arch]) == 0


def test_a_net_that_a_later_version_wrote_says_how_to_get_that(tmp_path, capsys):
    with torch.no_grad():
        net = jeat.load("cifar10-at")
    object.__setattr__(net.spec, "name", "later-4")
    jeat.nets.save_net(net, None, tmp_path / "net.safetensors", about={})
    assert main(["measure", str(tmp_path / "net.safetensors")]) == 1
    error = capsys.readouterr().err
    assert "unknown net 'later'" in error
    assert "pip install --upgrade jeat" in error


def test_samples_are_no_net_and_a_net_no_samples(tmp_path):
    net, drawn = next(iter(jeat.shipped().items()))[0], tmp_path / "drawn.safetensors"
    assert main(["sample", net, str(drawn), "-n", "1", "--steps", "1"]) == 0
    with pytest.raises(ValueError, match="it holds no net, but images, labels"):
        jeat.load(drawn)
    with pytest.raises(ValueError, match="was not made by jeat sample"):
        load_images(jeat.shipped()[net])


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("paths.json", b"{}", "is a JSON file and no data set: give digits"),
        ("net.pt", KINDS["torch"][0], "is a pickle of torch.save and no data set: give digits"),
        ("set.xz", b"\xfd7zXZ", "is an xz archive and no data set: unpack it and give"),
        ("set.npz", KINDS["torch"][0], "'images' and 'labels': it is a pickle of torch.save"),
        ("set.npz", KINDS["arrays"][0], "'images' and 'labels': it holds a"),
        ("set.npz", KINDS["zip, cut"][0], "'images' and 'labels': it is a zip archive that is cut"),
    ],
)
def test_data_of_another_kind_are_refused_as_what_they_are(tmp_path, name, data, said):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match="npz") as error:
        jeat.load_data(tmp_path / name)
    assert said in str(error.value)
    assert str(tmp_path / name) in str(error.value)


def test_an_npz_of_another_name_is_read(tmp_path):
    arrays = {"images": np.zeros((30, 4, 4), np.uint8), "labels": np.arange(30) % 2}
    for name in ("set.npz", "set.NPZ", "set.dat"):
        with (tmp_path / name).open("wb") as file:
            np.savez(file, **arrays)
        assert len(jeat.load_data(tmp_path / name).train) == 28


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder that may not be walked, with a run's checkpoint in it."""
    place = tmp_path / "home"
    (place / "work").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.chdir(place / "work")

    def walk(*_):
        raise AssertionError("walked")

    monkeypatch.setattr(Path, "rglob", walk)
    for folder in (place, place / "work"):
        (folder / "net.safetensors").write_bytes(b"no net")
    return place


@pytest.mark.parametrize("name", ["~", "~/", "/", "..", "../..", "~/work/.."])
def test_the_home_folder_and_those_above_are_no_data_no_net_and_no_run(home, name, capsys):
    train = ["train", "at", "--net", "convnet-4"]
    for words in (
        [*train, "--out", "new", "--data", name],
        [*train, "--out", "new", "--init", name],
        [*train, "--out", name],
        [*train, "--out", name, "--resume"],
        ["reproduce", "digits", "--out", name],
        ["attack", name],
        ["attack", "cifar10-at", "--data", name],
        ["measure", name],
    ):
        try:
            code = main(words)
        except SystemExit as leave:
            code = leave.code
        said = capsys.readouterr().err
        assert code == 2, (words, said)
        assert "must not be" in said
        assert len(said.splitlines()) == 1
    with pytest.raises(ValueError, match="must not be"):
        jeat.load(name)
    assert not Path("new").exists()


@pytest.mark.parametrize("name", [".", "./", "./."])
def test_the_working_folder_is_no_data(home, name):
    with pytest.raises(ValueError, match=r"must not be .* the working folder"):
        jeat.load_data(name)


def test_no_name_is_no_net_to_begin_from(home, capsys):
    with pytest.raises(ValueError, match="init must name a net"):
        Plan("at", init="")
    assert main(["train", "at", "--out", "new", "--init", ""]) == 2
    assert "init must name a net" in capsys.readouterr().err
