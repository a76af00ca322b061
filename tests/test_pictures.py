"""Drawn images in every format are the images that were drawn, with the names of their classes."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

import jeat
from jeat._support.file_names import as_file_name, of_file_name
from jeat.attacks import Counterfactual
from jeat.cli import main
from jeat.cli.data import _first as drawn_of_data
from jeat.data import Data, Images
from jeat.data.loose import loose_images
from jeat.figures import fitting, grid, legible, panels
from jeat.figures._font import font
from jeat.jobs.film import pictures_of
from jeat.jobs.image_files import load_images
from jeat.jobs.known import known_of
from jeat.jobs.pictures import named_grid, write_grid, write_singles
from jeat.jobs.strips import attack_strips, completed_strips, counterfactual_strips
from jeat.nets import Spec, build
from jeat.runs import drawn as drawn_of_runs
from jeat.samplers import Uniform

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


ABOUT = {"command": "jeat sample NET x", "what": "jeat sample NET FILE", "net_sha256": "0" * 64}
ODD = (
    "Äpfel rot", "a b", " lead", "trail ", "a/b", "a\\b", "'\"", "...", ".hidden", "../up", "50%",
    "5%20off", "a%2Fb", "CON", "con.txt", "🐱 猫", "__x", "a::b?*<>|", "a\nb", "train", "[x]",
)  # fmt: skip


def test_names_of_classes_stay_within_the_folder(tmp_path):
    names = ["../up", ".", "a b", "Äpfel"]
    write_singles(tmp_path / "x", torch.rand(4, 3, 2, 2), torch.arange(4), names, ABOUT)
    folders = sorted(f.name for f in (tmp_path / "x").iterdir() if f.is_dir())
    assert folders == ["%2E", "%2E.%2Fup", "a b", "Äpfel"]
    assert sorted(f.name for f in tmp_path.iterdir()) == ["x"]


def test_every_name_of_a_class_is_that_of_a_file_on_every_system_and_comes_back():
    for name in (*ODD, *map(chr, range(1, 256)), *(f"{a}{b}" for a in "._% C" for b in "._% O")):
        written = as_file_name(name)
        assert of_file_name(written) == name
        assert not set(written) & set('/\\<>:"|?*\n\0')
        assert written[0] != "."
        assert written[-1] not in ". "
        assert written.partition(".")[0].upper() not in ("CON", "PRN", "AUX", "NUL", "COM1", "LPT9")
    for name in ("5%20off", "100%", "a%41", "%C3%84pfel", "%2f"):  # of others' folders
        assert of_file_name(name) == name


def test_a_folder_of_odd_classes_is_a_data_set_of_them_with_no_warning_of_its_own(
    tmp_path, monkeypatch, recwarn
):
    monkeypatch.setenv("JEAT_CACHE", str(tmp_path / "cache"))
    x, y = torch.rand(10 * len(ODD), 3, 4, 4), torch.arange(len(ODD)).repeat(10)
    write_singles(tmp_path / "x", x, y, ODD, ABOUT)
    pixels = (x * 255).round().byte()
    named = {a.numpy().tobytes(): ODD[k] for a, k in zip(pixels, y.tolist(), strict=True)}
    data = jeat.load_data(str(tmp_path / "x"))
    assert data.classes == tuple(sorted(ODD))
    for part in (data.train, data.test):
        for a, k in zip(part.x, part.y.tolist(), strict=True):
            assert named[a.numpy().tobytes()] == data.classes[k]
    read, labels, about = loose_images(tmp_path / "x", ODD)
    assert [named[a.numpy().tobytes()] for a in read] == [ODD[k] for k in labels.tolist()]
    assert about == ABOUT
    said = [str(w.message) for w in recwarn if str(w.message).startswith(str(tmp_path))]
    assert len(said) == 1  # there is no test split
    assert "every tenth image of a class is held out" in said[0]


def test_a_name_is_written_in_letters_and_else_has_its_number_beside_it():
    plain = ("cat", "Äpfel rot", "ßéñø", "αЖ")
    assert legible(plain) == plain
    assert legible(("cat", "猫", "犬", "a\nb", "", "e\u0301", "é")) == (
        "cat", "猫 (1)", "犬 (2)", "a\\nb (3)", " (4)", "é (5)", "é (6)",
    )  # fmt: skip
    assert legible(("e\u0301",)) == ("é",)
    boxes = {tuple(font(20).getmask(c)) for c in "ÄöüßéñøαЖ\u732b"}
    assert len(boxes) == 10


def test_every_picture_of_classes_writes_their_names_in_that_font(monkeypatch, tmp_path):
    names, x, y = ("Ä", "猫"), torch.rand(2, 1, 8, 8), torch.arange(2)
    net = build(Spec("convnet-4", 1, 8, names))
    written = []
    monkeypatch.setattr(
        ImageDraw.ImageDraw, "text",
        lambda _, at, text, **how: written.append((text, how["font"].getname()[0])),
    )  # fmt: skip
    monkeypatch.setattr(drawn_of_runs, "sample", lambda net, labels, start: x[labels % 2])
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "x.png")
    known = known_of(str(tmp_path / "x.png"), net, inpaint=("0", "0", "4", "4"))
    found = Counterfactual(x, *torch.ones(3, 2))
    panels({"Ä": Image.new("RGB", (8, 8)), "猫 (1)": Image.new("RGB", (8, 8))})
    drawings = [
        lambda: named_grid(x, y, names),
        lambda: [*pictures_of(x[None], y, [0], net)],
        lambda: attack_strips(net, x, x, y, names, "linf"),
        lambda: counterfactual_strips(net, x[:1], found, y),
        lambda: completed_strips(net, known, x, y),
        lambda: drawn_of_runs.draw(tmp_path, 1, net, Uniform((1, 8, 8)), names, seed=0),
        lambda: drawn_of_data(Data(*[Images((x * 255).byte(), y)] * 2, names), 1),
    ]
    for drawing in drawings:
        written.clear()
        shown = drawing()
        texts = " ".join([text for text, _ in written] or shown)
        assert "Ä" in texts
        assert "猫 (1)" in texts
        assert {name for _, name in written} <= {"DejaVu Sans"}


@pytest.mark.parametrize(
    ("columns", "rows", "side"), [(4, 2, 160), (1, 1, 160), (10, 10, 96), (10, 100, 64)]
)
def test_few_images_are_large_and_many_find_room(columns, rows, side):
    x, y = torch.rand(columns * rows, 3, 32, 32), torch.arange(rows).repeat_interleave(columns)
    assert fitting((32, 32), columns, rows) == side
    picture = named_grid(x, y, [*map(str, range(rows))])
    assert columns * (side + 2) < picture.width < columns * (side + 2) + 60
    assert picture.width <= 1200


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
    dogs, cats = (np.asarray(grid(x[y == k], columns=10, least=96)) for k in (1, 0))
    left = whole.shape[1] - 4 - dogs.shape[1]
    assert np.array_equal(whole[4 : 4 + dogs.shape[0], left:-4], dogs)
    assert np.array_equal(whole[-4 - cats.shape[0] : -4, left:-4], cats)
    assert (whole[: dogs.shape[0], : left - 4] < 128).any()  # a name is written there
    assert dogs.shape[0] == 2 * 98 + 2


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
