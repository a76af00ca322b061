"""Samples of anyone's making are measured as those that jeat drew, and said to be what they are."""

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import jeat
from jeat.cli import main
from jeat.data.loose import SAID, loose_images
from jeat.data.sizes import fitted
from jeat.jobs._samples import drawn_of
from jeat.jobs.alike import measure_alike
from jeat.jobs.measurement import Measurement
from jeat.nets import Spec, build, digest, save_net

WORDS = ["-n", "20", "--metrics", "judge_accuracy", "sample_quality", "nearest", "image_statistics"]
NET, OTHER, JUDGE = "runs/net", "runs/other", "runs/judge"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder of three nets, and of ten images in each format that ``jeat sample`` writes."""
    place = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        for seed, name in enumerate((NET, OTHER, JUDGE)):
            o = jeat.Optimisation(epochs=0.1, evaluate_images=20, seed=seed)
            for _ in jeat.fit(jeat.Plan("normal", net="convnet-4", optimisation=o), name):
                pass
        for name in ("x.safetensors", "x.npz", "x"):
            assert main(["sample", NET, name, "-n", "1", "--steps", "3"]) == 0
    return place


@pytest.fixture(autouse=True)
def _there(place, monkeypatch):
    monkeypatch.chdir(place)


def measured(samples, tmp_path):
    out = tmp_path / "found.json"
    words = [*WORDS, "--samples", samples, "--judge", JUDGE, "--out", str(out)]
    assert main(["measure", NET, *words]) == 0
    return json.loads(out.read_text())


def test_every_format_has_the_same_figures(tmp_path):
    own, *others = (measured(name, tmp_path) for name in ("x.safetensors", "x.npz", "x"))
    for found in others:
        assert found["figures"] == own["figures"]
        assert found["counts"] == own["counts"]
        assert found["samples"] == 10


@pytest.mark.parametrize("name", ["x", "x.npz"])
def test_who_drew_them_is_said_where_it_is_known(name, tmp_path, capsys):
    assert measured(name, tmp_path)["drawn_by"] == NET
    said = capsys.readouterr()
    assert "warning: " not in said.err.replace("warning: FID", "")
    assert f"10 drawn by {NET}" in said.out


def changed(folder):
    image = folder / "3/00003.png"
    pixels = np.array(Image.open(image))
    pixels[0, 0] ^= 1
    Image.fromarray(pixels).save(image)


CHANGES = {
    "an image changed": changed,
    "one added": lambda folder: shutil.copy(folder / "3/00003.png", folder / "3/x.png"),
    "one taken away": lambda folder: (folder / "3/00003.png").unlink(),
    "one moved": lambda folder: (folder / "3/00003.png").rename(folder / "4/00003.png"),
    "who drew them": lambda folder: (folder / SAID).write_text(
        (folder / SAID).read_text().replace(NET, OTHER)
    ),
    "what is said is nothing": lambda folder: (folder / SAID).write_text("[1]"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=[*CHANGES])
def test_a_folder_that_was_changed_by_hand_is_not_said_to_be_the_nets(change):
    shutil.copytree("x", "y")
    assert drawn_of("y", NET).by == NET
    try:
        change(Path("y"))
        with pytest.warns(UserWarning, match="^y does not hold the images of samples.json as"):
            drawn = drawn_of("y", NET)
    finally:
        shutil.rmtree("y")
    assert drawn.by == "images of y"
    assert "nothing says who drew them" in drawn.warned_of(NET, digest(NET))[0]


def test_arrays_that_were_changed_are_not_said_to_be_the_nets():
    kept = dict(np.load("x.npz"))
    classes = [*map(str, range(10))]
    assert loose_images("x.npz", classes)[2]["command"].startswith(f"jeat sample {NET}")
    for name in ("images", "labels"):
        np.savez("y.npz", **kept | {name: kept[name][::-1]})
        with pytest.warns(UserWarning, match="y.npz does not hold the images as jeat sample wrote"):
            assert loose_images("y.npz", classes)[2] == {}


def test_a_data_set_of_samples_is_that_of_its_images(monkeypatch, tmp_path, recwarn):
    monkeypatch.setenv("JEAT_CACHE", str(tmp_path))
    assert main(["sample", NET, "z", "-n", "10", "--class", "3", "7", "--steps", "1"]) == 0
    assert (Path("z") / SAID).is_file()
    data = jeat.load_data("z")
    assert (data.classes, len(data.train), len(data.test)) == (("3", "7"), 18, 2)
    assert [w for w in recwarn if "left out" in str(w.message)] == []


@pytest.mark.parametrize("name", ["large", "large.npz"])
def test_images_of_another_size_are_brought_to_the_nets_where_it_is_asked_for(
    name, tmp_path, capsys
):
    x = np.random.default_rng(0).integers(0, 256, (10, 12, 16), dtype=np.uint8)
    np.savez("large.npz", images=x, labels=np.arange(10))
    for k, pixels in enumerate(x):
        Path(f"large/{k}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(f"large/{k}/0.png")
    words = ["measure", NET, "-n", "5", "--metrics", "image_statistics", "--samples"]
    assert main([*words, name]) == 1
    assert "bring them to it by --size 8x8" in capsys.readouterr().err
    out = tmp_path / "found.json"
    assert main([*words, name, "--size", "8x8", "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert "the samples were brought to 8x8 pixels" in said.err
    found = json.loads(out.read_text())
    assert found["data"] == "digits"
    fitting = np.stack([fitted(Image.fromarray(a), (8, 8)) for a in x]) / 255
    assert found["figures"]["contrast"] == pytest.approx(fitting.std(), rel=1e-3)
    again = shlex.split(found["command"])[1:]
    assert main([*again, "--out", str(tmp_path / "again.json")]) == 0
    assert json.loads((tmp_path / "again.json").read_text())["figures"] == found["figures"]


def test_samples_of_another_net_are_said_to_be_its_in_every_format(capsys):
    for name in ("x.safetensors", "x.npz", "x"):
        assert main(["measure", OTHER, "-n", "5", "--metrics", "nearest", "--samples", name]) == 0
        assert f"of another net than {OTHER}: {NET} drew them" in capsys.readouterr().err
    for name in ("x.npz", "x"):
        assert main(["measure", OTHER, *WORDS, "--samples", name, "--judge", NET]) == 1
        assert "no judge of its own samples" in capsys.readouterr().err


CLASSES = ("cat", "a/b")


def test_labels_are_those_of_folders_and_arrays(tmp_path):
    x = np.arange(3 * 4 * 5 * 3, dtype=np.uint8).reshape(3, 4, 5, 3)
    for i, name in enumerate(["cat", "a%2Fb", "cat"]):
        folder = tmp_path / "of classes" / "epoch 3" / name
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(x[i]).save(folder / f"{i}.png")
    read, y, _ = loose_images(tmp_path / "of classes", CLASSES)
    order = [1, 0, 2]  # of names
    assert torch.equal(read, torch.from_numpy(x[order]).movedim(3, 1))
    assert y.tolist() == [1, 0, 0]
    Image.fromarray(x[0]).save(tmp_path / "of classes" / "0.png")
    assert loose_images(tmp_path / "of classes", CLASSES)[1] is None
    np.savez(
        tmp_path / "guided.npz", x, np.array([0, 1, 1])
    )  # as of guided-diffusion: arr_0, arr_1
    read, y, _ = loose_images(tmp_path / "guided.npz", CLASSES)
    assert torch.equal(read, torch.from_numpy(x).movedim(3, 1))
    assert y.tolist() == [0, 1, 1]
    np.savez(tmp_path / "named.npz", images=x / 255, labels=[0, 1, 1], classes=["a/b", "cat"])
    read, y, _ = loose_images(tmp_path / "named.npz", CLASSES)
    assert torch.equal(read, torch.from_numpy(x).movedim(3, 1))
    assert y.tolist() == [1, 0, 0]
    np.savez(tmp_path / "bare.npz", images=x)
    assert loose_images(tmp_path / "bare.npz", CLASSES)[1] is None


REFUSED = {
    "is no .npz of images: it holds z, and none of images": {"z": np.zeros(3)},
    "labels must lie in 0..1": {"images": np.zeros((2, 4, 4)), "labels": [0, 2]},
    "has class 'dog', which the net does not know": {
        "images": np.zeros((1, 4, 4)), "labels": [0], "classes": ["dog"],
    },
    "pixels as floats must be finite": {"images": np.full((1, 4, 4), np.nan)},
    "images must be (N, H, W)": {"images": np.zeros((1, 4, 4, 7))},
}  # fmt: skip


@pytest.mark.parametrize(("said", "arrays"), REFUSED.items(), ids=[*REFUSED])
def test_what_is_no_images_is_refused(said, arrays, tmp_path):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(ValueError, match=said.replace("(", r"\(").replace(")", r"\)")):
        loose_images(tmp_path / "x.npz", CLASSES)


def test_a_command_says_in_a_line_what_is_wrong(tmp_path, capsys):
    def refused(samples, said, metric="nearest"):
        words = ["--metrics", metric, "--samples", str(samples), "-n", "5"]
        words += ["--judge", JUDGE] if metric == "judge_accuracy" else []
        assert main(["measure", NET, *words]) != 0
        err = capsys.readouterr().err
        assert said in err
        assert len(err.strip().splitlines()) == 1

    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "holds no image files")
    (tmp_path / "broken.npz").write_bytes(b"PK\3\4 no")
    refused(tmp_path / "broken.npz", "is no .npz of images")
    np.savez(tmp_path / "large.npz", images=np.zeros((9, 16, 16), np.uint8))
    refused(tmp_path / "large.npz", "has images of 1x16x16, those of runs/net are 1x8x8")
    np.savez(tmp_path / "bare.npz", images=np.zeros((9, 8, 8), np.uint8))
    refused(
        tmp_path / "bare.npz", "judge_accuracy needs the class of each sample", "judge_accuracy"
    )
    (tmp_path / "empty" / "x.png").write_text("no image")
    refused(tmp_path / "empty", "cannot be decoded")


def test_several_nets_are_measured_as_each_is_alone(tmp_path, capsys):
    words = ["-n", "30", "--metrics", "accuracy", "energies", "robust_accuracy"]
    alone = []
    for net in (NET, OTHER):
        assert main(["measure", net, *words, "--out", str(tmp_path / "one.json")]) == 0
        alone.append(json.loads((tmp_path / "one.json").read_text()))
    capsys.readouterr()
    assert main(["measure", NET, OTHER, *words, "--out", str(tmp_path / "two.json")]) == 0
    found = json.loads((tmp_path / "two.json").read_text())
    assert [one["net"] for one in found] == [NET, OTHER]
    for one, other in zip(found, alone, strict=True):
        assert one["figures"] | one["masking"] == other["figures"] | other["masking"]
    said = capsys.readouterr()
    assert said.out.splitlines()[0].replace(" ", "") == "|metric|net|other|images|"
    assert "| 30 test |" in said.out
    for name in alone[0]["figures"]:
        row = next(line for line in said.out.splitlines() if line.startswith(f"| {name} "))
        for cell, one in zip(row.split("|")[2:], alone, strict=False):
            assert cell.split()[0] == f"{one['figures'][name]:.4g}"
    for line in said.err.splitlines():
        if "warning" in line:
            assert line.startswith(("jeat: warning: net: ", "jeat: warning: other: "))
    with pytest.raises(SystemExit, match="2"):
        main(["measure", NET, NET, *words])
    assert "a net is named twice" in capsys.readouterr().err
    assert main(["measure", NET, "runs/none", *words]) == 1
    assert "no net at runs/none" in capsys.readouterr().err


def test_the_table_of_several_nets_says_whose_images_a_figure_is_of(capsys):
    words = ["-n", "5", "--metrics", "accuracy", "nearest", "--samples", "x"]
    assert main(["measure", NET, OTHER, *words]) == 0
    rows = {r.split("|")[1].strip(): r for r in capsys.readouterr().out.splitlines() if "|" in r}
    assert rows["accuracy"].rstrip("| ").endswith("| 5 test")
    assert rows["nearest_l2"].endswith(f"| 10 drawn by {NET} |")


def saved(name, classes=10, size=8, weight=0.1):
    net = build(Spec("convnet-4", 1, size, tuple(map(str, range(classes)))))
    with torch.no_grad():
        net.linear.weight.fill_(weight)
    save_net(net, None, name, about={"plan": {"data": "digits"}})
    return name


@pytest.mark.parametrize(
    ("other", "said"),
    [({"size": 16}, "takes images of (1, 16, 16)"), ({"classes": 7}, "in 7 classes")],
)
def test_a_net_that_does_not_fit_is_said_before_another_is_measured(
    other, said, capsys, monkeypatch
):
    monkeypatch.setattr("jeat.jobs.alike.measure", lambda *_, **__: pytest.fail("too early"))
    name = saved("other.safetensors", **other)
    assert main(["measure", NET, name, "-n", "5", "--metrics", "accuracy"]) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("last", [False, True])
def test_a_net_that_fails_leaves_what_others_gave(last, tmp_path, capsys):
    bad, out = saved("bad.safetensors", weight=3e38), tmp_path / "found.json"
    nets = [NET, bad, OTHER] if last else [bad, NET, OTHER]
    words = ["-n", "20", "--metrics", "accuracy", "--out", str(out)]
    assert main(["measure", *nets, *words]) == 1
    said = capsys.readouterr()
    assert said.out.splitlines()[0].replace(" ", "") == "|metric|net|other|images|"
    assert "bad was not measured: the net's logits are NaN or infinite" in said.err
    assert "Traceback" not in said.err
    assert [one["net"] for one in json.loads(out.read_text())] == [NET, OTHER]
    assert main(["measure", bad, *words]) == 1
    assert "not measured" not in capsys.readouterr().err


def test_progress_says_which_net_is_measured():
    told = []
    first = Measurement(NET, ("accuracy",), number=5)
    measure_alike(first, {"a": NET, "b": OTHER}, show=lambda *what: told.append(what))
    assert {what[0] for what in told} == {"measuring a", "measuring b"}
