"""What is wrong is said in one line, with what would be right, and nothing is written."""

import gzip
import io
import json
import os
import pickle
import resource
import shlex
import struct
import tarfile
import zipfile
from importlib.util import find_spec
from pathlib import Path

import datasets
import numpy as np
import pyarrow
import pytest
import torch
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from pyarrow import parquet
from safetensors.torch import load_file, save_file
from torch import nn

import jeat
from jeat._support.sealed import save_sealed
from jeat.attacks import fgsm_rs, pgd
from jeat.cli import main
from jeat.data import Reading, augment, from_arrays
from jeat.data.decode import decoded
from jeat.energy import cross_entropy, energy_of, joint_energy, marginal_energy
from jeat.metrics import (
    accuracy,
    calibration_error,
    fisher_score,
    judge_accuracy,
    robust_accuracy,
    zero_gradient,
)
from jeat.nets import Spec, build, load_net, save_net
from jeat.objectives import JEM, Noise
from jeat.runs.fit import fit
from jeat.samplers import Chain, ClassGaussian, langevin
from jeat.training.plan import Optimisation, Plan

from .conftest import DIGITS
from .installed import install

pytestmark = pytest.mark.usefixtures("unchecked")  # what a user meets
TINY = ["--net", "convnet-4", "--epochs", "0.3", "--evaluate_images", "20"]
PWNED = "pwned"
SHIPPED = jeat.shipped()["cifar10-at"]
EPS = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n%%EOF\n"


class Evil:
    """Unpickling it makes a folder."""

    def __reduce__(self):
        return os.mkdir, (PWNED,)


def write_arrays(folder):
    x, y = np.linspace(0, 1, 40 * 64, dtype=np.float32).reshape(40, 8, 8), np.arange(40) % 4
    for name, (images, labels) in {
        "int": ((x * 255).astype(np.int64), y),
        "0..255": (x * 255, y),
        "nan": (x * np.nan, y),
        "complex": (x.astype(complex), y),
        "oblong": (x[:, :4], y),
        "either": (x[:, :5, :3][:, None], y),
        "4channels": (np.zeros((40, 8, 8, 4), np.uint8), y),
        "none": (x[:0], y[:0]),
        "few": (x[:8], y[:8]),
        "one": (x, y * 0 + 3),
        "names": (x, np.array(list("abcd") * 10, "S1")),
        "halves": (x, y / 2),
        "negative": (x, y - 1),
        "pickled": (x, np.array([Evil()] * 40)),
        "colour": (np.stack([x] * 3, 3), y),
        "7classes": (np.linspace(0, 1, 70 * 64).reshape(70, 8, 8), np.arange(70) % 7),
        "large": (x, y + 1000),
        "2x2": (x[:, :2, :2], y),
    }.items():
        np.savez(folder / f"{name}.npz", images=images, labels=labels)
    np.savez(folder / "keys.npz", a=x, b=y)
    two = {"x_train": x, "y_train": y, "x_test": x[:, 1:], "y_test": y}
    np.savez(folder / "two sizes.npz", **two)
    np.savez(folder / "onehot.npz", x=np.zeros((40, 8, 8), np.uint8), y=np.eye(2)[[0, 1] * 20])
    with zipfile.ZipFile(folder / "raw.npz", "w") as raw:
        raw.writestr("images", b"no array")
        raw.writestr("labels", b"no array")


def write_layouts(folder):
    """An archive, a table of paths, idx files and CIFAR's pickles, none of which can be read."""
    with zipfile.ZipFile(folder / "out.zip", "w") as archive:
        archive.writestr("../cat/0.png", b"")
    (folder / "cut.tar.gz").write_bytes(gzip.compress(b"cat/0.png" + bytes(600))[:30])
    (folder / "paths.csv").write_text("path,label\n/etc/passwd,cat\n")
    (folder / "words.csv").write_text("name,score\na,1\n")
    (folder / "idx").mkdir()
    (folder / "idx/train-images-idx3-ubyte").write_bytes(bytes([0, 0, 8, 3, 0]))
    (folder / "idx twice").mkdir()
    for split in ("t10k", "test"):
        (folder / f"idx twice/{split}-images-idx3-ubyte").write_bytes(bytes([0, 0, 8, 3, 0]))
    with tarfile.open(folder / "windows.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("cat\\0.png"))
    for name in ("0", "dot"):
        Image.new("L", (8, 8)).save(folder / f"{name}.png")
    for name, rows in {
        "no label": "path,split\n0.png,train\n",
        "as labels": "path,label\n0.png,test\n",
        "elsewhere": "path,label,kind\n0.png,cat,test\n",
        "usage": "path,label,Usage\n0.png,cat,PublicTest\n",
        "half": "path,label\n0.png,0.5\n",
        "one number": "path,label\n0.png,10\ndot.png,1e1\n",
        "numbers of none": "path,label\n0.png,-1.0\n",
    }.items():
        (folder / f"{name}.csv").write_text(rows)
    (folder / "cifar").mkdir()
    for name in ("batches.meta", "data_batch_1"):
        (folder / "cifar" / name).write_bytes(pickle.dumps(Evil(), 2))


def write_state_dicts(folder):
    """Of a net of no layout, of a ResNet of three stages, and code that makes another net."""
    layer, bn = torch.ones(16, 16, 3, 3), torch.ones(16)
    torch.save({"a.weight": torch.ones(10, 192), "a.bias": torch.ones(10)}, folder / "layer.pt")
    stages = {f"layer{i}.0.conv{j}.weight": layer for i in (1, 2, 3) for j in (1, 2)}
    stages |= {"conv1.weight": layer[:, :3], "bn1.weight": bn, "linear.weight": torch.ones(10, 64)}
    torch.save(stages, folder / "stages.pt")
    own = "from torch import nn\ndef net(): return nn.Sequential(nn.Flatten(), nn.Linear(64, {}))\n"
    for name, classes in (("own_net", 10), ("own_other", 9)):
        (folder / f"{name}.py").write_text(own.format(classes))
    (folder / "own_made.py").write_text(f"{own.format(10)}made = net()\n")
    wrapped = "def whole(): return jeat.wrap(net(), images=(1, 8, 8), classes=10)\n"
    (folder / "own_whole.py").write_text(f"import jeat\n{own.format(10)}{wrapped}")
    flat = {"1.weight": torch.ones(10, 64), "1.bias": torch.ones(10)}
    torch.save(flat, folder / "flat.pt")
    given = jeat.wrap(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), (1, 8, 8), DIGITS.classes)
    save_net(given, None, folder / "given.safetensors", about={"plan": {"data": "digits"}})


def write_tables(folder):
    """Parquet data sets: without some image, of one class, of files that are not theirs."""
    pixels = io.BytesIO()
    Image.new("L", (8, 8)).save(pixels, "png")
    whole = {"bytes": pixels.getvalue(), "path": None}
    run, fifo = folder / "run/run.json", folder / "pipe/fifo"
    for name, odd, labels in (
        ("holes", None, [0, 1] * 20),
        ("one of two", whole, [0] * 40),
        ("outside", {"bytes": None, "path": str(run)}, [0, 1] * 20),
        ("pipe", {"bytes": None, "path": str(fifo)}, [0, 1] * 20),
    ):
        kinds = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}
        rows = {"image": [whole] * 39 + [odd], "label": labels}
        table = pyarrow.table(rows, datasets.Features(kinds).arrow_schema)  # files are not read
        (folder / name).mkdir()
        parquet.write_table(table, folder / name / "train.parquet")
    os.mkfifo(fifo)
    words = ["train"] * 30 + ["test"] * 10
    for name, columns in {
        "splits alone": {"split": words},
        "splits as labels": {"label": words},
        "splits elsewhere": {"label": ["a", "b"] * 20, "kind": words},
        "odd split": {"label": [0, 1] * 20, "split": [*words[1:], "holdout"]},
        "no split": {"label": [0, 1] * 20, "set": [*words[1:], None]},
        "one number": {"label": ["1", "01"] * 20},
        "halves": {"label": [0.5, 1.0] * 20},
        "lists": {"label": [[0], [1]] * 20},
    }.items():
        (folder / name).mkdir()
        parquet.write_table(
            pyarrow.table({"image": [whole] * 40} | columns), folder / name / "train.parquet"
        )
    (folder / "two splits").mkdir()
    for name in ("train", "test"):
        rows = {"image": [whole] * 40, "label": [0, 1] * 20, "split": words}
        parquet.write_table(pyarrow.table(rows), folder / "two splits" / f"{name}.parquet")


def write_folders(folder):
    for kind in ("cut", "crc", "eps", "single", "mixed"):
        for i in range(40):
            file = folder / kind / ("cat" if kind == "single" else ["cat", "dog"][i % 2])
            file.mkdir(parents=True, exist_ok=True)
            side = 7 if (kind, i) == ("mixed", 4) else 8
            Image.fromarray(np.full((side, side), i, np.uint8)).save(file / f"{i:02d}.png")
    first = folder / "cut" / "cat" / "04.png"
    first.write_bytes(first.read_bytes()[:45])
    (folder / "eps" / "cat" / "04.png").write_text(EPS)
    first = folder / "crc" / "cat" / "04.png"
    first.write_bytes(first.read_bytes().replace(b"IDAT", b"ID\0T"))
    for i in range(100):
        file = folder / "named" / f"class{i % 10}" / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), i).save(file)
    for kind, dtype in (("floats", np.float32), ("of 32 bits", np.int32)):
        for i, name in enumerate(("cat", "dog")):
            (folder / kind / name).mkdir(parents=True)
            pixels = np.array([[0, 70_000]], dtype)
            Image.fromarray(pixels).save(folder / kind / name / f"{4 + i:02d}.tif")
    (folder / "empty").mkdir()
    (folder / "links").mkdir()
    for name in ("cat", "dog"):
        (folder / "links" / name).symlink_to(folder / "mixed" / name)
    (folder / "c.json").write_text("seed: 3\n")


