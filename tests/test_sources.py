"""Any data set is decoded once, exactly, and cached under a key that follows its files."""

import gzip
import io
import os
import re
import shutil
import zipfile
from types import SimpleNamespace

import datasets
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch
from huggingface_hub import HfApi
from huggingface_hub.errors import LocalEntryNotFoundError
from PIL import Image
from safetensors.torch import save_file

from jeat._support.hub import newest_commit
from jeat.data import Images, load_data
from jeat.data.decode import image_files

RNG = np.random.default_rng(0)
PIXELS = {
    "grey": RNG.integers(0, 256, (24, 6, 6), dtype=np.uint8),
    "colour": RNG.integers(0, 256, (24, 6, 6, 3), dtype=np.uint8),
}
NAMES = ("cat", "dog")


@pytest.fixture(autouse=True)
def _caches(tmp_path, monkeypatch):
    monkeypatch.setenv("JEAT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")


def expected(pixels, rows):
    """uint8 (N, C, H, W)."""
    x = torch.from_numpy(pixels[rows])
    return x[:, None] if x.ndim == 3 else x.permute(0, 3, 1, 2)


def as_set(images):
    """What an image set holds, whatever its order."""
    return sorted((y, x.tolist()) for x, y in zip(images.x, images.y.tolist(), strict=True))


def write_folder(folder, pixels, splits=("train/", "test/")):
    """PNGs in split/class/i.png: the first 16 images in the first split, labels in turn."""
    for i, image in enumerate(pixels):
        split = splits[0] if i < 16 else splits[-1]
        path = folder / f"{split}{NAMES[i % 2]}" / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


def write_parquet(folder, pixels):
    features = datasets.Features(
        {"img": datasets.Image(), "label": datasets.ClassLabel(names=list(NAMES))}
    )
    for split, rows in (("train", range(16)), ("test", range(16, 24))):
        columns = {
            "img": [Image.fromarray(pixels[i]) for i in rows],
            "label": [i % 2 for i in rows],
        }
        part = datasets.Dataset.from_dict(columns, features=features)
        path = folder / "data" / f"{split}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        part.to_parquet(path)
    return folder


def encoded(name, **how):
    """An image file's bytes."""
    file = io.BytesIO()
    Image.fromarray(PIXELS["colour"][0]).save(file, name, **how)
    return file.getvalue()


def zipped():
    """A compressed .npz file's bytes."""
    file = io.BytesIO()
    np.savez_compressed(file, images=PIXELS["colour"], labels=np.arange(24) % 2)
    return file.getvalue()


def damaged(data):
    return data[:100] + bytes(40) + data[140:]


def test_digits_are_stratified_1437_and_360_and_disjoint():
    data = load_data("digits")
    assert (len(data.train), len(data.test)) == (1437, 360)
    assert data.classes == tuple("0123456789")
    assert data.shape == (1, 8, 8)
    share = torch.bincount(data.train.y) / 1437 - torch.bincount(data.test.y) / 360
    assert share.abs().max() < 1 / 360
    train, test = ({bytes(x.numpy()) for x in part.x} for part in (data.train, data.test))
    assert not train & test


def test_digits_are_the_same_every_time_and_sixteenths_to_the_nearest_of_255():
    first, second = load_data("digits"), load_data("digits")
    assert torch.equal(first.train.x, second.train.x)
    sixteenths = (torch.arange(17) / 16 * 255).round().to(torch.uint8)
    assert set(first.train.x.unique().tolist()) == set(sixteenths.tolist())


@pytest.mark.parametrize("kind", PIXELS)
@pytest.mark.parametrize("write", [write_folder, write_parquet])
def test_a_data_set_on_disk_keeps_pixels_splits_and_class_names(tmp_path, kind, write):
    pixels = PIXELS[kind]
    data = load_data(write(tmp_path / "set", pixels))
    assert data.classes == NAMES
    for part, rows in ((data.train, range(16)), (data.test, range(16, 24))):
        known = Images(expected(pixels, list(rows)), torch.tensor(rows) % 2)
        assert as_set(part) == as_set(known)


