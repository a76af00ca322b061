"""Samples of anyone's making are measured as those that jeat drew, and said to be what they are."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import jeat
from jeat.cli import main
from jeat.data.loose import loose_images

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


def test_who_drew_them_is_said_where_it_is_known(tmp_path, capsys):
    assert measured("x.npz", tmp_path)["drawn_by"] == NET
    assert "warning: the samples" not in capsys.readouterr().err
    found = measured("x", tmp_path)
    assert found["drawn_by"] == "images of x"
    assert found["drawing"] is None
    said = capsys.readouterr()
    assert "nothing says who drew them" in said.err
    assert "10 images of x" in said.out


def test_samples_of_another_net_are_said_to_be_its_in_every_format_that_says_so(
    capsys,
):
    for name in ("x.safetensors", "x.npz"):
        assert main(["measure", OTHER, "-n", "5", "--metrics", "nearest", "--samples", name]) == 0
        assert f"of another net than {OTHER}: {NET} drew them" in capsys.readouterr().err
    assert main(["measure", OTHER, *WORDS, "--samples", "x.npz", "--judge", NET]) == 1
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
    assert said.out.splitlines()[0].replace(" ", "") == "|metric|net|other|"
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
