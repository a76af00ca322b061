"""Drawn images in every format are the images that were drawn, with the names of their classes."""

import numpy as np
import pytest
import torch
from PIL import Image

import jeat
from jeat.cli import main
from jeat.figures import grid
from jeat.jobs.image_files import load_images
from jeat.jobs.pictures import named_grid, write_grid, write_singles

WORDS = ["-n", "3", "--steps", "2", "--seed", "5", "--class"]


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    out = tmp_path_factory.mktemp("net") / "run"
    o = jeat.Optimisation(epochs=0.1, evaluate_images=20)
    for _ in jeat.fit(jeat.Plan("normal", net="convnet-4", optimisation=o), out):
        pass
    return str(out)


@pytest.fixture
def drawn(net, tmp_path):
    """8 bits of the images of classes 7 and 2, and their labels."""
    assert main(["sample", net, str(tmp_path / "x.safetensors"), *WORDS, "7", "2"]) == 0
    images, labels, _ = load_images(tmp_path / "x.safetensors")
    return images, labels


def test_arrays_are_a_data_set_of_them(net, drawn, tmp_path):
    out = tmp_path / "x.npz"
    assert main(["sample", net, str(out), *WORDS, "7", "2"]) == 0
    kept = np.load(out)
    assert kept["images"].dtype == np.uint8
    assert np.array_equal(kept["images"], (drawn[0][:, 0] * 255).round().numpy())
    assert kept["labels"].tolist() == drawn[1].tolist() == [7, 7, 7, 2, 2, 2]
    assert kept["classes"].tolist() == [str(k) for k in range(10)]
    assert str(kept["command"]).startswith("jeat sample ")


def test_a_folder_has_a_file_an_image_below_its_class(net, drawn, tmp_path):
    out = tmp_path / "new" / "images"
    assert main(["sample", net, str(out), *WORDS, "7", "2"]) == 0
    names = [f"{k}/{i:05d}.png" for i, k in enumerate(drawn[1].tolist())]
    assert sorted(str(f.relative_to(out)) for f in out.rglob("*.png")) == sorted(names)
    for name, x in zip(names, drawn[0], strict=True):
        assert np.array_equal(np.asarray(Image.open(out / name)), (x[0] * 255).round().numpy())


def test_names_of_classes_stay_within_the_folder(tmp_path):
    names = ["../up", ".", "a b"]
    write_singles(tmp_path / "x", torch.rand(3, 3, 2, 2), torch.arange(3), names)
    folders = sorted(f.name for f in (tmp_path / "x").iterdir())
    assert folders == ["%2E", "%2E.%2Fup", "a b"]
    assert sorted(f.name for f in tmp_path.iterdir()) == ["x"]


@pytest.mark.parametrize("suffix", ["png", "webp", "pdf"])
def test_a_grid_is_written_whole(suffix, tmp_path):
    x, y = torch.rand(25, 3, 8, 8), torch.tensor([1] * 12 + [0] * 13)
    out = tmp_path / f"grid.{suffix}"
    write_grid(out, x, y, ("cat", "dog"))
    if suffix == "pdf":
        assert out.read_bytes().startswith(b"%PDF")
    else:
        pixels = np.asarray(Image.open(out).convert("RGB"))
        assert np.array_equal(pixels, np.asarray(named_grid(x, y, ("cat", "dog"))))


def test_a_grid_shows_each_image_enlarged_beside_the_name_of_its_class():
    x, y = torch.rand(25, 3, 8, 8), torch.tensor([1] * 12 + [0] * 13)
    whole = np.asarray(named_grid(x, y, ("cat", "dog")))
    dogs, cats = (np.asarray(grid(x[y == k], columns=10, least=64)) for k in (1, 0))
    left = whole.shape[1] - 4 - dogs.shape[1]
    assert np.array_equal(whole[4 : 4 + dogs.shape[0], left:-4], dogs)
    assert np.array_equal(whole[-4 - cats.shape[0] : -4, left:-4], cats)
    assert (whole[: dogs.shape[0], : left - 4] < 128).any()  # a name is written there
    assert dogs.shape[0] == 2 * 66 + 2


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("grid.tif", "is not the name of a .png, .webp, .pdf, .gif, .mp4, .npz or .safetensors"),
        ("full", "full is there and not an empty folder"),
        ("full/one/below", "cannot be written in full/one"),
    ],
)
def test_where_nothing_can_be_written_is_said_before_anything_is_drawn(
    out, said, net, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/one").write_text("1")
    with pytest.raises(SystemExit):
        main(["sample", net, out])
    err = capsys.readouterr().err.replace(f"{tmp_path}/", "")
    assert said in err
    assert err.count("\n") == 1
    assert [f.name for f in tmp_path.rglob("*")] == ["full", "one"]