def test_one_split_gives_every_tenth_image_of_a_class_to_the_test(tmp_path):
    data = load_data(write_folder(tmp_path / "set", PIXELS["grey"], splits=("",)))
    assert torch.bincount(data.test.y).tolist() == [1, 1]
    assert torch.bincount(data.train.y).tolist() == [11, 11]
    whole = Images(torch.cat([data.train.x, data.test.x]), torch.cat([data.train.y, data.test.y]))
    known = Images(expected(PIXELS["grey"], list(range(24))), torch.arange(24) % 2)
    assert as_set(whole) == as_set(known)


def test_validation_stands_in_for_a_missing_test_split(tmp_path):
    folder = write_folder(tmp_path / "set", PIXELS["grey"], splits=("train/", "validation/"))
    data = load_data(folder)
    assert (len(data.train), len(data.test)) == (16, 8)


@pytest.mark.parametrize("name", ["imagefolder", "./imagefolder"])
def test_a_folder_named_like_a_reader_of_datasets_is_that_folder(tmp_path, monkeypatch, name):
    folder = write_folder(tmp_path / "imagefolder", PIXELS["colour"])
    for split in ("train", "test"):  # what the reader would see, too
        (tmp_path / "other" / split).mkdir(parents=True)
        (folder / split / "dog").rename(folder / split / "emu")
        shutil.copytree(folder / split / "cat", tmp_path / "other" / split / "cow")
    monkeypatch.chdir(tmp_path)
    here, there = load_data(name), load_data(folder)
    assert here.classes == there.classes
    assert torch.equal(here.train.x, there.train.x)


def test_a_table_may_name_the_images_of_its_folder_by_another_way_to_them(tmp_path):
    """Through a link to the folder, or by a link in it."""
    folder = write_folder(tmp_path / "real", PIXELS["colour"])
    (folder / "train" / "cat" / "new.png").symlink_to(tmp_path / "elsewhere.png")
    (folder / "test" / "cat" / "16.png").rename(tmp_path / "elsewhere.png")
    (tmp_path / "link").symlink_to(folder)
    files = [str(file) for file in (tmp_path / "link").rglob("*.png")]
    rows = {"image": [{"bytes": None, "path": file} for file in files]}
    table = pyarrow.table(rows, datasets.Features({"image": datasets.Image()}).arrow_schema)
    split = datasets.Dataset(table)
    for name in ("real", "link"):
        found = image_files(split, "image", tmp_path / name)
        assert [file["path"] for file in found] == files
    with pytest.raises(ValueError, match="no image file of the data set"):
        list(image_files(split, "image", folder / "train"))


def test_a_table_of_the_hub_names_only_what_was_fetched(tmp_path, monkeypatch):
    folder = write_folder(tmp_path / "set", PIXELS["colour"])
    files = [str(file) for file in sorted(folder.rglob("*.png"))]
    labels = [int("cat" in file) for file in files]
    kinds = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])}
    rows = {"image": [{"bytes": None, "path": file} for file in files], "label": labels}
    table = pyarrow.table(rows, datasets.Features(kinds).arrow_schema)
    found = datasets.DatasetDict({"train": datasets.Dataset(table)})
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: found)
    monkeypatch.setenv("JEAT_CACHE", str(tmp_path / "cache"))
    name = f"someone/toy@{'0' * 40}"
    with pytest.raises(ValueError, match="no image file of the data set"):
        load_data(name)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert len(load_data(name).train) + len(load_data(name).test) == len(files)


def test_the_second_load_decodes_nothing(tmp_path, monkeypatch):
    folder = write_folder(tmp_path / "set", PIXELS["colour"])
    first = load_data(folder)
    monkeypatch.setattr("jeat.data.sources.hugging_face.read", None)
    second = load_data(str(folder))
    assert second.classes == first.classes
    for a, b in ((first.train, second.train), (first.test, second.test)):
        assert torch.equal(a.x, b.x)
        assert torch.equal(a.y, b.y)


def flip_last_bit(file):
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize(
    "damage",
    [
        lambda f: f.write_bytes(f.read_bytes()[:-100]),
        lambda f: f.write_bytes(b""),
        lambda f: save_file({"train.x": torch.zeros(1)}, f),
        flip_last_bit,
    ],
    ids=["short", "empty", "foreign", "a bit"],
)
def test_a_damaged_cache_is_made_again(tmp_path, damage):
    folder = write_folder(tmp_path / "set", PIXELS["colour"])
    first = load_data(folder)
    (cached,) = (tmp_path / "cache").iterdir()
    whole = cached.read_bytes()
    damage(cached)
    assert torch.equal(load_data(folder).train.x, first.train.x)
    assert cached.read_bytes() == whole