def write_nets(folder):
    whole = next((folder / "run" / "checkpoints").glob("*/net.safetensors")).read_bytes()
    (folder / "at.safetensors").write_bytes(whole)
    (folder / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    (folder / "flip.safetensors").write_bytes(whole[:30] + bytes([whole[30] ^ 128]) + whole[31:])
    (folder / "text.safetensors").write_text("not a net")
    (folder / "nothing.safetensors").touch()
    save_file({"a": torch.zeros(2)}, folder / "foreign.safetensors")
    torch.save({"net": Evil()}, folder / "net.pt")
    write_state_dicts(folder)
    (folder / "net.pkl").write_bytes(pickle.dumps(Evil()))


YAML = {
    "unknown": "epohcs: 3\nout: new\n",
    "method": "method: jem\nout: new\n",
    "list": "- 1\n",
    "word": "hello",
    "nothing": "",
    "cut": "epochs: [1,",
    "tab": "\tout: new\n",
    "kind": "epochs: [1, 2]\nout: new\n",
    "group": "objective: 3\nout: new\n",
    "null group": "objective: null\nout: new\n",
    "null": "eps: null\nout: new\n",
    "key": "1: 2\nout: new\n",
    "itself": "objective: &a [*a]\nout: new\n",
    "nan": "lr: .nan\nout: new\n",
    "null switch": "resume: null\nout: new\n",
    "switch": "resume: 3\nout: new\n",
    "null character": 'out: "a\\0b"\n',
    "null of a group": "objective: {eps: null}\nout: new\n",
    "recovery": "recovery: hi\nout: new\n",
    "null number": "number: null\n",
    "metrics": "metrics: {a: 1}\n",
    "no metric": "metrics: []\n",
    "twice": "eps: 0.1\nout: new\neps: 0.2\n",
    "twice within": "out: new\nobjective:\n  eps: 0.1\n  eps: 0.2\n",
    "twice dotted": "out: new\nobjective.eps: 0.1\nobjective:\n  steps: 2\n",
    "python": f"out: !!python/object/apply:os.mkdir [{PWNED}]\n",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder of a run, a judge, a file of samples, and much that is wrong."""
    folder = tmp_path_factory.mktemp("bad")
    chains = ["--objective.steps", "2", "--objective.buffer_size", "300"]
    for out, method, flags in (("run", "jem", chains), ("at", "at", [])):
        assert main(["train", method, "--out", str(folder / out), *TINY, *flags]) == 0
    drawn = str(folder / "samples.safetensors")
    assert main(["sample", str(folder / "run"), drawn, "-n", "1", "--steps", "1"]) == 0
    write_arrays(folder)
    write_folders(folder)
    write_tables(folder)
    write_layouts(folder)
    write_nets(folder)
    (folder / "cifar10-normal").mkdir()
    for name, text in YAML.items():
        (folder / f"{name}.yaml").write_text(text)
    (folder / "bytes.yaml").write_bytes(bytes(range(256)))
    (folder / "file").write_text("a file")
    methods = {"twin": "odd:X", "broken": "odd_part:X"}
    groups = {"jeat.objectives": methods, "jeat.metrics": {"gone": "nowhere:x"}}
    install(folder / "site", "odd", groups, odd_part="1 / 0\n")
    install(folder / "site", "other", {"jeat.objectives": {"twin": "other:X"}})
    for suffix in ("png", "npz", "json"):
        (folder / f"folder.{suffix}").mkdir()
    return folder


@pytest.fixture
def here(place, tmp_path, monkeypatch):
    """``place`` as the working folder, away from the hub."""
    monkeypatch.chdir(place)
    monkeypatch.syspath_prepend(str(place / "site"))
    monkeypatch.setenv("JEAT_CACHE", str(tmp_path))
    monkeypatch.delenv("JEAT_DATA", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    return place


def listing(folder):
    return sorted((str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in folder.rglob("*"))


def left(words, capsys):
    """(exit code, what is on standard error) of a command line."""
    capsys.readouterr()
    try:
        code = main(words)
    except SystemExit as leave:
        code = leave.code
    return code, capsys.readouterr().err.strip()


def train(words, method="at"):
    return f"train {method} --out new {' '.join(TINY)} {words}"


def sweep(words, method="at"):
    return f"sweep {method} --out new {' '.join(TINY)} {words}"


# The command line: words, exit code, the thing that is named, and the remedy.
NETS_OF_THE_APP = (
    [("app nowhere", 1, "nowhere", "shipped nets: "),
     ("app cut.safetensors", 1, "cut.safetensors", "not a jeat checkpoint")]
    if find_spec("gradio")
    else [("app run", 2, "jeat app needs gradio", "pip install 'jeat[app]'")]
)  # fmt: skip
COMMANDS = [
    ("fly", 2, "'fly'", "commands are app, attack"),
    ("--nope", 2, "'--nope'", "commands are app, attack"),
    ("list --bogus", 2, "--bogus", "jeat list --help"),
    ("list extra", 2, "extra", "jeat list --help"),
    # train: flags
    ("train gan", 2, "'gan'", "at, dat, eb_jdat"),
    ("train at", 2, "out", "jeat train at --help"),
    ("train at --out", 2, "--out", "expected one argument"),
    ("train at --out ''", 2, "--out", "must name a folder"),
    ("reproduce digits --seeds 10000000", 2, "--seeds", "must lie in 1..1000"),
    ("reproduce digits --out ''", 2, "--out", "must name a folder"),
    (train("--epoch 3"), 2, "--epoch", "jeat train at --help"),
    (train("--objective.rho 0.1"), 2, "--objective.rho", "jeat train at --help"),
    (train("--lr fast"), 2, "--lr", "must be a finite number, got fast"),
    (train("--lr nan"), 2, "--lr", "must be a finite number"),
    (train("--lr .nan"), 2, "lr", "must be a finite number"),
    (train("--lr 1e39"), 2, "lr", "at most 1e9"),
    (train("--epochs 1e308"), 2, "epochs", "at most 1e9"),
    (train("--recovery.max_gap 0"), 2, "recovery.max_gap", "must be positive"),
    (train("--lr 0"), 2, "lr", "must be positive"),
    (train("--eps 1/0"), 2, "--eps", "must be a finite number, got 1/0"),
    (train("--eps 8"), 2, "eps", "such as 8/255"),
    (train("--epochs 0"), 2, "epochs", "must be positive"),
    (train("--batch_size 1.5"), 2, "--batch_size", "must be a whole number"),
    (train("--batch_size 5000"), 1, "1437 training images", "a batch of 5000"),
    (train("--seed -1"), 2, "seed", "must not be negative"),
    (train("--seed 99999999999999999999"), 2, "seed", "must be below 2^63"),
    (train("--flip maybe"), 2, "--flip", "must be true or false"),
    (train("--ema 1"), 2, "ema", "must lie in [0, 1)"),
    (train("--clip 0"), 2, "clip", "must be positive"),
    (train("--clip soft"), 2, "--clip", "must be a finite number or null"),
    (train("--pad 8"), 1, "pad=8", "images of 8 pixels"),
    (train("--std 0"), 2, "std", "must lie in [0.001, 10], as images are in [0, 1], got 0"),
    (train("--std 1e-30"), 2, "std", "must lie in [0.001, 10], as images are in [0, 1], got 1e-30"),
    (train("--objective.buffer_size 10000000000000", "jem"), 1, "more memory", "ask for less"),
    (train("--objective.buffer_size 1000000000000000", "jem"), 1, "more memory", "ask for less"),
    (train("--norm layer"), 2, "--norm", "must be none or batch or group"),
    (train("--precision fp8"), 2, "--precision", "must be fp32 or bf16 or auto"),
    (train("--net vit-3"), 2, "'vit'", "nets are convnet"),
    (train("--net convnet-0"), 2, "width", "at least 1"),
    (train("--net convnet-"), 2, "convnet-", "convnet-width"),
    (train("--net wrn-9999994-1"), 2, "wrn-9999994-1", "up to 9999"),
    (train("--net convnet-4-4"), 2, "convnet-4-4", "convnet-width"),
    (train("--data 2x2.npz"), 2, "images of 2 pixels are too small", "4 is the least"),
    (train("--net convnet-99999999999999"), 2, "convnet-99999999999999", "cannot be built"),
    (train("--net wrn-11-2"), 2, "11", "6n + 4"),
    (train("--net igebm-4-3"), 2, "fold of 3", "does not divide"),
    (train("--net igebm-0"), 2, "igebm-0", "width is at least 1"),
    (train("--net glow-4-1-4"), 2, "1 x 1 pixels", "take fewer levels"),
    (train("--objective.steps 0"), 2, "steps=0", "at least 1 step"),
    (train("--objective.ratio -1"), 2, "step_size", "must not be negative"),
    (train("--objective.eps .nan"), 2, "objective.eps", "must be a finite number"),
    (train("--objective.sigma -1", "noise"), 2, "sigma", "must not be negative"),
    (train("--objective.rho 2", "jem"), 2, "rho=2", "must lie in [0, 1]"),
    (train("--objective.noise -1", "jem"), 2, "noise", "must not be negative"),
    (train("--objective.noise .nan", "jem"), 2, "objective.noise", "must be a finite number"),
    (train("--objective.input_noise -1", "jem"), 2, "input_noise", "must not be negative"),
    (train("--objective.w_l2 -1", "jeat"), 2, "w_l2", "must not be negative"),
    (train("--objective.step_size 0", "jem"), 2, "step_size", "must be positive"),
    (train("--objective.buffer_size 9", "jem"), 2, "buffer of 9", "a batch of 128"),
    (train("--objective.grad_at end", "jeat"), 2, "--objective.grad_at", "start or clean"),
    # train: places and first weights
    ("train at --out file", 1, "file is a file", "choose another folder"),
    ("train at --out file/new --epochs 0.1", 1, "file is a file", "choose another folder"),
    ("train at --out run", 1, "run exists", "resume"),
    ("train at --out mixed --resume", 1, "no run in mixed", "run.json"),
    (f"train at --out at {' '.join(TINY)} --resume --lr 0.5", 1, "optimisation.lr", "now 0.5"),
    (f"train jem --out at {' '.join(TINY)} --resume", 2, "at is a run of at", "not of jem"),
    (train("--init nowhere"), 1, "nowhere", "shipped nets: "),
    (train("--init net.pt"), 1, "net.pt", "more than tensors"),
    (train("--init at --net convnet-8"), 1, "convnet-4 and not convnet-8", "architecture"),
    (train("--init at --std 0.2"), 1, "std 0.5 and not 0.2", "architecture"),
    # data
    (train("--data ''"), 2, "data", "must name a data set"),
    (train("--data /no/where"), 1, "/no/where", "give digits, an image folder"),
    (train("--data '~nosuchuser/x'"), 1, "~nosuchuser/x", "give digits, an image folder"),
    (train("--data at"), 1, "at is a run directory", "give digits, an image folder"),
    (train("--data eps"), 1, "cat/04.png cannot be decoded: cannot identify", "remove it"),
    (train("--data raw.npz"), 1, "images must be (N, H, W)", "C = 1 or 3"),
    (train("--data links"), 1, "is a link to a folder", "put it in place"),
    (train("--data 'one of two'"), 1, "one of two holds images of one", "at least 2 classes"),
    (train("--data holes"), 1, "rows without an image", "remove them"),
    (train("--data outside"), 1, "run.json is no image file of the data set", "replace it"),
    (train("--data pipe"), 1, "/pipe/fifo is no image file of the data set", "replace it"),
    (train("--data no.npz"), 1, "no.npz", "give digits, an image folder"),
    (train("--data nobody/nothing"), 1, "nobody/nothing", "no folder"),
    (train("--data out.zip"), 1, "out.zip holds '../cat/0.png'", "leads out of its folder"),
    (train("--data windows.tar"), 1, "holds 'cat\\\\0.png', whose backslashes may", "unpack it"),
    (train("--data cut.tar.gz"), 1, "cut.tar.gz cannot be unpacked", "fetch it anew"),
    (train("--data paths.csv"), 1, "paths.csv does not lie beneath", "does not lie beneath"),
    (train("--data words.csv"), 1, "columns name, score", "name the one of paths 'path'"),
    (train("--data 'no label.csv'"), 1, "no column of labels beside 'split'", "label=split"),
    (train("--data 'as labels.csv'"), 1, "labels.csv holds words of", "by label=label"),
    (train("--data elsewhere.csv"), 1, "elsewhere.csv holds words of", "rename it to 'split'"),
    (train("--data usage.csv"), 1, "usage.csv has the split 'PublicTest'", "or test"),
    (train("--data half.csv"), 1, "the label in row 0 is '0.5'", "number the classes"),
    (train("--data 'one number.csv'"), 1, "labels '10' and '1e1' are one number", "in one way"),
    (train("--data 'numbers of none.csv'"), 1, "a label is missing in row 0", "-1 stands for none"),
    (train("--data 'two sizes.npz'"), 1, "differ in size ((8, 8) to train on, but (7", "--size"),
    (train("--data 'splits alone'"), 1, "no column of labels beside 'split'", "label=split"),
    (train("--data 'splits as labels'"), 1, "column 'label' of", "by label=label"),
    (train("--data 'splits elsewhere'"), 1, "column 'kind' of", "rename it to 'split'"),
    (train("--data 'odd split'"), 1, "odd split has the split 'holdout'", "give train, validation"),
    (train("--data 'no split'"), 1, "no split has rows without a split", "give train, validation"),
    (train("--data 'two splits'"), 1, "has rows of 'test' by its column 'split'", "or take"),
    (train("--data 'one number'"), 1, "labels '1' and '01' are one number", "in one way"),
    (train("--data halves"), 1, "the label in row 0 is 0.5", "whole numbers or text"),
    (train("--data lists"), 1, "lists holds List", "label=COLUMN"),
    (train("--data 'idx twice'"), 1, "t10k-images-idx3-ubyte and test-images-", "take one away"),
    (train("--data onehot.npz"), 1, "one number an image, got (40, 2)", "Y.argmax(1)"),
    (train("--data idx"), 1, "train-images-idx3-ubyte has no labels", "put that file there"),
    (train("--data cifar"), 1, "cifar asks for posix", "was not run"),
    (train("--data digits --label kind"), 2, "label=kind", "leave it out"),
    (train("--data file"), 1, "file is a text file and no data set", "give digits"),
    (train("--data empty"), 1, "empty", "give digits, an image folder"),
    (train("--data single"), 1, "single", "2 classes or more"),
    (train("--data cut"), 1, "cat/04.png", "replace or remove it"),
    (train("--data crc"), 1, "cat/04.png", "replace or remove it"),
    (train("--data mixed"), 1, "cat/04.png", "by --size 32"),
    (train("--data floats"), 1, "cat/04.tif has pixels of floats", "convert it to 8 bits"),
    (train("--data 'of 32 bits'"), 1, "cat/04.tif has pixels of 0..70000", "convert it to 8 bits"),
    (train("--data keys.npz"), 1, "keys.npz", "arrays 'images' and 'labels'"),
    (train("--data pickled.npz"), 1, "pickled.npz", "arrays 'images' and 'labels'"),
    (train("--data int.npz"), 1, "int64", "must be uint8 or floats in [0, 1]"),
    (train("--data 0..255.npz"), 1, "pixels", "lie in [0, 1]"),
    (train("--data nan.npz"), 1, "pixels", "must be finite"),
    (train("--data complex.npz"), 1, "complex128", "must be uint8 or floats"),
    (train("--data oblong.npz --net tests.toys.flow:Flow-4"), 2, "square images only", "4 x 8"),
    (train("--data oblong.npz --size 9x10 --net wrn-10-1-3"), 2, "(9, 10)", "fold of 3"),
    (train("--data oblong.npz --size 3x8"), 2, "images of 3 pixels", "4 is the least"),
    (train("--data 4channels.npz"), 1, "(40, 8, 8, 4)", "C = 1 or 3"),
    (train("--data either.npz"), 1, "(40, 1, 5, 3)", "axis"),
    (train("--size 16384"), 1, "1797 images take 482.4 GB decoded", "choose a smaller --size"),
    (train("--size 0"), 2, "size must be", "got 0"),
    (train("--size 8x"), 2, "HEIGHTxWIDTH", "got '8x'"),
    (train("--size 8x8x8"), 2, "HEIGHTxWIDTH", "got '8x8x8'"),
    (train("--size 99999"), 2, "from 1 to 16384", "99999"),
    (train("--size 8.5"), 2, "size", "8.5"),
    (train("--background red"), 2, "white, black or #rrggbb", "got 'red'"),
    (train("--label kind"), 2, "digits has no columns", "leave it out"),
    (train("--label ''"), 2, "label must name a column", "got ''"),
    (train("--data 'digits?siez=8'"), 2, "no key 'siez'", "size, label, background"),
    (train("--data 'digits?size=8&size=9'"), 2, "size of", "given twice"),
    (train("--data 'digits?size=8' --size 9"), 2, "size of", "given twice"),
    (train("--labels_per_class 0"), 2, "labels_per_class must be", "at least 1"),
    (train("--labels_per_class 1.5"), 2, "labels_per_class", "1.5"),
    (train("--data 'digits?labels_per_class=ten'"), 2, "labels_per_class must be", "got 'ten'"),
    (train("--labels_per_class 143"), 1, "class '0' of digits has 142", "lower it, or add images"),
    (train("--validation 0"), 2, "validation must be", "at least 1"),
    (train("--validation 1430"), 1, "leaves class '0' none of its 142", "lower it"),
    (train("--draw_every -1"), 2, "draw_every must not be negative", "got -1"),
    (train("--track tensorbored"), 2, "--track", "must be tensorboard or trackio or wandb"),
    (train("--unlabelled digits"), 2, "--unlabelled digits", "jeat train at --help"),
    (train("--unlabelled ''", "jem"), 2, "data", "must name a data set"),
    (train("--unlabelled nowhere", "jem"), 1, "nowhere", "give digits, an image folder"),
    (train("--unlabelled 'digits?size=9'", "jem"), 1, "unlabelled are (1, 9, 9)", "one shape"),
    (train("--unlabelled digits --objective.w_px 0", "jem"), 2, "w_px and w_l2", "leave them out"),
    (train("--data 'digits?'"), 2, "no key ''", "size, label, background"),
    (train("--data '?size=8'"), 2, "data", "must name a data set"),
    (train("--data '<a tuple given in Python>'"), 1, "given in Python", "give them again"),
    ("data", 2, "are required: data", "jeat data --help"),
    ("data ''", 2, "data", "must name a data set"),
    ("data nowhere", 1, "nowhere", "give digits, an image folder"),
    ("data digits -n 0", 2, "--number", "at least 1"),
    ("data digits --out grid.jpg", 2, "'grid.jpg'", "not the name of a .png"),
    ("curve at new.png --norm l2", 2, "radii of linf", "such as 0 0.5 1 2 in l2"),
    ("measure at --metrics robustness_curve --robustness_curve.norm l1", 2, "of linf", "of l1"),
    ("data mixed", 1, "cat/04.png", "by --size 32"),
    ("data mixed --size 8 --out mixed/grid.png", 2, "read by this command", "name another"),
    (train("--data none.npz"), 1, "(0, 8, 8)", "images must be"),
    (train("--data few.npz"), 1, "too few images", "at least 10"),
    (train("--data one.npz"), 1, "one.npz", "at least 2 classes"),
    (train("--data halves.npz"), 1, "labels", "must be 40 whole numbers"),
    (train("--data negative.npz"), 1, "labels", "must lie in 0.."),
    (train("--data large.npz"), 1, "labels", "must lie in 0.."),
    # YAML
    ("train at --config no.yaml", 2, "no.yaml", "does not exist"),
    ("train at --config empty", 2, "empty", "not a file"),
    ("train --config empty", 2, "empty is no run: name a METHOD", "or a run, by --config RUN"),
    ("train --resume --out new", 2, "new is no run: name a METHOD", "by --resume --out RUN"),
    ("train at --config unknown.yaml", 2, "'epohcs'", "jeat train at --help"),
    ("train at --config method.yaml", 2, "'method'", "jeat train at --help"),
    ("train at --config list.yaml", 2, "--config", "a YAML file of flags"),
    ("train at --config word.yaml", 2, "--config", "a YAML file of flags"),
    ("train at --config nothing.yaml", 2, "--config", "a YAML file of flags"),
    ("train at --config bytes.yaml", 2, "--config", "a YAML file"),
    ("train at --config twice.yaml", 2, "eps is given twice", "write it once"),
    ("train at --config 'twice within.yaml'", 2, "objective.eps is given twice", "write it once"),
    ("train at --config 'twice dotted.yaml'", 2, "nested and dotted", "write it one way"),
    ("train at --config 'null switch.yaml'", 2, "--resume", "must not be null"),
    ("train at --config switch.yaml", 2, "--resume", "must be true or false, got 3"),
    ("train at --config 'null character.yaml'", 2, "--out", "must name a folder"),
    ("train at --config 'null of a group.yaml'", 2, "--objective.eps", "must not be null"),
    ("train at --config recovery.yaml", 2, "recovery", "flags by name"),
    ("attack run --config 'null number.yaml'", 2, "--number", "must not be null"),
    ("measure run --config nothing.yaml", 2, "--config", "a YAML file of flags"),
    ("measure run --config metrics.yaml", 2, "metrics", "a word or a list of words"),
    ("measure run --config 'no metric.yaml'", 2, "metrics", "a word or a list of words"),
    ("train at --config cut.yaml", 2, "config", "jeat train at --help"),
    ("train at --config tab.yaml", 2, "config", "jeat train at --help"),
    ("train at --config kind.yaml", 2, "--epochs", "must be a finite number"),
    ("train at --config group.yaml", 2, "objective", "flags by name"),
    ("train at --config 'null group.yaml'", 2, "objective", "flags by name"),
    ("train at --config null.yaml", 2, "--eps", "must not be null"),
    ("train at --config key.yaml", 2, "1", "must be a string"),
    ("train at --config itself.yaml", 2, "aliases", "write the value"),
    ("train at --config nan.yaml", 2, "lr", "must be a finite number"),
    ("train at --config python.yaml", 2, "python/object/apply", "jeat train at --help"),
    ("sample run new.png --config python.yaml", 2, "python/object/apply", "--help"),
    ("list --config python.yaml", 2, "python/object/apply", "jeat list --help"),
    # nets
    ("attack", 2, "net", "jeat attack --help"),
    ("attack nowhere", 1, "nowhere", "shipped nets: "),
    ("attack empty", 1, "empty", "holds no checkpoint"),
    ("attack owner/name", 1, "owner/name", "named with its commit"),
    (f"attack owner/name@{'0' * 40}", 1, "owner/name", "the hub gives no such net"),
    ("attack cut.safetensors", 1, "cut.safetensors", "not a jeat checkpoint"),
    ("attack flip.safetensors", 1, "flip.safetensors", "not a jeat checkpoint"),
    ("attack text.safetensors", 1, "text.safetensors", "not a jeat checkpoint"),
    ("attack nothing.safetensors", 1, "nothing.safetensors", "not a jeat checkpoint"),
    ("attack foreign.safetensors", 1, "foreign.safetensors", "no layout that is known"),
    ("attack samples.safetensors", 1, "samples.safetensors", "not a jeat checkpoint"),
    ("attack net.pkl", 1, "net.pkl", "not a jeat checkpoint"),
    ("attack net.pt", 1, "net.pt", "more than tensors"),
    # attack
    ("attack run --eps -1", 2, "eps", "must not be negative"),
    ("attack run --eps 8", 2, "got 8", "such as 8/255"),
    ("attack run --norm l2 --eps .inf", 2, "eps", "infinite"),
    ("attack run --steps 0", 2, "steps=0", "at least 1 step"),
    ("attack run --step_size .nan", 2, "step_size", "must not be negative or infinite"),
    ("attack run --restarts 0", 2, "--restarts must lie in 1..1000", "got 0"),
    ("attack run --restarts 2 --random_start false", 2, "--restarts", "1 without a random start"),
    ("attack run --norm l0", 2, "--norm", "must be linf or l1 or l2"),
    ("attack run -n 0", 2, "--number", "at least 1"),
    ("attack run --seed -1", 2, "--seed", "must lie in 0.."),
    ("attack run --data ''", 2, "data", "must name a data set"),
    ("attack run --data named", 1, "run knows the classes 0, 1", "the data have class0"),
    ("attack run --data 7classes.npz", 1, "in 7", "takes images of (1, 8, 8) in 10 classes"),
    ("attack run --class 3", 2, "--class", "it goes with --from"),
    ("attack run --from test:9999", 1, "test:9999", "test images are 0..359"),
    ("attack run --from nowhere.png", 1, "nowhere.png", "give an image file, or test:17"),
    ("attack run --from test:0 --class cat", 1, "no class 'cat'", "classes are 0, 1"),
    ("attack run --out new.jpg", 2, "new.jpg", ".png, .webp, .pdf or .npz file"),
    ("attack run --out ''", 2, "''", ".npz file"),
    ("attack run --out folder.npz", 2, "folder.npz", ".npz file"),
    ("attack run --out file/new.npz", 2, "file/new.npz", "name another"),
    ("attack run --out new/new.npz --eps -1", 2, "eps", "must not be negative"),
    ("attack run -n 9 --data 7classes.npz --out 7classes.npz", 2, "7classes.npz", "is read by"),
    ("attack run --norm l2 --eps 1e38", 2, "eps", "in [0, 1] pixels"),
    # sample
    ("sample at.safetensors at.safetensors -n 1", 2, "at.safetensors is read by", "name another"),
    (f"sample cifar10-at {SHIPPED} -n 1", 2, "part of this package", "name another"),
    ("sample run run/checkpoints/x.png -n 1", 2, "x.png", "file of a run: name another"),
    ("sample run run/net.safetensors -n 1", 2, "net.safetensors", "file of a run: name another"),
    ("sample run/checkpoints new.png", 1, "run/checkpoints", "holds no checkpoint"),
    ("sample run", 2, "out", "jeat sample --help"),
    ("sample run new.tiff", 2, "new.tiff", ".npz or .safetensors file, nor of a folder"),
    ("sample run new.png -n 0", 2, "--number", "at least 1, got 0"),
    ("sample run new.png --inpaint 0 0 4 4", 2, "--inpaint and --super", "go with --from IMAGE"),
    ("sample run new.png --super 2", 2, "--inpaint and --super", "go with --from IMAGE"),
    ("sample run new.png --confidence 0.5", 2, "--confidence", "goes with --from IMAGE"),
    *(
        (f"sample run new.png --from test:0 {words}", code, *said)
        for words, code, *said in (
            ("", 2, "needs a class to walk to", "give --class"),
            ("--class cat", 1, "'cat'", "classes are 0, 1"),
            ("--class 3 --noise 0.1", 2, "takes --class, --steps and --conf", "give --inpaint"),
            ("--class 3 --steps 0", 2, "at least 1 step", "got 0"),
            ("--class 3 --confidence 1", 2, "confidence must lie in [0, 1)", "got 1"),
            ("--inpaint 0 0 4 4 --confidence 0.5", 2, "--confidence", "of a counterfactual"),
            ("--inpaint 0 0 9 4", 2, "--inpaint 0 0 9 4 is no rectangle", "an image of 8 x 8"),
            ("--inpaint 1 2 3", 2, "LEFT TOP RIGHT BOTTOM", "got '1' '2' '3'"),
            ("--inpaint 0 0 8 8", 2, "--inpaint leaves nothing", "choose a part"),
            ("--inpaint nowhere.png", 1, "'nowhere.png'", "give an image file"),
            ("--super 3", 2, "divide 8 x 8", "got 3"),
            ("--inpaint 0 0 4 4 --super 2", 2, "by --inpaint, or enlarged", "by --super"),
        )
    ),
    ("sample run new.npz --from test:0 --class 3", 2, "counterfactual is a picture", "new.npz"),
    ("sample run new.png --from test:999 --class 3", 1, "test:999", "test images are 0..359"),
    ("sample run new.png --from nowhere.png --class 3", 1, "'nowhere.png'", "test:17"),
    ("sample run new.png --from file --class 3", 1, "file cannot be decoded", "replace or remove"),
    (
        "sample run named/class0/0.png --from named/class0/0.png --class 3",
        2, "0.png is read by", "name another",
    ),
    ("sample run folder.png", 2, "folder.png", ".png file"),
    ("sample run mixed", 2, "mixed", "not an empty folder: name another"),
    *(
        (command, 2, "is the name of a net that comes with jeat", "name another folder")
        for command in (
            "sample run cifar10-at", "sample run ./cifar10-at", "export at cifar10-at/",
            "train at --out cifar10-at", "reproduce digits --out cifar10-at",
            "sweep at --over.lr 1e-3 --out cifar10-at",
        )
    ),
    ("attack cifar10-normal", 1, "it hides the net cifar10-normal", "rename it"),
    ("measure at --size 8", 2, "--size goes with --data", "as in training"),
    ("measure at --samples test --size 8", 2, "--size goes with --data", "as in training"),
    (
        "measure run --metrics nearest --samples many.npz --label x", 2, "--label goes with --data",
        "as in training",
    ),
    (
        "measure run --metrics nearest --samples many.npz?label=x", 2, "label goes with data",
        "leave it out",
    ),
    ("sample run file/new", 2, "file", "name another"),
    ("sample run file/new.png", 2, "file/new.png", "name another"),
    ("sample nowhere new/new.png", 1, "nowhere", "shipped nets: "),
    ("sample run new.png --class cat", 1, "'cat'", "classes are 0, 1"),
    ("measure at --judge run", 2, "none of the metrics looks at --judge", "judge_accuracy"),
    ("measure at --samples test", 2, "none of the metrics looks at --samples", "sample_quality"),
    ("measure at -n 9 --metrics bits_per_dimension", 2, "up to a constant", "such as a flow"),
    ("measure at --outside noise", 2, "looks at --outside", "out_of_distribution"),
    ("measure at --metrics accuracy --judge run", 2, "looks at --judge", "sample_quality"),
    ("measure at --arch convnet-4", 2, "itself which net it is", "leave arch"),
    ("measure at --arch nothing", 2, "unknown net 'nothing'", "nets are convnet"),
    ("measure 'at?arch=a&arch=b'", 2, "at?arch=a&arch=b", "arch=NAME&SETTING=VALUE"),
    ("measure 'at?arch'", 2, "at?arch", "arch=NAME&SETTING=VALUE"),
    ("measure 'at?arch=convnet-4' --arch convnet-8", 2, "says it already", "leave --arch"),
    ("measure 'layer.pt?imges=3,32,32' --data digits", 2, "imges", "did you mean images?"),
    ("measure 'layer.pt?clases=10' --data digits", 2, "clases", "did you mean classes?"),
    ("measure 'layer.pt?nothing=10' --data digits", 2, "nothing", "give --arch"),
    ("measure 'layer.pt?images=3,\uff13,32' --data digits", 2, "'3,\uff13,32'", "as 3 32 32"),
    ("measure 'layer.pt?images=3,1_6,16' --data digits", 2, "'3,1_6,16'", "such as 3 32 32"),
    ("measure 'layer.pt?images=3,016,16' --data digits", 2, "'3,016,16'", "such as 3 32 32"),
    ("measure 'layer.pt?classes=\uff11\uff10' --data digits", 2, "'\uff11\uff10'", "or a number"),
    ("measure 'layer.pt?mean=\uff10.5' --data digits", 2, "'\uff10.5'", "mean is a number"),
    ("measure 'layer.pt?std=0.2,0_.5,1' --data digits", 2, "'0.2,0_.5,1'", "std is a number"),
    (
        "measure layer.pt --data digits --arch torchvision:resnet18 --arch.num_classes 7", 2,
        "num_classes 7 contradicts the 10", "leave num_classes out",
    ),
    (
        "measure layer.pt --data digits --arch timm:resnet10t --arch.in_chans 1", 2,
        "in_chans 1 contradicts the 3", "leave in_chans out",
    ),
    (
        "measure layer.pt --data digits --arch torchvision:resnet18 --arch.zero_init_residual yes_",
        2, "zero_init_residual of torchvision:resnet18", "must be true or false",
    ),
    ("measure stages.pt --data digits", 1, "a ResNet of CIFAR of 3 stages", "--arch FILE.py:FUNC"),
    ("measure own_made.py:made", 2, "is a Sequential that is made already", "or a function"),
    (train("--net own_made.py:made"), 2, "is a Sequential that is made already", "or a function"),
    (train("--init own_made.py:made"), 2, "is a Sequential that is made already", "or a function"),
    (train("--init own_net.py:net"), 2, "own_net.py:net must return a net", "jeat.wrap"),
    (train("--init own_whole.py:whole"), 1, "wrap and not convnet-4", "--net own_whole.py:whole"),
    ("measure flat.pt --arch own_net.py:net --data digits", 1, "(3, 32, 32)", "--images C H W"),
    ("measure given.safetensors", 1, "its module was given", "FILE.py:FACTORY"),
    (
        "measure given.safetensors --arch own_other.py:net", 1,
        "given.safetensors is not of the module that is given", "2 tensors do not fit",
    ),
    ("export at torch.py", 2, "in the place of the module torch", "name it as net.py"),
    ("export at json.py", 2, "in the place of the module json", "name it as net.py"),
    ("attack at --eps 1e-50", 2, "--eps must be a number", "0 or from 1e-37 on"),
    ("measure at --robust_accuracy.eps 1e-50", 2, "eps must be a num", "0 or from 1e-37 on"),
    (train("--lr 1e-50"), 2, "lr must be a number", "0 or from 1e-37 on"),
    ("measure at --metrics auto_attack --auto_attack.eps 1e-50", 2, "eps must be", "from 1e-37 on"),
    ("sample . new.png", 2, "new.png is read", "or lies in a folder that is"),
    ("sample timm:resnet18 new.png --mean 0.5", 2, "makes its net itself", "leave net, arch"),
    ("measure at --images many", 2, "--images", "must be a whole number"),
    ("measure at --mean dark", 2, "--mean", "must be a finite number"),
    ("train at --out new --net wrap", 2, "holds a module that is given", "--net FILE.py:FACTORY"),
    ("train at --out new --net timm:nothing", 2, "timm has no 'nothing'", "list_models()"),
    ("train at --out new --net no.py:net", 2, "no file no.py", "no.py"),
    ("sample run new.png --w_marginal .inf", 2, "w_marginal", "must be a finite number"),
    ("sample run new.png --w_marginal 1 --energy cross-entropy", 2, "w_marginal -1", "leave one"),
    ("sample run new.png --steps 0", 2, "steps=0", "at least 1 step"),
    ("sample run new.png --steps many", 2, "--steps", "must be a whole number or own"),
    ("sample run new.png --step_size .nan", 2, "step_size", "must be positive"),
    ("sample run new.png --noise -1", 2, "noise", "must not be negative"),
    ("sample run new.png --noise .nan", 2, "noise", "must not be negative or infinite"),
    ("sample run new.png --energy marginal", 2, "--energy", "joint or cross-entropy"),
    ("sample at new.png --start buffer", 1, "at/checkpoints", "use another --start"),
    ("sample run new.png -n 100000000000", 1, "more memory", "ask for less"),
    ("sample run new.png -n 0", 2, "--number", "at least 1"),
    # measure
    ("measure run --metrics beauty", 2, "'beauty'", "metrics are accuracy"),
    (
        "measure run --metrics accuracy --robust_accuracy.eps 0.1",
        2, "--robust_accuracy.* has no effect", "--metrics does not name",
    ),
    ("measure run -n 0", 2, "--number", "at least 1"),
    ("measure run --out new.txt", 2, "new.txt", ".json file"),
    ("measure run --metrics nearest", 2, "nearest", "needs --samples"),
    (
        "measure run -n 9 --metrics sample_quality --samples samples.safetensors",
        2, "sample_quality", "needs --judge",
    ),
    (
        "measure run --metrics judge_accuracy --samples samples.safetensors --judge run",
        1, "no judge of its own", "give another --judge",
    ),
    (
        "measure run -n 9 --metrics nearest --samples foreign.safetensors",
        1, "foreign.safetensors", "jeat sample",
    ),
    ("measure run --metrics nearest --samples run", 1, "run holds no image files", "jeat sample"),
    ("measure run --metrics out_of_distribution", 2, "out_of_distribution", "needs --outside"),
    (
        "measure run -n 9 --metrics robust_accuracy --robust_accuracy.steps 0",
        2, "steps=0", "at least 1 step",
    ),
    (
        "measure run -n 9 --metrics fisher_score --fisher_score.probes 0 --out new/new.json",
        2, "probes=0", "at least 1 probe",
    ),
    ("measure run -n 9 --metrics curvature --curvature.radius -1", 2, "radius", "positive"),
    ("measure run --config c.json --out c.json", 2, "c.json is read by", "name another"),
    ("landscape run named/class0/0.png --data named", 2, "0.png is read by", "name another"),
    ("measure run --out run/run.json", 2, "run.json is the name", "name another"),
    ("measure run --out folder.json", 2, "folder.json", ".json file"),
    ("measure run --data colour.npz", 1, "(3, 8, 8)", "takes images of (1, 8, 8)"),
    # curve
    ("curve run new.gif", 2, "new.gif", ".png, .svg or .pdf file"),
    ("curve run run new.png", 2, "twice", "named"),
    ("curve at at/ new.png", 2, "a net is named twice, as at and at/", "jeat curve --help"),
    ("measure at ./at", 2, "a net is named twice, as at and ./at", "jeat measure --help"),
    ("landscape at ./at new.png", 2, "a net is named twice, as at and ./at", "landscape --help"),
    ("curve run new.png --eps 0.1 0", 2, "[0.1, 0.0]", "radii that grow"),
    ("curve run new.png --eps 2", 2, "got 2", "eps is in [0, 1]"),
    *(
        (
            f"measure run -n 9 --metrics {metric} --{metric}.batch_size {size}",
            2, "batch_size must be at least 1", f"got {size}",
        )
        for metric, size in (("square_attack", 0), ("auto_attack", -5))
    ),
    (
        "measure run -n 9 --metrics corruptions --corruptions.seed -1",
        2, "seed must be a whole number", "at least 0, got -1",
    ),
    (
        "measure run -n 9 --metrics class_accuracy --class_accuracy.steps 0",
        2, "steps=0", "at least 1 step",
    ),
    (
        "measure run -n 9 --metrics class_accuracy --class_accuracy.step_size -1",
        2, "step_size must not be negative", "got -1",
    ),
    (
        "measure run -n 9 --metrics hop_skip_jump --hop_skip_jump.eps 3",
        2, "eps is in [0, 1] pixels", "at most 1, got 3",
    ),
    (
        "measure run -n 9 --metrics robustness_curve --robustness_curve.eps 0",
        2, "eps must be above 0", "got 0",
    ),
    ("curve run new.png --eps 0 0x10", 2, "--eps must be a number", "got 0x10"),
    ("curve run new.png --eps 0 2/0", 2, "--eps", "got 2/0"),
    ("curve run new.png --ratio -1", 2, "ratio must be above 0", "got -1"),
    ("curve run new.png --ratio 0", 2, "ratio must be above 0", "got 0"),
    ("curve run new.png --steps 0", 2, "steps=0", "at least 1 step"),
    # landscape
    ("landscape run new.gif", 2, "new.gif", ".png, .svg or .pdf file"),
    ("landscape run new.png --levels mine", 2, "--levels", "own"),
    ("landscape run new.png --index 999", 1, "999", "must lie in 0.."),
    ("landscape run new.png --class cat", 1, "'cat'", "classes are 0, 1"),
    ("landscape run new/new.png --points 3 --radius 0", 2, "radius", "must be positive"),
    ("landscape run new.png --points 4", 2, "4", "must be odd"),
    ("landscape run cut.safetensors new.png", 1, "cut.safetensors", "not a jeat checkpoint"),
    # app
    ("app --port 0", 2, "--port must lie in 1..65535", "got 0"),
    ("app --port x", 2, "--port", "must be a whole number"),
    ("app --host 203.0.113.9", 1, "203.0.113.9:7860", "give another --port or --host"),
    ("app run run", 2, "a net is named twice", "jeat app --help"),
    ("app run run/", 2, "a net is named twice", "jeat app --help"),
    ("landscape run ./run x.png", 2, "a net is named twice", "jeat landscape --help"),
    ("measure run run/../run", 2, "a net is named twice", "jeat measure --help"),
    ("curve run run/ x.png", 2, "a net is named twice", "jeat curve --help"),
    ("plot run run/ x.png", 2, "a run is named twice", "jeat plot --help"),
    ("app run --size 8", 2, "--size goes with --data", "jeat app --help"),
    *NETS_OF_THE_APP,
    # export
    ("export at", 2, "out", "jeat export --help"),
    ("export given.safetensors new.ts", 1, "its module was given", "--arch FILE.py:FACTORY"),
    ("export at new.ts --arch convnet-4", 2, "itself which net it is", "leave arch"),
    ("export nowhere new.ts", 1, "nowhere", "shipped nets: "),
    ("export at new.xyz", 2, "'new.xyz' is no name", ".html, .py, .pt2, .ts, "),
    ("export at new.ts --runtime at", 2, "--runtime is for a page", "NAME.html"),
    ("export at new.html -n -1", 2, "--number must lie in 0..1000", "jeat export --help"),
    ("export at new.html --runtime file", 2, "'file' does not hold ort.", "npm pack onnx"),
    ("export at ''", 2, "OUT must name a file or a folder", "jeat export --help"),
    ("export at file/new.ts", 2, "file/new.ts cannot be written", "name another"),
    ("export at run/checkpoints/new.ts", 2, "new.ts is the name", "name another"),
    ("export at.safetensors at.safetensors", 2, "at.safetensors is read", "name another file"),
    ("export at my-net.py", 2, "my-net.py is no name that Python imports", "net.py"),
    ("export at file", 2, "file is there already", "name a new folder"),
    ("export at named/", 2, "named/ is there already, and not empty", "name a new folder"),
    ("export at folder.png --push me/net/x", 2, "--push takes OWNER/NAME", "me/net/x"),
    ("export at new.ts --push me/net", 2, "--push uploads a folder", "NAME/"),
    ("export net.pt new.ts", 1, "net.pt", "more than tensors"),
    # plugins
    ("train broken --out new", 2, "'broken' of odd 1.0 cannot be imported", "ZeroDivisionError"),
    ("train twin --out new", 2, "'twin' of odd 1.0: other 1.0 has this name, too", "say odd:X"),
    ("measure at --metrics gone", 2, "no metric 'gone' of odd 1.0, 'nowhere:x'", "package.module"),
    (train("--net odd-net"), 2, "'odd'", "nets are convnet"),
    # reproduce
    ("reproduce imagenet", 2, "'imagenet'", "cifar10, cifar100"),
    ("reproduce digits --seeds 0", 2, "--seeds", "must lie in 1..1000"),
    ("train at --out new --precision bf61", 2, "must be fp32 or bf16 or auto", "mean bf16?"),
    ("train jeat --out new --objective.attack_loss enrgy", 2, "be ce or energy", "mean energy?"),
    ("data digtis", 1, "no data at digtis", "did you mean digits? give digits, an image folder"),
    (sweep("", method=""), 2, "name a METHOD", "by --resume --out FOLDER"),
    (sweep("--over.lr"), 2, "--over.lr needs values", "as in --over.lr 1 2"),
    (sweep("--over.lr 1e-4 1e-4"), 2, "--over.lr has a value twice", "leave one out"),
    (sweep("--over.lr 1e-5..1e-3 log"), 2, "--over.lr is a range", "or --search N"),
    (sweep("--over.lr 1e-5..1e-3 --search 3"), 2, "--over.lr is a range", "say log or linear"),
    (sweep("--over.lr 1e-3..1e-5 log --search 3"), 2, "--over.lr 1e-3..1e-5", "must rise"),
    (sweep("--over.lr 0..1 log --search 3"), 2, "--over.lr 0..1 log", "begin above 0"),
    (sweep("--over.batch_size 0.5..2 linear --search 3"), 2, "--over.batch_size", "whole numbers"),
    (sweep("--over.lr 1 --lr 1"), 2, "--lr is given, and swept over", "leave one out"),
    (sweep("--over.out a b"), 2, "--over.out", "no setting of a training"),
    (sweep("--over.lerning_rate 1 2"), 2, "--lerning_rate", "jeat sweep at --help"),
    (sweep("--over.objective.eps 0.1 x"), 2, "--objective.eps must be a finite number", "got x"),
    (sweep("--over.lr 1 --seeds 0"), 2, "--seeds must lie in 1..", "got 0"),
    (sweep("--over.lr 1 --search 0"), 2, "--search must lie in 1..", "got 0"),
    (sweep("--over.lr 1 --workers 0"), 2, "--workers must lie in 1..64", "got 0"),
    ("sweep at --over.lr 1 --out run", 2, "run is there and not an empty folder", "name another"),
    ("sweep --resume --out nowhere", 2, "name a METHOD", "by --resume --out FOLDER"),
    ("sweep at --over.lr 1", 2, "are required: out", "jeat sweep at --help"),
    ("reproduce digits --seeds x", 2, "--seeds", "must be a whole number"),
    ("reproduce digits --out file", 1, "file is a file", "a folder"),
    ("reproduce digits --bogus", 2, "--bogus", "jeat reproduce digits --help"),
    ("reproduce cifar10-cpu --data nowhere", 1, "nowhere", "give digits, an image folder"),
]  # fmt: skip


LINES = [line for line, *_ in COMMANDS]


@pytest.mark.parametrize(("line", "code", "named", "remedy"), COMMANDS, ids=LINES)
def test_a_bad_command_is_refused_in_one_line(line, code, named, remedy, here, capsys):
    before = listing(here)
    found, error = left(shlex.split(line), capsys)
    error = "\n".join(k for k in error.splitlines() if "so every tenth image" not in k)
    assert named in error
    assert remedy in error
    assert "\n" not in error
    assert "Traceback" not in error
    assert "please report" not in error
    assert found == code
    assert listing(here) == before


@pytest.mark.parametrize(
    "line",
    [
        "sample run {}.png -n 8 --steps 1",
        "sample run {}.safetensors -n 8 --steps 1",
        "attack run -n 20 --steps 1 --out {}.npz",
        "landscape run {}.png --points 3",
        "measure run -n 20 --metrics accuracy --out {}.json",
        "export run {}.ts",
        "export run {}.pt2",
        "export run {}.py",
    ],
)
def test_a_full_disk_leaves_the_file_that_was_there(line, here, tmp_path, capsys):
    words = shlex.split(line.format(tmp_path / "kept"))
    file = Path(next(w for w in words if str(tmp_path) in w))
    file.write_text("as it was")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, limits[1]))
    try:
        code, error = left(words, capsys)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert code == 1
    assert error.splitlines()[-1] == (
        f"jeat: {file} cannot be used (File too large): name another file or folder"
    )
    assert file.read_text() == "as it was"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
@pytest.mark.parametrize("line", ["train at --out new --data closed", "attack closed"])
def test_what_may_not_be_read_is_named(line, here, capsys):
    (here / "closed").mkdir(mode=0)
    code, error = left(shlex.split(line), capsys)
    (here / "closed").rmdir()
    assert code == 1
    assert "closed" in error
    assert "\n" not in error


# The library: a call, what is raised, the thing that is named, and the remedy.

NET = build(Spec("convnet-4", 1, 8, DIGITS.classes)).eval()
X, Y = DIGITS.test.floats(4)
LOGITS, NAN, INF = torch.zeros(4, 10), float("nan"), float("inf")
BALL = {"eps": 0.1, "steps": 1, "step_size": 0.1}
CHAIN = {"steps": 1, "step_size": 0.1}


def square(x):
    return x.square().flatten(1).sum(1)


class Broken(nn.Module):
    """Logits that become NaN, as of a net that diverged."""

    def forward(self, x):
        return NET(x) / 0 * 0


def with_pixel(value):
    x = X.clone()
    x[0, 0, 0, 0] = value
    return x


def attack(x=X, y=Y, net=NET, **how):
    return pgd(net, x, y, **BALL | how)


def chain(x=X, E=square, **how):
    return list(langevin(E, x, **CHAIN | how))


def drawn(labels=Y, net=NET, **how):
    return jeat.sample(net, labels, **{"steps": 1} | how)


def begun(method="at", out="new", **change):
    return next(fit(Plan(method, net="convnet-4", **change), out))


UNIT, WHOLE, FITS = "divide uint8 pixels by 255", "whole numbers (B,)", "the net takes images of"
CALLS = [
    (lambda: joint_energy(LOGITS[0], Y), "(10,)", "(B, classes)"),
    (lambda: joint_energy(LOGITS.numpy(), Y), "ndarray", "must be a tensor"),
    (lambda: joint_energy(LOGITS.tolist(), Y), "list", "must be a tensor"),
    (lambda: joint_energy(LOGITS.long(), Y), "int64", "must be floats"),
    (lambda: joint_energy(LOGITS[:, :0], Y), "(4, 0)", "(B, classes)"),
    (lambda: joint_energy(LOGITS, Y.float()), "float32", WHOLE),
    (lambda: joint_energy(LOGITS, Y > 3), "bool", WHOLE),
    (lambda: joint_energy(LOGITS, Y[:, None]), "(4, 1)", WHOLE),
    (lambda: joint_energy(LOGITS, Y[0]), "()", WHOLE),
    (lambda: joint_energy(LOGITS, Y.tolist()), "[", "must be a tensor"),
    (lambda: joint_energy(LOGITS, Y[:2]), "2 labels", "4 rows"),
    (lambda: joint_energy(LOGITS, Y + 10), "got 11..18", "must lie in 0..9"),
    (lambda: marginal_energy(LOGITS[0]), "(10,)", "(B, classes)"),
    (lambda: marginal_energy(X), "(4, 1, 8, 8)", "(B, classes)"),
    (lambda: energy_of(NET, Y[:2])(X), "2 labels", "4 rows"),
    (lambda: energy_of(NET)(X[:, :, :4, :4]), "(4, 1, 4, 4)", FITS),
    (lambda: energy_of(NET)(X.expand(-1, 3, -1, -1)), "(4, 3, 8, 8)", FITS),
    (lambda: energy_of(NET)(None), "a NoneType", FITS),
    (lambda: energy_of(NET)(X.numpy()), "a ndarray", FITS),
    (lambda: energy_of(lambda x: (NET(x), x))(X), "a tuple", "must be a tensor"),
    (lambda: energy_of(NET)(X.double()), "float64", "convert one with .to()"),
    (lambda: energy_of(NET)(X.to("meta")), "meta", "move one there"),
    (lambda: attack((X * 255).byte()), "uint8", UNIT),
    (lambda: attack(X * 255), "to 255", UNIT),
    (lambda: attack(X - 0.1), "from -0.1", "in [0, 1]"),
    (lambda: attack(with_pixel(NAN)), "nan", "finite"),
    (lambda: attack(with_pixel(INF)), "inf", "finite"),
    (lambda: attack(X[0]), "(1, 8, 8)", "(B, C, H, W)"),
    (lambda: attack(X[:0], Y[:0]), "(0, 1, 8, 8)", "(B, C, H, W)"),
    (lambda: attack(X.numpy()), "ndarray", "must be a tensor"),
    (lambda: attack(X.half()), "float16", "convert one with .to()"),
    (lambda: attack(X.expand(-1, 3, -1, -1)), "(4, 3, 8, 8)", FITS),
    (lambda: accuracy(Broken(), X, Y), "NaN", "no accuracy"),
    (lambda: robust_accuracy(Broken(), X, Y, steps=1), "NaN", "no accuracy"),
    (lambda: judge_accuracy(Broken(), X, Y), "NaN", "no accuracy"),
    (lambda: calibration_error(Broken(), X, Y), "NaN", "no accuracy"),
    (lambda: attack(net=None), "got None", "use jeat.load"),
    (lambda: attack(net="run"), "got 'run'", "use jeat.load"),
    (lambda: attack(eps=True), "eps", "must not be negative"),
    (lambda: drawn(steps=True), "steps=True", "a whole number"),
    (lambda: from_arrays([[1]], [0]), "(1, 1)", "images must be (N, H, W)"),
    (lambda: from_arrays(None, None), "()", "images must be (N, H, W)"),
    (lambda: augment(X, pad=-1, flip=False), "pad=-1", "images of 8 pixels"),
    (lambda: Spec("vgg-4", 1, (8, 8, 8), ("a", "b")), "(8, 8, 8)", "(height, width)"),
    (lambda: Spec("vgg-4", 1, (0, 8), ("a", "b")), "1 x 0 x 8", "no image"),
    (lambda: attack(None), "NoneType", "must be a tensor"),
    (lambda: attack(net=lambda x: NET(x.detach())), "do not depend", "no gradient"),
    (lambda: attack(net=lambda x: (NET(x), x)), "a tuple", "must be a tensor"),
    (lambda: attack(y=Y.to("meta")), "labels are on meta", "move one with .to()"),
    (lambda: fgsm_rs(NET, X, Y, eps=0.1, ratio="a"), "ratio", "must not be negative"),
    (lambda: attack(y=Y[:2]), "2 labels", "4 images"),
    (lambda: attack(y=Y + 10), "got 11..18", "must lie in 0..9"),
    (lambda: attack(y=LOGITS), "(4, 10)", WHOLE),
    (lambda: attack(eps=-0.1), "eps", "must not be negative"),
    (lambda: attack(eps=NAN), "eps", "must not be negative or infinite"),
    (lambda: attack(eps="8/255"), "'8/255'", "must not be negative"),
    (lambda: attack(eps=8), "got 8", "such as 8/255"),
    (lambda: attack(step_size=-1), "step_size", "must not be negative"),
    (lambda: attack(steps=0), "steps=0", "at least 1 step"),
    (lambda: attack(steps=2.5), "steps=2.5", "a whole number"),
    (lambda: attack(norm="l0"), "'l0'", "use 'linf', 'l1' or 'l2'"),
    (lambda: attack(loss="hinge"), "'hinge'", "use 'ce', 'energy' or a function"),
    (lambda: attack(net=lambda x: NET(x)[:, 0]), "(4,)", "(B, classes)"),
    (lambda: attack(net=build(NET.spec).to("meta")), "on cpu, the net on meta", "move one"),
    (lambda: chain((X * 255).byte()), "finite floats", "divide uint8 by 255"),
    (lambda: chain(with_pixel(NAN)), "chain", "finite floats"),
    (lambda: chain(E=lambda x: None), "a NoneType", "energy_of(net)"),
    (lambda: chain(E=lambda x: square(x).sum()), "got ()", "energy_of(net)"),
    (lambda: chain(E=lambda x: square(x.detach())), "do not depend", "no gradient"),
    (lambda: chain(steps=0), "steps=0", "at least 1 step"),
    (lambda: chain(steps=1.5), "steps=1.5", "a whole number"),
    (lambda: chain(step_size=0), "step_size", "must be positive"),
    (lambda: chain(step_size=NAN), "step_size", "must be positive and finite"),
    (lambda: chain(step_size=INF), "step_size", "must be positive and finite"),
    (lambda: chain(step_size=1e39), "1e+39", "must be positive and finite"),
    (lambda: chain(noise=1e39), "1e+39", "must not be negative or infinite"),
    (lambda: attack(step_size=1e39), "1e+39", "must not be negative or infinite"),
    (lambda: chain(noise=-1), "noise", "must not be negative"),
    (lambda: chain(noise=NAN), "noise", "must not be negative or infinite"),
    (lambda: chain(noise="much"), "'much'", "must not be negative"),
    (lambda: chain(bounds=(1, 0)), "(1, 0)", "such as (0, 1)"),
    (lambda: chain(bounds=3), "got 3", "such as (0, 1)"),
    (lambda: chain(bounds=("a", "b")), "('a', 'b')", "such as (0, 1)"),
    (lambda: chain(E=None), "got None", "use jeat.energy.energy_of"),
    (lambda: chain(None), "chain", "a tensor of finite floats"),
    (lambda: chain(bounds=(NAN, 1)), "nan", "such as (0, 1)"),
    (lambda: fisher_score(NET, X, probes=0), "probes=0", "at least 1 probe"),
    (lambda: fisher_score(NET, X, probes=1.5), "probes=1.5", "at least 1 probe"),
    (lambda: fisher_score(lambda x: NET(x), X), "a function", "torch.nn.Module"),
    (lambda: fisher_score(NET, with_pixel(NAN)), "nan", "finite"),
    (lambda: fisher_score(NET, (X * 255).byte()), "uint8", UNIT),
    (lambda: fisher_score(NET, X[:0]), "(0, 1, 8, 8)", "(B, C, H, W)"),
    (lambda: fisher_score(NET, X, Y + 10), "got 11..18", "must lie in 0..9"),
    (lambda: fisher_score(NET, X[:, :, :4, :4]), "(4, 1, 4, 4)", FITS),
    (lambda: robust_accuracy(NET, with_pixel(NAN), Y), "nan", "finite"),
    (lambda: robust_accuracy(NET, X * 255, Y), "to 255", UNIT),
    (lambda: robust_accuracy(NET, X[:0], Y[:0]), "got 0 and 0", "as many labels as images"),
    (lambda: robust_accuracy(NET, X, Y[:1]), "got 4 and 1", "as many labels as images"),
    (lambda: robust_accuracy(NET, X, Y.float()), "float32", WHOLE),
    (lambda: robust_accuracy(NET, X, Y, eps=-1), "eps", "must not be negative"),
    (lambda: robust_accuracy(NET, X, Y, steps=0), "steps=0", "at least 1 step"),
    (lambda: robust_accuracy(NET, X, Y, precision="fp8"), "'fp8'", "use fp32, bf16, auto"),
    (lambda: accuracy(NET, with_pixel(NAN), Y), "nan", "finite"),
    (lambda: accuracy(NET, X * 255, Y), "to 255", UNIT),
    (lambda: accuracy(NET, None, Y), "NoneType", "must be a tensor"),
    *(
        (lambda metric=metric: metric(NET, X, Y + 10), "got 11..18", "must lie in 0..9")
        for metric in (accuracy, judge_accuracy, calibration_error, zero_gradient)
    ),
    *(
        (lambda metric=metric: metric(NET, X * 255, Y), "to 255", UNIT)
        for metric in (calibration_error, zero_gradient)
    ),
    (lambda: accuracy(NET, X, Y[:, None]), "(4, 1)", WHOLE),
    (lambda: drawn(Y + 10), "labels", "one or more of 0..9"),
    (lambda: drawn(Y[:0]), "labels", "one or more of 0..9"),
    (lambda: drawn([3, 8]), "[3, 8]", "such as torch.tensor([3, 8])"),
    (lambda: drawn(Y.float()), "float32", WHOLE),
    (lambda: drawn(net=nn.Flatten()), "Flatten", "make nets with jeat.nets.build"),
    (lambda: drawn(steps="many"), "'many'", "a whole number"),
    (lambda: drawn(step_size=NAN), "step_size", "must be positive"),
    (lambda: drawn(noise=INF), "noise", "must not be negative or infinite"),
    (lambda: drawn(precision="fp8"), "'fp8'", "use fp32, bf16, auto"),
    (lambda: drawn(start="uniform"), "'uniform'", "as jeat.samplers.Uniform"),
    (lambda: drawn(start=lambda y: X * NAN), "chain", "finite floats"),
    (lambda: drawn(start=lambda y: X.repeat(1, 3, 1, 1)), "(4, 3, 8, 8)", FITS),
    (lambda: jeat.load("~nosuchuser/x"), "~nosuchuser/x", "shipped nets: "),
    (lambda: jeat.load("nowhere"), "nowhere", "shipped nets: "),
    (lambda: jeat.load(None), "None", "shipped nets: "),
    (lambda: jeat.load("owner/name"), "owner/name", "named with its commit"),
    (lambda: jeat.load("empty"), "empty", "holds no checkpoint"),
    (lambda: jeat.load("net.pt"), "net.pt", "more than tensors"),
    (lambda: jeat.load("net.pkl"), "net.pkl", "not a jeat checkpoint"),
    (lambda: jeat.load_data(""), "data", "give digits, an image folder"),
    (lambda: jeat.load_data("~/no/where"), "~/no/where", "give digits, an image folder"),
    (lambda: jeat.load_data("pickled.npz"), "pickled.npz", "arrays 'images' and 'labels'"),
    (lambda: jeat.load_data("single"), "single", "2 classes or more"),
    (lambda: jeat.load_data((X, torch.eye(10)[Y])), "got (4, 10)", "for one-hot ones Y give"),
    (lambda: jeat.load_data([(X[0], torch.eye(10)[0])]), "got (10,)", "give y.argmax()"),
    (lambda: jeat.load_data([(X[0], 1), (X[1], "a"), (X[2], 1)]), "labels of", "or all text"),
    (lambda: Plan(3), "method must be text", "got 3"),
    (lambda: Plan("at", data=None), "data must be text", "got None"),
    (lambda: Plan("at", net=32), "net must be text", "got 32"),
    (lambda: Plan("at", eps="8/255"), "'8/255'", "must be a finite number"),
    (lambda: begun("at", norm="layer"), "'layer'", "must be one of none, batch, group"),
    (lambda: Plan("at", objective=[1]), "objective", "must be a dict"),
    (lambda: Plan("at", optimisation={"epochs": 1}), "optimisation", "must be a Optimisation"),
    (lambda: Optimisation(flip="yes"), "'yes'", "must be true or false"),
    (lambda: Optimisation(lr=NAN), "lr", "must be a finite number"),
    (lambda: Optimisation(lr=True), "lr", "must be a finite number"),
    (lambda: Optimisation(batch_size=12.5), "batch_size", "must be a whole number"),
    (lambda: Optimisation(seed=2**63), "seed", "must be below 2^63"),
    (lambda: next(fit("at", "new")), "plan must be a Plan", "got 'at'"),
    (lambda: next(fit(Plan("at"), "new", resume="no")), "resume", "must be true or false"),
    *((lambda out=out: begun(out=out), f"got {out!r}", "must name") for out in (None, 3, "")),
    (lambda: begun("gan"), "'gan'", "methods are at, dat"),
    (lambda: begun(objective={"epz": 1}), "epz", "it has eps, norm, steps, ratio"),
    (lambda: begun(objective={1: 1}), "no setting 1", "it has eps, norm, steps, ratio"),
    (lambda: begun(objective={"eps": "big"}), "'big'", "must be a finite number"),
    (lambda: begun("jem", objective={"steps": 1.5}), "objective.steps", "a whole number"),
    (lambda: begun("jem", objective={"clamp": "no"}), "objective.clamp", "true or false"),
    (lambda: begun("jem", objective={"w_px": NAN}), "objective.w_px", "a finite number"),
    (lambda: begun("jeat", objective={"grad_at": "end"}), "'end'", "one of start, clean"),
    (lambda: begun(std=0), "std", "must lie in [0.001, 10]"),
    (lambda: begun(out="file"), "file is a file", "choose another folder"),
    (lambda: Noise(sigma=NAN), "sigma", "must not be negative"),
    (lambda: JEM(None, w_clf=-1.0), "w_clf", "must not be negative"),
    (lambda: build(Spec("convnet-4", 1, 8, ("a", "a"))), "('a', 'a')", "names that differ"),
    (lambda: build("convnet-4"), "'convnet-4'", "a jeat.nets.Spec"),
    (lambda: build(Spec("convnet-4", 1, "8", ("a", "b"))), "size", "must be a whole number"),
    (lambda: build(Spec("convnet-4", 0, 8, ("a", "b"))), "0 x 8 x 8", "no image"),
    (lambda: build(Spec("convnet-4", 1, 8, ("a", 3))), "('a', 3)", "must be names"),
    (lambda: build(Spec("convnet-4", 1, 8, ("a",))), "got 1", "at least 2 classes"),
    (
        lambda: ClassGaussian(torch.zeros(2, 5), torch.zeros(2, 5, 5), (3, 8, 8), 4),
        "(2, 5)", "means (k, d)",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("call", "named", "remedy"), CALLS, ids=[f"{c[1]}" for c in CALLS])
def test_a_bad_call_is_refused_in_one_line(call, named, remedy, here):
    before = listing(here)
    with pytest.raises((ValueError, FileNotFoundError, FileExistsError)) as error:
        call()
    said = str(error.value)
    assert named in said
    assert remedy in said
    assert "\n" not in said
    assert listing(here) == before
    assert all(p.grad is None for p in NET.parameters())


# Laws at the edges of what is allowed

EXTREME = st.sampled_from([-1e30, -1e4, -1.0, 0.0, 1.0, 1e4, 1e30])


@given(st.lists(EXTREME, min_size=2, max_size=6), st.integers(0, 5), st.sets(st.integers(0, 5)))
def test_energies_of_extreme_logits_keep_their_laws_and_gradients(row, k, out):
    """Impossible classes (-inf) have infinite energy and no part in E(x)."""
    y = torch.tensor([k % len(row)])
    hidden = [i for i in out if i < len(row) and i != int(y)]
    logits = torch.tensor([row])
    logits[0, hidden] = -INF
    logits.requires_grad_()
    joint, marginal = joint_energy(logits, y), marginal_energy(logits)
    assert joint == -logits[0, y]
    assert marginal <= joint
    seen = [f for i, f in enumerate(row) if i not in hidden]
    torch.testing.assert_close(marginal.detach(), marginal_energy(torch.tensor([seen])))
    assert cross_entropy(logits, y) >= 0
    (joint + marginal).sum().backward()
    assert logits.grad.isfinite().all()
    for i in hidden:
        assert joint_energy(logits, torch.tensor([i])) == INF


@settings(max_examples=40)
@given(
    st.floats(0, 1), st.integers(1, 3), st.floats(0, 1e6), st.sampled_from(["linf", "l1", "l2"]),
    st.sampled_from(["ce", "energy"]), st.booleans(), st.integers(0, 99),
)  # fmt: skip
def test_an_attack_stays_in_ball_and_box_whatever_its_settings(
    eps, steps, step_size, norm, loss, random_start, seed
):
    torch.manual_seed(seed)
    how = {"norm": norm, "loss": loss, "random_start": random_start}
    x = torch.rand(3, 1, 8, 8).mul(3).sub(1).clamp(0, 1)
    x_adv = pgd(NET, x, Y[:3], eps=eps, steps=steps, step_size=step_size, **how)
    delta = (x_adv - x).flatten(1)
    assert float(x_adv.min()) >= 0
    assert float(x_adv.max()) <= 1
    p = {"linf": INF, "l1": 1, "l2": 2}[norm]
    assert float(delta.norm(dim=1, p=p).max()) <= eps + 1e-6 * (64 if norm == "l1" else 1)


@settings(max_examples=50)
@given(
    st.integers(1, 4), st.floats(1e-6, 1e3), st.none() | st.floats(0, 1e3),
    st.floats(-2, 0.9), st.floats(0.1, 3), st.integers(0, 99),
)  # fmt: skip
def test_a_chain_stays_in_its_bounds_whatever_its_settings(
    steps, step_size, noise, low, width, seed
):
    torch.manual_seed(seed)
    bounds = (low, low + width)
    how = {"step_size": step_size, "noise": noise, "bounds": bounds}
    states = list(langevin(square, torch.randn(3, 1, 2, 2), steps=steps, **how))
    assert len(states) == steps
    for x in states:
        assert float(x.min()) >= np.float32(bounds[0])
        assert float(x.max()) <= np.float32(bounds[1])


@settings(max_examples=30)
@given(st.integers(1, 5), st.sampled_from([None, 1, 7]), st.integers(0, 99))
def test_a_joint_fisher_score_of_a_piecewise_linear_net_is_not_negative(n, probes, seed):
    """It is half a squared norm, since the Hessian is 0 (Eq. 23)."""
    torch.manual_seed(seed)
    net = build(Spec("convnet-2", 1, 4, tuple("abc"), activation="relu"))
    found = fisher_score(net, torch.rand(n, 1, 4, 4), torch.arange(n) % 3, probes=probes)
    assert found.shape == (n,)
    assert (found >= 0).all()


# Fuzzing


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A checkpoint with a start and a chain: its bytes, and a place for damaged ones."""
    file = tmp_path_factory.mktemp("fuzz") / "net.safetensors"
    start = ClassGaussian.fit(DIGITS.train.x, DIGITS.train.y, classes=10, grain=4)
    own = Chain(steps=3, step_size=0.1, noise=None)
    save_net(NET, start, file, about={"plan": {"data": "digits"}}, chain=own)
    return file.read_bytes(), file.with_name("fuzzed.safetensors")


def refusal(call, *args):
    """What a ValueError says; nothing where there is none."""
    try:
        call(*args)
    except ValueError as error:
        return str(error)
    return None


def loads_or_is_refused(file):
    """Whether it does, the refusal in one line with its name, and nothing is left beside it."""
    before = set(file.parent.iterdir())
    said = refusal(jeat.load, file)
    named = said is None or (str(file) in said and "\n" not in said)
    return named and set(file.parent.iterdir()) == before


FUZZ = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), min_size=1, max_size=4))
def test_a_checkpoint_with_a_damaged_header_loads_or_is_refused_by_name(whole, flips):
    data, file = bytearray(whole[0]), whole[1]
    (size,) = struct.unpack("<Q", data[:8])
    for at, mask in flips:
        data[at % (size + 8)] ^= mask
    file.write_bytes(data)
    assert loads_or_is_refused(file)


