"""Sizes, rectangles, depths and transparency: what an image becomes, and that its name says so."""

import io
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import jeat
from jeat._support.reading import reading_of
from jeat.cli import main
from jeat.data import Data, Images, Reading, augment, from_arrays, load_data
from jeat.data.decode import decoded
from jeat.data.images import eight_bits
from jeat.data.sizes import fitted, resized
from jeat.figures import grid
from jeat.metrics import nearest
from jeat.nets import Spec, build, load_net, save_net
from jeat.samplers import ClassGaussian

RNG = np.random.default_rng(0)
TINY = ["--net", "convnet-4", "--epochs", "1", "--batch_size", "10", "--evaluate_images", "4"]


def photo(high, wide, *more):
    return RNG.integers(0, 256, (high, wide, *more), dtype=np.uint8)


def file_of(image, kind="PNG", **how):
    found = io.BytesIO()
    image.save(found, kind, **how)
    return {"bytes": found.getvalue(), "path": None}


def said_of(file, **how):
    """An image as it is read, and what is warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        (x,) = decoded([file], Reading(**how), 1)
    return x, [str(w.message) for w in caught if w.category is UserWarning]


def oblong(n=40, shape=(3, 8, 12)):
    x = torch.from_numpy(RNG.integers(0, 256, (n, *shape), dtype=np.uint8))
    y = torch.arange(n) % 3
    return Data(Images(x, y), Images(x[:9].flip(3), y[:9]), ("a", "b", "c"))


# sizes


@pytest.mark.parametrize("shape", [(40, 40), (33, 70), (71, 32), (20, 31), (7, 90), (32, 33)])
@pytest.mark.parametrize("colour", [(), (3,)])
def test_a_square_is_that_of_torchvision_to_the_bit(shape, colour):
    transforms = pytest.importorskip("torchvision.transforms")
    image = Image.fromarray(photo(*shape, *colour))
    theirs = transforms.CenterCrop(32)(transforms.Resize(32)(image))
    assert np.array_equal(np.asarray(fitted(image, (32, 32))), np.asarray(theirs))


@given(*[st.integers(1, 70)] * 4)
def test_an_image_covers_its_size_is_cut_at_the_centre_and_constant_where_it_was(h, w, high, wide):
    found = fitted(Image.new("L", (wide, high), 77), (h, w))
    assert np.array_equal(np.asarray(found), np.full((h, w), 77))


def test_an_image_of_the_size_already_is_as_it_was():
    image = Image.fromarray(photo(9, 14, 3))
    assert fitted(image, (9, 14)) is image
    data = oblong()
    assert resized(data, (8, 12)) is data


def test_a_rectangle_is_scaled_by_one_factor_and_cut_on_both_sides_alike():
    """By Pillow: of 20 x 60 at 10 x 20, halved to 10 x 30, the columns 5 to 24 are left."""
    x = photo(20, 60)
    half = np.asarray(Image.fromarray(x).resize((30, 10), Image.Resampling.BILINEAR))
    assert np.array_equal(np.asarray(fitted(Image.fromarray(x), (10, 20))), half[:, 5:25])


def test_shrinking_averages_over_what_it_leaves_out():
    """Antialiased: a grating of one pixel becomes grey, not black or white."""
    x = np.tile(np.array([0, 255], np.uint8), (64, 32))
    assert abs(np.asarray(fitted(Image.fromarray(x), (8, 8))).astype(int) - 127.5).max() < 10


def test_a_data_set_is_brought_to_a_size_as_its_image_files_are(tmp_path):
    data, folder = oblong(), tmp_path / "set"
    for split, images in (("train", data.train), ("test", data.test)):
        for i, (x, y) in enumerate(zip(images.x, images.y, strict=True)):
            place = folder / split / data.classes[y]
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(x.movedim(0, -1).numpy()).save(place / f"{i:03}.png")
    read, expected = load_data(folder, size="6x5"), resized(data, (6, 5))
    order = expected.train.y.argsort(stable=True)
    assert torch.equal(read.train.x, expected.train.x[order])
    for i, size in enumerate([(90, 40), (40, 90)]):
        Image.new("RGB", size, (i, 0, 0)).save(folder / f"train/a/last{i}.png")
    assert load_data(f"{folder}?size=6x5").shape == (3, 6, 5)
    with pytest.raises(ValueError, match=r"differ in size .* --size 32"):
        load_data(folder)


def of_splits(form, folder, train, test):
    """Two splits, whose images need not be of one kind, as a source of data."""
    arrays = [s.x.movedim(1, -1).squeeze(-1).numpy() for s in (train, test)]
    if form == "npz":
        names = ("x_train", "y_train", "x_test", "y_test")
        np.savez(
            folder / "a.npz",
            **dict(zip(names, (arrays[0], train.y, arrays[1], test.y), strict=True)),
        )
        return folder / "a.npz"
    if form in ("folders", "paths.csv"):
        lines = ["path,label,split"]
        for split, x, y in (("train", arrays[0], train.y), ("test", arrays[1], test.y)):
            for i, image in enumerate(x):
                file = f"{split}/{y[i]}/{i:02}.png"
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(folder / file)
                lines.append(f"{file},{y[i]},{split}")
        if form == "folders":
            return folder
        (folder / form).write_text("\n".join(lines))
        return folder / form
    if form == "Data":
        return Data(train, test, ("0", "1", "2"))
    return (train.x, train.y), (test.x, test.y)


FORMS = ["npz", "folders", "paths.csv", "Data", "tensors"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [(8, 12), (8, 10), (6, 5)])
def test_two_splits_of_two_sizes_are_refused_unless_one_is_given(form, size, tmp_path):
    one, other = oblong(shape=(3, 8, 12)), oblong(shape=(3, 8, 10))
    source = of_splits(form, tmp_path, one.train, other.test)
    with pytest.raises(
        ValueError, match=r"differ in size \(\(8, 12\).*\(8, 10\).*by --size 32, or"
    ):
        load_data(source)
    data = load_data(source, size=size)
    assert sorted_by_class(data.train, resized(one, size).train)
    assert sorted_by_class(data.test, resized(other, size).test)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("grey", ["train", "test"])
def test_a_grey_split_beside_one_in_colour_becomes_colour(form, grey, tmp_path):
    splits = {"train": oblong().train, "test": oblong().test}
    splits[grey] = getattr(oblong(shape=(1, 8, 12)), grey)
    data = load_data(of_splits(form, tmp_path, splits["train"], splits["test"]))
    splits[grey] = Images(splits[grey].x.repeat(1, 3, 1, 1), splits[grey].y)
    assert sorted_by_class(data.train, splits["train"])
    assert sorted_by_class(data.test, splits["test"])


def sorted_by_class(found, expected):
    """Whether these are the images and labels, in the order of classes."""
    at, order = (s.y.argsort(stable=True) for s in (found, expected))
    return torch.equal(found.x[at], expected.x[order]) and torch.equal(
        found.y[at], expected.y[order]
    )


@pytest.mark.parametrize("given", ["files", "paths.csv", "objects", "tensors"])
def test_what_finds_no_room_in_memory_is_refused_once_the_first_image_is_decoded(
    given, tmp_path, monkeypatch
):
    lines = ["path,label"]
    for i in range(60):
        name = f"{'ab'[i % 2]}/{i:02}.png"
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(photo(8, 8, 3)).save(tmp_path / name)
        lines.append(f"{name},{'ab'[i % 2]}")
    (tmp_path / "paths.csv").write_text("\n".join(lines))
    pairs = [(Image.fromarray(photo(8, 8, 3)), i % 2) for i in range(60)]
    x, y = torch.zeros(60, 3, 8, 8, dtype=torch.uint8), torch.arange(60) % 2
    named = {"files": str(tmp_path), "paths.csv": str(tmp_path / "paths.csv")}
    source = {"objects": pairs, "tensors": (x, y)}.get(given) or named[given]
    monkeypatch.setenv("JEAT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("os.sysconf", lambda name: 50_000 if name == "SC_PHYS_PAGES" else 1)
    assert load_data(source, size=8).shape == (3, 8, 8)  # 12 kB, twice
    with pytest.raises(ValueError, match=r"images take .* GB decoded.* choose a smaller --size"):
        load_data(source, size=16)  # 46 kB, twice
    assert len(list((tmp_path / "cache").glob("*"))) <= 1


@pytest.mark.parametrize("size", ["1x7", "3x8", "8x3", "1x3"])
def test_the_axis_of_channels_of_files_is_known_at_every_size(tmp_path, size):
    photos = [Image.fromarray(photo(40, 50, 3)) for _ in range(40)]
    for i, image in enumerate(photos):
        place = tmp_path / "ab"[i % 2] / f"{i:02}.png"
        place.parent.mkdir(exist_ok=True)
        image.save(place)
    table = ["path,label", *(f"{'ab'[i % 2]}/{i:02}.png,{'ab'[i % 2]}" for i in range(40))]
    (tmp_path / "all.csv").write_text("\n".join(table))
    high, wide = map(int, size.split("x"))
    first = torch.from_numpy(np.array(fitted(photos[0], (high, wide)))).permute(2, 0, 1)
    pairs = [(p, i % 2) for i, p in enumerate(photos)]
    for source in (pairs, tmp_path / "all.csv", tmp_path):
        data = load_data(source, size=size)
        assert data.shape == (3, high, wide)
        assert torch.equal(data.train.x[0], first)


@pytest.mark.parametrize("kind", ["GIF", "TIFF"])
def test_of_several_frames_the_first_is_taken_and_that_is_said(kind):
    first, second = (Image.new("L", (7, 5), grey) for grey in (0, 255))
    x, said = said_of(file_of(first, kind, save_all=True, append_images=[second]))
    assert x.max() == 0
    assert said == ["of images with several frames or pages, the first is taken"]
    assert said_of(file_of(first, kind))[1] == []


# depths and transparency


def test_16_bits_are_rounded_to_8():
    x = np.arange(65_536, dtype=np.uint16)
    assert np.array_equal(eight_bits(x), np.round(x / 257))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_grey_file_of_16_bits_is_scaled_and_that_is_said_once(kind):
    deep = RNG.integers(0, 65_536, (5, 7), dtype=np.uint16)
    x, said = said_of(file_of(Image.fromarray(deep), kind))
    assert np.array_equal(x, np.round(deep / 257))
    assert said == ["pixels of 16 bits are scaled to 8, 65535 to 255: look at the range"]


@pytest.mark.parametrize(("kind", "dtype"), [("PPM", "u2"), ("TIFF", "i4"), ("TIFF", ">u2")])
def test_grey_of_16_bits_in_other_files_is_scaled_too(kind, dtype):
    deep = RNG.integers(0, 65_536, (5, 7)).astype(dtype)
    x, said = said_of(file_of(Image.fromarray(deep), kind))
    assert np.array_equal(x, np.round(deep / 257))
    assert said == ["pixels of 16 bits are scaled to 8, 65535 to 255: look at the range"]


@pytest.mark.parametrize("value", [-1, 65_536])
def test_pixels_beyond_16_bits_are_refused_by_their_file(tmp_path, value):
    Image.fromarray(np.full((5, 7), value, np.int32)).save(tmp_path / "deep.tif")
    file = {"bytes": None, "path": str(tmp_path / "deep.tif")}
    with pytest.raises(ValueError, match=f"deep.tif has pixels of {value}..{value}, beyond 16"):
        decoded([file], Reading(), 1)


@pytest.mark.parametrize("order", "<>")
def test_arrays_of_16_bits_are_scaled(order):
    deep = RNG.integers(0, 65_536, (4, 5, 7)).astype(f"{order}u2")
    with pytest.warns(UserWarning, match="16 bits"):
        images = from_arrays(deep, np.zeros(4, int))
    assert np.array_equal(images.x[:, 0], np.round(deep / 257))


@pytest.mark.parametrize(
    ("named", "colour"), [(None, 0), ("black", 0), ("white", 255), ("#ff8000", (255, 128, 0))]
)
def test_transparent_pixels_show_the_colour_behind_them(named, colour):
    """a c + (1 - a) b, rounded; where no colour is named it is black, and that is said."""
    x = photo(5, 7, 4)
    alpha = x[..., 3:] / 255
    found, said = said_of(file_of(Image.fromarray(x)), background=named)
    assert abs(found - (alpha * x[..., :3] + (1 - alpha) * colour)).max() <= 0.5
    assert said == (
        []
        if named
        else ["alpha is dropped: transparent pixels show black; name a colour by --background"]
    )


def test_alpha_that_hides_nothing_changes_and_says_nothing():
    x = photo(5, 7, 4)
    x[..., 3] = 255
    found, said = said_of(file_of(Image.fromarray(x)))
    assert np.array_equal(found, x[..., :3])
    assert not said


def test_grey_with_alpha_stays_grey_on_grey_and_is_coloured_by_a_colour():
    grey = Image.fromarray(photo(5, 7, 2))
    assert grey.mode == "LA"
    assert said_of(file_of(grey), background="white")[0].shape == (5, 7)
    assert said_of(file_of(grey), background="#ff0000")[0].shape == (5, 7, 3)


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_transparent_colour_of_a_palette_shows_the_background(kind):
    x = np.zeros((6, 6, 3), np.uint8)
    x[:3] = 200
    image = Image.fromarray(x).quantize(2)
    hidden = image.getpixel((0, 0))
    found, _ = said_of(file_of(image, kind, transparency=hidden), background="#0000ff")
    assert (found[:3] == [0, 0, 255]).all()
    assert (found[3:] == 0).all()


# names


READINGS = st.fixed_dictionaries({
    "size": st.none() | st.tuples(st.integers(1, 999), st.integers(1, 999)),
    "label": st.none() | st.text(min_size=1),
    "background": st.sampled_from([None, "white", "black", "#a0b1c2"]),
    "labels_per_class": st.none() | st.integers(1, 10**9 - 1),
    "validation": st.none() | st.integers(1, 10**9 - 1),
})  # fmt: skip


@given(READINGS, st.sampled_from(["photos", "a/b.npz", f"o/n:c@{'0' * 40}", "m.n:f", "what?", "~"]))
def test_a_name_says_how_a_data_set_is_read_and_nothing_is_lost(settings, source):
    how = Reading(**settings)
    name = how.of(source)
    if how != Reading():
        assert reading_of(name) == (source, how)
    else:
        assert name == source


def test_a_size_of_nothing_is_no_hexadecimal_number(capsys):
    with pytest.raises(SystemExit):
        main(["data", "digits", "--size", "0x0"])
    assert "--size must be at least 1 pixel in decimal digits" in capsys.readouterr().err


def test_a_square_is_named_by_one_number():
    assert Reading(size=32).of("x") == Reading(size=(32, 32)).of("x") == "x?size=32"
    assert Reading(size="32x48", background="#FF8000").of("x") == "x?size=32x48&background=ff8000"


def test_a_file_with_a_question_mark_is_itself(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("what?size=3").mkdir()
    assert reading_of("what?size=3") == ("what?size=3", Reading())
    assert reading_of("what?size=3?size=4") == ("what?size=3", Reading(size=4))


def test_a_run_remembers_how_its_data_were_read(tmp_path, monkeypatch, capsys):
    """In its record, and in what is measured, attacked and recomputed without --data."""
    monkeypatch.chdir(tmp_path)
    x = photo(60, 16, 20)
    np.savez("big.npz", images=x, labels=np.arange(60) % 3)
    sized = ["--data", "big.npz", "--size", "8x12"]
    assert main(["train", "normal", *sized, "--out", "run", *TINY]) == 0
    name = "big.npz?size=8x12"
    whole = f"{tmp_path}/{name}"
    assert json.loads(Path("run/run.json").read_text())["plan"]["data"] == whole
    assert jeat.load("run").spec.shape == (1, 8, 12)
    accuracy = ["measure", "run", "--metrics", "accuracy", "--out", "figures.json"]
    assert main(accuracy) == 0
    figures = json.loads(Path("figures.json").read_text())
    assert figures["data"] == whole
    assert main([*accuracy, *sized]) == 0
    again = json.loads(Path("figures.json").read_text())
    assert again["figures"] == figures["figures"]
    assert f"--data '{name}'" in again["command"]
    capsys.readouterr()
    assert main(["attack", "run", "-n", "4", "--steps", "1"]) == 0
    assert main(["attack", "run", "-n", "4", "--data", "big.npz"]) == 1
    assert capsys.readouterr().err.strip().endswith("bring them to it by --size 8x12")
    with pytest.raises(SystemExit, match="2"):
        main(["measure", "run", "--size", "8"])
    assert "--size goes with --data" in capsys.readouterr().err


def test_the_cache_tells_readings_apart(tmp_path):
    folder = tmp_path / "set"
    for i in range(24):
        place = folder / "ab"[i % 2] / f"{i}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo(8, 8, 4)).save(place)
    readings = [{"size": 8}, {"size": 5}, {"size": 8, "background": "white"}, {"size": 8}]
    a, b, c, d = (load_data(folder, **how).digest() for how in readings)
    assert len({a, b, c}) == 3
    assert a == d


# rectangles


NETS = ["convnet-4", "vgg-4", "wrn-10-1", "wrn-10-1-2", "resnet-10-4", "preact_resnet-10-4"]


@pytest.mark.parametrize("name", [*NETS, "wide_resnet-10-1"])
def test_nets_take_rectangles_and_are_kept_with_them(name, tmp_path):
    net = build(Spec(name, 3, (8, 12), ("a", "b"))).eval()
    x = torch.rand(2, 3, 8, 12)
    assert net(x).shape == (2, 2)
    save_net(net, None, file := tmp_path / "net.safetensors", about={})
    again = load_net(file)
    assert again.spec == net.spec
    torch.testing.assert_close(again(x), net(x))
    with pytest.raises(ValueError, match="3, 8, 12"):
        net(torch.rand(2, 3, 12, 8))


def test_a_square_is_one_number_however_it_is_given():
    assert Spec("convnet-4", 1, (8, 8), ("a", "b")) == Spec("convnet-4", 1, 8, ("a", "b"))
    assert Spec("convnet-4", 1, [8, 9], ("a", "b")).shape == (1, 8, 9)


def test_a_net_that_knows_squares_alone_refuses_others_by_name():
    with pytest.raises(ValueError, match=r"Passes' takes square images only, these are 8 x 12"):
        build(Spec("tests.toys.passes:Passes", 3, (8, 12), ("a", "b")))


def test_a_module_of_ones_own_takes_rectangles():
    own = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 12, 3))
    net = jeat.wrap(own, images=(3, 8, 12), classes=3)
    assert jeat.sample(net, torch.arange(3), steps=1).shape == (3, 3, 8, 12)


def test_a_turned_data_set_gives_turned_starts_and_neighbours():
    """What knows height and width treats them alike: turned images give turned results."""
    data = oblong(200)
    turned = Images(data.train.x.mT.contiguous(), data.train.y)
    starts = [
        ClassGaussian.fit(images.x, images.y, classes=3, grain=2) for images in (data.train, turned)
    ]
    means = starts[0].mean.view(3, 3, 4, 6)
    assert torch.allclose(means.mT.flatten(1), starts[1].mean)
    assert starts[0](torch.arange(3)).shape == (3, 3, 8, 12)
    x, y = data.test.floats(3)[0], data.train.floats(20)[0]
    for distance in ("l2", "ssim"):
        near, mirrored = (nearest(a, b, k=2, distance=distance) for a, b in ((x, y), (x.mT, y.mT)))
        assert torch.equal(near[1], mirrored[1])


def test_rectangles_are_cropped_within_their_padding():
    """Rows and columns that tell where they are: a crop is a window of the reflected image."""
    x = torch.arange(96.0).view(1, 1, 8, 12) / 96
    padded = torch.nn.functional.pad(x, (2, 2, 2, 2), mode="reflect")
    windows = padded.unfold(2, 8, 1).unfold(3, 12, 1).reshape(25, 8, 12)
    for crop in augment(x.expand(50, -1, -1, -1), pad=2, flip=False)[:, 0]:
        assert (windows == crop).flatten(1).all(1).any()


def test_a_grid_of_rectangles_has_each_in_its_place():
    x = torch.rand(4, 3, 8, 12)
    found = np.asarray(grid(x, columns=2, gap=2, least=1))
    assert found.shape == (2 * 10 + 2, 2 * 14 + 2, 3)
    for i, image in enumerate(x):
        top, left = 2 + i // 2 * 10, 2 + i % 2 * 14
        expected = (image * 255).round().byte().movedim(0, -1)
        assert np.array_equal(found[top : top + 8, left : left + 12], expected)


def test_a_start_on_rectangles_draws_around_the_mean_image_of_the_class():
    """Images that grow from left to right alone: so do their draws, within their 0.01 of noise."""
    ramp = (torch.arange(12) * 20).byte().expand(10, 3, 8, 12)
    start = ClassGaussian.fit(ramp, torch.zeros(10).long(), classes=1, grain=2)
    drawn = start(torch.zeros(500).long()).mean(0)
    pooled = torch.nn.functional.avg_pool2d(ramp[:1].float() / 255, 2)
    expected = torch.nn.functional.interpolate(pooled, size=(8, 12), mode="bilinear")[0]
    assert (drawn - expected).abs().max() < 0.01