def test_splits_of_other_names_are_refused(tmp_path):
    folder = write_parquet(tmp_path / "set", PIXELS["grey"])
    for old, new in (("train", "foo"), ("test", "bar")):
        (folder / "data" / f"{old}-00000-of-00001.parquet").rename(
            folder / "data" / f"{new}-00000-of-00001.parquet"
        )
    with pytest.raises(ValueError, match="no split named 'train', only: "):
        load_data(folder)


@pytest.mark.parametrize("change", ["pixel", "new file", "removed file", "other class"])
def test_changed_files_are_decoded_again(tmp_path, change):
    folder = write_folder(tmp_path / "set", PIXELS["grey"])
    before = load_data(folder)
    file = folder / "train" / "cat" / "00.png"
    if change == "pixel":  # as large a file, written later
        file.write_bytes(file.read_bytes())
        os.utime(file, ns=(1, 1))
        Image.fromarray(255 - PIXELS["grey"][0]).save(file)
    elif change == "new file":
        Image.fromarray(PIXELS["grey"][0]).save(file.with_name("99.png"))
    elif change == "removed file":
        file.unlink()
    else:
        file.rename(folder / "train" / "dog" / "00.png")
    assert as_set(load_data(folder).train) != as_set(before.train)


def in_a_folder(place, pixels):
    folder = write_folder(place, pixels)
    files = [folder / "train" / kind for kind in ("cat/00.png", "dog/01.png")]
    return folder, files


def in_a_table(place, pixels):
    folder, files = in_a_folder(place, pixels)
    rows = [f"{f.relative_to(folder)},{f.parent.name},{f.parts[-3]}" for f in folder.rglob("*.png")]
    (place / "set.csv").write_text("\n".join(["path,label,split", *rows]))
    return place / "set.csv", files


def in_files(write):
    """Two sources of one size, of which the first is read."""

    def written(place, pixels):
        files = [place / name for name in ("a", "b")]
        return write(files[0], pixels), [write(files[0], pixels), write(files[1], 255 - pixels)]

    return written


def archived(file, pixels):
    file.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(file.with_suffix(".zip"), "w") as archive:
        for i, x in enumerate(pixels):
            archive.writestr(f"{('train', 'test')[i // 16]}/{NAMES[i % 2]}/{i}.bmp", as_bmp(x))
    return file.with_suffix(".zip")


def tabled(file, pixels):
    """A parquet file of images as bytes, not packed."""
    file.parent.mkdir(exist_ok=True)
    images = [{"bytes": as_bmp(x), "path": None} for x in pixels]
    rows = {"image": images, "label": [i % 2 for i in range(len(pixels))]}
    pyarrow.parquet.write_table(
        pyarrow.table(rows), file.with_suffix(".parquet"), compression="none", use_dictionary=False
    )
    return file.with_suffix(".parquet")


def as_bmp(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "bmp")
    return file.getvalue()


@pytest.mark.parametrize(
    "write",
    [in_a_folder, in_a_table, in_files(archived), in_files(tabled)],
    ids=["folder", "table", "archive", "parquet"],
)
def test_files_of_one_size_and_time_that_change_places_are_decoded_again(tmp_path, write):
    source, (a, b) = write(tmp_path / "set", PIXELS["grey"])
    size = max(a.stat().st_size, b.stat().st_size)
    for file in (a, b):
        if file.suffix == ".png":  # what follows a PNG is not looked at
            file.write_bytes(file.read_bytes().ljust(size, b"\0"))
        os.utime(file, (10**9, 10**9))
    assert a.stat().st_size == b.stat().st_size
    before = load_data(source)
    a.rename(tmp_path / "aside")
    b.rename(a)
    (tmp_path / "aside").rename(b)
    assert as_set(load_data(source).train) != as_set(before.train)


def test_one_colour_image_makes_a_data_set_colour(tmp_path):
    folder = write_folder(tmp_path / "set", PIXELS["colour"])
    for file in folder.rglob("*.png"):
        if file.name != "01.png":
            Image.open(file).convert("L").save(file)
    data = load_data(folder)
    assert data.shape == (3, 6, 6)
    colour = (data.train.x != data.train.x[:, :1]).flatten(1).any(1)
    assert int(colour.sum()) == 1