@FUZZ
@given(st.binary(max_size=200), st.integers(0, 10**6))
def test_bytes_and_the_beginning_of_a_checkpoint_are_refused_by_name(whole, noise, end):
    data, file = whole
    for damaged in (noise, data[: end % len(data)], struct.pack("<Q", len(noise)) + noise):
        file.write_bytes(damaged)
        assert loads_or_is_refused(file)


def header_of(data):
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["jeat"])
    del header["sha256"]
    return header


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 40) | st.floats() | st.text(max_size=5),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=5), v, max_size=3),
    max_leaves=5,
)
FIELDS = [("spec", k) for k in vars(NET.spec)] + [("grain",), ("about",), ("spec",), ("chain",)]
FIELDS += [("chain", k) for k in ("steps", "step_size", "noise")]


@settings(FUZZ, max_examples=60)
@given(st.sampled_from(FIELDS), VALUE)
@example(("spec", "size"), "8")
@example(("spec", "channels"), -1)
@example(("spec", "name"), None)
@example(("spec", "name"), "convnet-99999999999999")
@example(("grain",), "four")
@example(("chain", "steps"), INF)
def test_a_header_that_says_something_else_loads_or_is_refused_by_name(whole, field, value):
    data, file = whole
    within = header = header_of(data)
    for name in field[:-1]:
        within = within[name]
    within[field[-1]] = value
    file.write_bytes(data)
    save_sealed(file, header, load_file(file))
    assert loads_or_is_refused(file)