def test_formats_may_be_mixed(tmp_path):
    folder = write_folder(tmp_path / "set", PIXELS["colour"])
    for i, file in enumerate(sorted(folder.rglob("*.png"))):
        if i % 3:
            Image.open(file).save(file.with_suffix(".bmp" if i % 3 == 1 else ".tiff"))
            file.unlink()
    known = Images(expected(PIXELS["colour"], list(range(16))), torch.arange(16) % 2)
    assert as_set(load_data(folder).train) == as_set(known)


def test_an_image_that_its_camera_turned_is_turned_back(tmp_path):
    folder = write_folder(tmp_path / "set", PIXELS["grey"])
    turned = Image.Exif()
    turned[0x0112] = 3  # by 180 degrees
    for file in folder.rglob("*.png"):
        Image.open(file).save(file, exif=turned)
    known = Images(expected(PIXELS["grey"], list(range(16))).flip(2, 3), torch.arange(16) % 2)
    assert as_set(load_data(folder).train) == as_set(known)


def test_transparent_and_palette_images_are_read_as_colour(tmp_path):
    folder = write_folder(tmp_path / "set", PIXELS["colour"])
    for i, file in enumerate(sorted(folder.rglob("*.png"))):
        Image.open(file).convert("RGBA" if i % 2 else "P").save(file)
    assert load_data(folder).shape == (3, 6, 6)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: f.write_bytes(f.read_bytes()[:60]), "decoded|read"),
        (lambda f: f.write_bytes(b"not an image"), "decoded|read"),
        (lambda f: f.write_bytes(b""), "decoded|read"),
        (lambda f: Image.new("L", (7, 7)).save(f), "differ in size"),
    ],
)
def test_an_image_that_cannot_be_used_is_one_clear_line(tmp_path, damage, said):
    folder = write_folder(tmp_path / "set", PIXELS["grey"])
    damage(folder / "train" / "dog" / "03.png")
    with pytest.raises(ValueError, match=said) as error:
        load_data(folder)
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "cache").glob("*"))


@pytest.mark.parametrize(
    "write",
    [
        lambda folder: folder,
        lambda folder: (folder / "notes.txt").write_text("nothing here"),
        lambda folder: (folder / "numbers.csv").write_text("a,b\n1,2\n"),
        lambda folder: (folder / "broken.parquet").write_bytes(b"PAR1"),
        lambda folder: [(folder / f"{i}.png").write_bytes(encoded("PNG")) for i in range(3)],
    ],
    ids=["empty", "text", "numbers", "broken parquet", "no classes"],
)
def test_a_folder_without_labelled_images_is_refused(tmp_path, write):
    folder = tmp_path / "set"
    folder.mkdir()
    write(folder)
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        load_data(folder)
    assert "\n" not in str(error.value)
    assert "set" in str(error.value)


@pytest.mark.parametrize("place", ["./nowhere", "/no/where/at/all", "~/nowhere-at-all", "a/b/c"])
def test_a_path_to_nothing_is_refused_without_asking_the_hub(place, monkeypatch):
    monkeypatch.setattr(datasets, "load_dataset", None)
    with pytest.raises(FileNotFoundError, match="no data at"):
        load_data(place)


@pytest.mark.parametrize(
    "error", [ConnectionError("no route"), datasets.exceptions.DatasetNotFoundError("what?")]
)
def test_a_hub_that_does_not_have_it_or_cannot_be_reached_is_said(error, monkeypatch):
    def load(name, revision):
        asked.append((name, revision))
        raise error

    asked = []
    monkeypatch.setattr(datasets, "load_dataset", load)
    with pytest.raises(FileNotFoundError, match="hub"):
        load_data(f"nobody/nothing@{'0a' * 20}")
    assert asked == [("nobody/nothing", "0a" * 20)]


def test_the_commit_of_a_hub_data_set_is_known_or_asked_for_once(monkeypatch):
    asked, read = [], []

    def info(self, name, **how):
        asked.append(name)
        return SimpleNamespace(sha="0b" * 20)

    monkeypatch.delenv("JEAT_DATA", raising=False)
    monkeypatch.setattr(HfApi, "dataset_info", info)
    monkeypatch.setattr(datasets, "load_dataset", lambda *name, **how: read.append((*name, how)))
    newest_commit.cache_clear()
    known = "0b2714987fa478483af9968de7c934580d0bb9a2"
    for source, name, how in (
        ("nobody/nothing", "nobody/nothing", {"revision": "0b" * 20}),
        ("nobody/nothing:small", "nobody/nothing", {"revision": "0b" * 20, "name": "small"}),
        (f"a/b:c@{known}", "a/b", {"revision": known, "name": "c"}),
        ("uoft-cs/cifar10", "uoft-cs/cifar10", {"revision": known}),
        ("cifar10", "uoft-cs/cifar10", {"revision": known}),
    ):
        with pytest.raises(AttributeError):  # None has no splits
            load_data(source)
        assert read.pop() == (name, how)
    assert asked == ["nobody/nothing"]


@pytest.mark.parametrize(
    ("name", "owner", "config"),
    [
        ("mnist", "ylecun/mnist", None),
        ("fashion-mnist", "zalando-datasets/fashion_mnist", None),
        ("cifar10", "uoft-cs/cifar10", None),
        ("cifar100", "uoft-cs/cifar100", None),
        ("svhn", "ufldl-stanford/svhn", "cropped_digits"),
    ],
)
def test_a_short_name_is_a_data_set_of_the_hub_at_a_commit_that_is_known(
    tmp_path, monkeypatch, name, owner, config
):
    read = []
    monkeypatch.delenv("JEAT_DATA", raising=False)
    with monkeypatch.context() as m:
        m.setattr(datasets, "load_dataset", lambda *name, **how: read.append((*name, how)))
        with pytest.raises(AttributeError):
            load_data(name)
    ((asked, how),) = read
    assert (asked, how.get("name")) == (owner, config)
    assert re.fullmatch("[0-9a-f]{40}", how["revision"])
    monkeypatch.setenv("JEAT_DATA", str(tmp_path))
    write_folder(tmp_path / name, PIXELS["grey"])
    assert load_data(name).digest() == load_data(tmp_path / name).digest()


@pytest.mark.parametrize("error", [ConnectionError("no route"), LocalEntryNotFoundError("offline")])
def test_that_a_hub_cannot_be_asked_for_a_commit_is_said(monkeypatch, error):
    def info(self, name, **how):
        raise error

    monkeypatch.setattr(HfApi, "dataset_info", info)
    newest_commit.cache_clear()
    with pytest.raises(FileNotFoundError, match="no folder 'no/body', and the hub cannot be") as e:
        load_data("no/body")
    assert "no/body@COMMIT" in str(e.value)


@pytest.mark.parametrize("kind", PIXELS)
def test_an_npz_of_images_and_labels_loads(tmp_path, kind):
    pixels = PIXELS[kind]
    np.savez(tmp_path / "set.npz", images=pixels, labels=np.arange(24) % 2)
    data = load_data(tmp_path / "set.npz")
    assert data.classes == ("0", "1")
    test = [18, 19]  # the tenth of each class
    train = [i for i in range(24) if i not in test]
    assert torch.equal(data.train.x, expected(pixels, train))
    assert torch.equal(data.test.x, expected(pixels, test))
    assert data.test.y.tolist() == [0, 1]