@pytest.mark.parametrize("name", ["start.factor", "start.mean"])
def test_half_a_start_is_no_checkpoint(whole, name):
    data, file = whole
    file.write_bytes(data)
    odd = {k: v[:, :1].contiguous() if k == name else v for k, v in load_file(file).items()}
    save_sealed(file, header_of(data), odd)
    with pytest.raises(ValueError, match=r"not a jeat checkpoint.*(means|factor)"):
        load_net(file)
    del odd["start.factor"]
    save_sealed(file, header_of(data), odd)
    with pytest.raises(ValueError, match=r"not a jeat checkpoint.*start\.factor"):
        load_net(file)


FLAGS = ["out", "epochs", "lr", "eps", "objective", "objective.eps", "net", "flip", "seed", "a"]
TEXTS = st.text(max_size=40) | st.dictionaries(st.sampled_from(FLAGS), VALUE, max_size=4).map(
    lambda flags: yaml.safe_dump(flags, allow_unicode=True)
)


@settings(FUZZ, max_examples=100)
@given(TEXTS | st.sampled_from(sorted(YAML.values())))
@example("a: &a [*a]")
@example("{" * 2000)
@example("[" * 2000)
@example("? " * 500)
@example("<<: 3")
@example("!!python/name:os.system")
@example("epochs: !!float x")
@example("seed: 2020-13-45")
@example("\0")
def test_any_yaml_is_a_config_or_is_refused_in_one_line(tmp_path, monkeypatch, capsys, text):
    """Without training: fit() is what comes after the reader."""
    (tmp_path / "c.yaml").write_text(text, encoding="utf-8", errors="surrogatepass")
    monkeypatch.setattr("jeat.runs.fit.fit", lambda *_, **__: [])
    code, error = left(["train", "at", "--config", str(tmp_path / "c.yaml")], capsys)
    assert code in (0, 1, 2)
    assert "Traceback" not in error
    assert "please report" not in error
    assert len(error.splitlines()) <= 1
    assert code == 0 or error
    assert [f.name for f in tmp_path.iterdir()] == ["c.yaml"]


@FUZZ
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), min_size=1, max_size=3))
def test_a_damaged_image_is_decoded_or_refused_by_name(tmp_path, flips):
    file = tmp_path / "x.png"
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(file)
    data = bytearray(file.read_bytes())
    for at, mask in flips:
        data[at % len(data)] ^= mask
    file.write_bytes(data)
    said = refusal(decoded, [{"bytes": None, "path": str(file)}], Reading(), 1)
    assert said is None or (str(file) in said and "\n" not in said)