@pytest.mark.parametrize(
    "write",
    [
        lambda f: np.savez(f, images=PIXELS["grey"]),
        lambda f: np.savez(f, images=PIXELS["grey"], labels=np.array([{}] * 24)),
        lambda f: np.savez(f, images=PIXELS["grey"] / 100, labels=np.arange(24)),
        lambda f: np.savez(f, images=PIXELS["grey"], labels=np.arange(23)),
        lambda f: np.savez(f, images=PIXELS["grey"], labels=np.arange(24)),
        lambda f: f.write_bytes(b"not a zip"),
        lambda f: f.write_bytes(zipped()[: len(zipped()) // 2]),
        lambda f: f.write_bytes(b""),
        lambda f: np.save(f.open("wb"), PIXELS["grey"]),
        lambda f: f.write_bytes(damaged(zipped())),
    ],
    ids=[
        "no labels", "pickled", "range", "count", "one image a class", "text", "truncated",
        "empty", "a bare array", "damaged",
    ],
)  # fmt: skip
def test_an_npz_that_does_not_hold_labelled_images_is_refused(tmp_path, write):
    write(tmp_path / "set.npz")
    with pytest.raises(ValueError, match=r"\.npz|labels|lie in|hold out") as error:
        load_data(tmp_path / "set.npz")
    assert "\n" not in str(error.value)


def test_an_npz_may_have_a_test_split_of_its_own(tmp_path):
    x, y = PIXELS["grey"], np.arange(24) % 2
    arrays = {"images": x[:16], "labels": y[:16], "test_images": x[16:], "test_labels": y[16:]}
    np.savez(tmp_path / "set.npz", **arrays)
    data = load_data(tmp_path / "set.npz")
    assert data.classes == ("0", "1")
    for part, rows in ((data.train, slice(16)), (data.test, slice(16, 24))):
        assert torch.equal(part.x, expected(x, rows))
        assert torch.equal(part.y, torch.from_numpy(y[rows]))
    np.savez(tmp_path / "more.npz", **arrays, mean=x.mean(0))
    with pytest.warns(UserWarning, match="arrays are left out: mean"):
        load_data(tmp_path / "more.npz")
    with pytest.raises(ValueError, match="both or none of test_images and test_labels"):
        load_data(saved(tmp_path, {k: v for k, v in arrays.items() if k != "test_labels"}))
    with pytest.raises(ValueError, match=r"^test_images and test_labels of .*npz: labels must"):
        load_data(saved(tmp_path, arrays | {"test_labels": y[16:] + 7}))


def saved(folder, arrays):
    np.savez(folder / "saved.npz", **arrays)
    return folder / "saved.npz"


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda f: f.write_bytes(bytes(range(99))), "of an unknown kind and no data set: give di"),
        (lambda f: f.write_bytes(gzip.compress(b"")), "is a gzip archive and no data set: unpack"),
        (lambda f: torch.save({}, f), "is a pickle of torch.save and no data set: give digits"),
        (
            lambda f: f.write_bytes(encoded("PNG")),
            "is an image (PNG) and no data set: give the",
        ),
        (lambda f: np.save(f.open("wb"), np.ones(3)), "numpy (.npy) and no data set: give digits"),
        (lambda f: f.write_bytes(b""), "is an empty file and no data set: give digits"),
    ],
    ids=["unknown", "gzip", "pt", "png", "npy", "empty"],
)
def test_a_file_that_is_no_data_set_is_named_by_what_it_is(tmp_path, write, said):
    write(tmp_path / "set")
    with pytest.raises(ValueError, match=re.escape(said)):
        load_data(tmp_path / "set")


def test_a_missing_npz_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no data file"):
        load_data(tmp_path / "set.npz")


def test_a_folder_in_jeat_data_stands_for_a_data_set_of_the_hub(tmp_path, monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    for i, image in enumerate(pixels):
        folder = tmp_path / "mirror/toy" / "ab"[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{i:02d}.png")
    monkeypatch.setenv("JEAT_DATA", str(tmp_path / "mirror"))
    found = load_data("someone/toy")
    assert torch.equal(found.train.x, load_data(tmp_path / "mirror/toy").train.x)
    with pytest.raises(FileNotFoundError, match="no data at"):
        load_data("./someone/toy")


@pytest.mark.skipif("JEAT_DATA" not in os.environ, reason="JEAT_DATA names no folder of cifar10")
def test_cifar_10_has_its_sizes_its_classes_and_its_mean():
    """The channel means of the training images are published: 0.4914, 0.4822, 0.4465."""
    data = load_data(os.path.join(os.environ["JEAT_DATA"], "cifar10"))  # noqa: PTH118
    assert data.shape == (3, 32, 32)
    assert torch.bincount(data.train.y).tolist() == [5000] * 10
    assert torch.bincount(data.test.y).tolist() == [1000] * 10
    assert data.classes[:3] == ("airplane", "automobile", "bird")
    mean = data.train.x.double().mean((0, 2, 3)) / 255
    known = torch.tensor([0.4914, 0.4822, 0.4465]).double()
    torch.testing.assert_close(mean, known, rtol=0, atol=5e-5)
