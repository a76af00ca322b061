"""Each layout of labelled images is read as what it holds, or refused in one line."""

import csv
import gzip
import io
import json
import os
import pickle
import struct
import tarfile
import time
import warnings
import zipfile
from dataclasses import replace
from types import SimpleNamespace

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from huggingface_hub import HfApi
from PIL import Image

from jeat._support.checks import SettingError
from jeat._support.hub import newest_commit
from jeat.data import fixed, load_data, settled
from jeat.data.sources import _archive, archives, reader_of
from jeat.jobs.inputs import data_of, subject_of
from jeat.nets import load
from jeat.runs.fit import fit
from jeat.suites import rehearsal
from jeat.suites.cards import _head
from jeat.training.plan import Optimisation, Plan

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
Y = np.arange(40) % 2
TRAIN, TEST = slice(28), slice(28, 40)
NAMES = ["cat", "dog"]


@pytest.fixture(autouse=True)
def _caches(tmp_path, monkeypatch):
    monkeypatch.setenv("JEAT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")


def planes(x):
    """uint8 (N, C, H, W)."""
    x = torch.from_numpy(x)
    return x[:, None] if x.ndim == 3 else x.permute(0, 3, 1, 2)


def holds(data, x=X, y=Y, classes=NAMES, train=TRAIN, test=TEST):
    """Whether a data set is these images, in this order."""
    for part, rows in ((data.train, train), (data.test, test)):
        assert torch.equal(part.x, planes(x[rows]))
        assert part.y.tolist() == y[rows].tolist()
    assert data.classes == tuple(classes)
    return True


def refused(source, *said, **how):
    """What is said of a source that is refused, in one line that holds these words."""
    with pytest.raises((ValueError, OSError)) as error:
        load_data(source, **how)
    text = str(error.value)
    assert "\n" not in text
    for word in said:
        assert word in text
    return text


def images(folder, splits=("train", "test")):
    """PNGs in SPLIT/CLASS/i.png, whose order by name is that of X within a class."""
    for i, image in enumerate(X):
        place = folder / splits[0 if i < 28 else -1] / NAMES[Y[i]] / f"{i:02}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place)
    return folder


# Archives


def packed(folder, file, top=""):
    """A folder as an archive of the kind that the name says."""
    files = sorted(f for f in folder.rglob("*") if f.is_file())
    if file.suffix == ".zip":
        with zipfile.ZipFile(file, "w") as archive:
            for f in files:
                archive.write(f, top + f.relative_to(folder).as_posix())
    else:
        with tarfile.open(file, f"w:{file.suffix[1:].replace('tar', '')}") as archive:
            for f in reversed(files):
                archive.add(f, top + f.relative_to(folder).as_posix())
    return file


def test_a_zip_whose_names_are_those_of_windows_is_the_folder_in_it(tmp_path):
    folder = images(tmp_path / "photos")
    files = [f for f in sorted(folder.rglob("*")) if f.is_file()]
    names = ["photos\\" + str(f.relative_to(folder)).replace("/", "\\") for f in files]
    members = [(name, f.read_bytes()) for name, f in zip(names, files, strict=True)]
    archive = zip_of(tmp_path / "a.zip", ("photos\\train\\", b""), *members)
    assert load_data(archive).digest() == load_data(folder).digest()


ARCHIVES = ["a.zip", "a.tar", "a.tar.gz", "a.tar.bz2", "a.tar.xz"]


@pytest.mark.parametrize(
    ("name", "top"), [*zip(ARCHIVES, ["photos/", "", "", "", "a/b/"], strict=True)]
)
def test_an_archive_is_the_folder_in_it(tmp_path, name, top):
    folder = images(tmp_path / "photos")
    data, found = load_data(folder), load_data(packed(folder, tmp_path / name, top))
    assert found.digest() == data.digest()
    assert len(found.train) == 28


def test_an_archive_is_unpacked_once_and_again_when_it_changes(tmp_path, monkeypatch):
    folder = images(tmp_path / "photos")
    file = packed(folder, tmp_path / "a.zip")
    first, unpacked = load_data(file), archives.members
    monkeypatch.setattr(archives, "members", None)
    assert load_data(file).digest() == first.digest()
    monkeypatch.setattr(archives, "members", unpacked)
    (folder / "train/cat/00.png").unlink()
    assert len(load_data(packed(folder, file)).train) == 27


def test_an_archive_keeps_the_laws_of_folders_and_is_named(tmp_path):
    folder = images(tmp_path / "photos", ("train", "validation"))
    (folder / "train/cat/notes.txt").write_text("x")
    file = packed(folder, tmp_path / "a.zip")
    for _ in range(2):  # from the cache, too
        with warnings.catch_warnings(record=True, action="always") as said:
            load_data(file)
        texts = [str(w.message) for w in said]
        assert any(f"{file}: 1 file is left out" in text for text in texts)
        assert any("'validation' is tested on" in text for text in texts)
        assert not any("jeat-" in text for text in texts)
    flat = tmp_path / "flat"
    flat.mkdir()
    Image.fromarray(X[0]).save(flat / "x.png")
    said = refused(packed(flat, tmp_path / "flat.tar"), f"no class folders in {tmp_path}/flat.tar")
    assert "jeat-" not in said


def test_what_lies_beside_images_is_left_out_for_good(tmp_path):
    folder = images(tmp_path / "photos")
    expected = load_data(folder).digest()
    packed(folder / "train/cat", folder / "train/cat/more.zip", "a/b/")
    (folder / "train/dog/junk.zip").write_text("x")
    (folder / "test/dog/x.tar").write_text("x")
    with pytest.warns(UserWarning, match="3 files are left out"):
        assert load_data(folder).digest() == expected


def test_an_archive_may_hold_tables_or_idx_files(tmp_path):
    (tmp_path / "tables").mkdir()
    for split, rows in (("train", TRAIN), ("test", TEST)):
        parquet(tmp_path / f"tables/{split}-00000-of-00001.parquet", rows)
    assert holds(load_data(packed(tmp_path / "tables", tmp_path / "a.zip")))
    idx_folder(tmp_path / "raw", 28)
    assert holds(load_data(packed(tmp_path / "raw", tmp_path / "b.tar")), X[..., 0], classes="01")


def zip_of(file, *members):
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file


def tar_of(file, *members):
    with tarfile.open(file, "w") as archive:
        for info, content in members:
            info = tarfile.TarInfo(info) if isinstance(info, str) else info
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file


def linked(kind, name="train/cat/x.png"):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd"
    return info


def zip_link(name):
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o120777 << 16
    return info


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda p: zip_of(p / "a.zip", ("../x.png", b"1")), "'../x.png', which leads out of"),
        (lambda p: zip_of(p / "a.zip", ("a/../../x.png", b"1")), "which leads out of its folder"),
        (lambda p: zip_of(p / "a.zip", ("/tmp/x.png", b"1")), "'/tmp/x.png', which leads out"),
        (lambda p: zip_of(p / "a.zip", ("a\\..\\x.png", b"1")), "which leads out of its folder"),
        (lambda p: zip_of(p / "a.zip", ("C:x.png", b"1")), "which leads out of its folder"),
        (lambda p: zip_of(p / "a.zip", (zip_link("x.png"), b"/etc")), "'x.png', a link or device"),
        (lambda p: zip_of(p / "a.zip", ("a/x", b""), ("a/x", b"")), "'a/x' twice"),
        (lambda p: zip_of(p / "a.zip", ("a", b""), ("a/x", b"")), "'a/x' twice"),
        (lambda p: zip_of(p / "a.zip", ("C:\\x.png", b"1")), "which leads out of its folder"),
        (lambda p: zip_of(p / "a.zip", ("\\x.png", b"1")), "which leads out of its folder"),
        (lambda p: tar_of(p / "a.tar", ("a\\x.png", b"1")), "may or may not be folders: unpack it"),
        (lambda p: tar_of(p / "a.tar", ("../x.png", b"1")), "'../x.png', which leads out of"),
        (lambda p: tar_of(p / "a.tar", ("/x.png", b"1")), "'/x.png', which leads out of"),
        (lambda p: tar_of(p / "a.tar", (linked(tarfile.SYMTYPE), b"")), "a link or device"),
        (lambda p: tar_of(p / "a.tar", (linked(tarfile.LNKTYPE), b"")), "a link or device"),
        (lambda p: tar_of(p / "a.tar", (linked(tarfile.FIFOTYPE), b"")), "a link or device"),
        (lambda p: tar_of(p / "a.tar", (linked(tarfile.DIRTYPE, "../x"), b"")), "leads out"),
        (lambda p: tar_of(p / "a.tar"), "a.tar"),
        (lambda p: zip_of(p / "a.zip", ("notes.txt", b"1")), "a.zip"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_that_leads_elsewhere_writes_nothing(tmp_path, monkeypatch, make, said):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    file = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert "jeat-" not in refused(file, said)
    left = [f for f in tmp_path.rglob("*") if not {"cache", "hf"} & {*f.parts}]
    assert sorted(left) == before


def test_an_archive_that_is_far_larger_than_its_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(_archive, "_MOST_BYTES", 100_000)
    folder = images(tmp_path / "photos")
    file = zip_of(tmp_path / "a.zip", ("train/cat/x.png", bytes(1_000_000)))
    assert "unpacks to more than 1" in refused(file, "unpack it yourself")
    with tarfile.open(tmp_path / "a.tar.xz", "w:xz") as archive:
        for f in sorted(folder.rglob("*.png")):
            archive.add(f, f.relative_to(folder).as_posix())
        info = tarfile.TarInfo("train/cat/x.png")
        info.size = 10**7
        archive.addfile(info, io.BytesIO(bytes(10**7)))
    refused(tmp_path / "a.tar.xz", "unpacks to more than", "unpack it yourself")
    np.savez_compressed(tmp_path / "a.npz", images=np.zeros((40, 99, 99)), labels=Y)
    refused(tmp_path / "a.npz", "unpacks to more than")
    monkeypatch.setattr(_archive, "_MOST_FILES", 30)
    refused(packed(folder, tmp_path / "b.zip"), "holds more than 30 files")


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_damaged_archive_is_one_line(tmp_path, name):
    file = packed(images(tmp_path / "photos"), tmp_path / name)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) * 2 // 3])
    refused(file, str(file))
    middle = len(whole) // 2
    file.write_bytes(
        whole[:middle]
        + bytes(b ^ 255 for b in whole[middle : middle + 200])
        + whole[middle + 200 :]
    )
    refused(file, "cannot be", "")


def test_an_archive_that_finds_no_room_says_where(tmp_path, monkeypatch):
    from types import SimpleNamespace

    file = packed(images(tmp_path / "photos"), tmp_path / "a.zip")
    monkeypatch.setattr("shutil.disk_usage", lambda place: SimpleNamespace(free=10))
    refused(file, "no room to unpack", "TMPDIR")


# Tables of paths


def table(folder, header=("path", "label", "split"), between=",", rows=None, images=True):
    """A table in text beside its images."""
    folder.mkdir(parents=True, exist_ok=True)
    if images:
        for i, image in enumerate(X):
            Image.fromarray(image).save(folder / f"{i:02}.png")
    if rows is None:
        cells = [(f"{i:02}.png", NAMES[y], "train" if i < 28 else "test") for i, y in enumerate(Y)]
        rows = [row[: len(header)] for row in cells]
    file = folder / "paths.csv"
    with file.open("w", newline="") as text:
        csv.writer(text, delimiter=between).writerows([header, *rows] if header else rows)
    return file


@pytest.mark.parametrize(
    ("header", "between"),
    [
        (("path", "label", "split"), ","),
        (("Filename", "class", "Split"), ";"),
        (("img", "kind", "subset"), "\t"),
    ],
)
def test_a_table_of_paths_and_labels(tmp_path, header, between):
    assert holds(load_data(table(tmp_path / "set", header, between)))


def test_a_table_may_have_whole_paths(tmp_path):
    file = table(tmp_path / "set")
    rows = file.read_text().splitlines()
    file.write_text("\n".join([rows[0], *(f"{file.parent}/{row}" for row in rows[1:])]))
    assert holds(load_data(file))


def test_a_table_without_splits_holds_a_part_out(tmp_path):
    data = load_data(table(tmp_path / "set", ("path", "label")))
    assert (len(data.train), len(data.test), data.classes) == (36, 4, tuple(NAMES))


def test_a_table_may_have_numbers_images_below_and_columns_of_other_names(tmp_path):
    (tmp_path / "set/deep").mkdir(parents=True)
    rows = []
    for i, image in enumerate(X):
        Image.fromarray(image).save(tmp_path / f"set/deep/{i}.png")
        rows.append((str(100 + i), f"deep/{i}.png", (2, 10)[Y[i]], ("training", "TEST")[i >= 28]))
    file = table(tmp_path / "set", ("id", "where", "kind", "split"), rows=rows, images=False)
    assert holds(load_data(file, label="kind"), classes=("2", "10"))
    windows = [(k, where.replace("/", "\\"), *more) for k, where, *more in rows]
    table(tmp_path / "set", ("id", "where", "kind", "split"), rows=windows, images=False)
    assert holds(load_data(file, label="kind"), classes=("2", "10"))
    refused(file, "column of labels", "id (text), kind (text)", "label=COLUMN")
    refused(file, "every row has a label of its own", label="id")
    with pytest.raises(SettingError, match="no column 'colour' of labels, it has: id"):
        load_data(file, label="colour")


def test_of_several_columns_of_labels_the_usual_one_is_taken_and_it_is_said(tmp_path):
    rows = [(f"{i:02}.png", "x", NAMES[y]) for i, y in enumerate(Y)]
    file = table(tmp_path / "set", ("path", "source", "label"), rows=rows)
    with pytest.warns(UserWarning, match="labels are of column 'label', not of 'source'"):
        assert load_data(file).classes == tuple(NAMES)


def test_an_image_that_a_table_names_and_that_changes_is_decoded_again(tmp_path):
    file = table(tmp_path / "set")
    load_data(file)
    Image.fromarray(X[5]).save(tmp_path / "set/00.png")
    os.utime(tmp_path / "set/00.png", ns=(1, 1))
    assert torch.equal(load_data(file).train.x[0], planes(X)[5])


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda f: f.write_text(""), "nothing in it: its first line names its columns"),
        (lambda f: f.write_text("path,label\n"), "no rows"),
        (lambda f: f.write_text("00.png,cat\n01.png,dog\n"), "has no header"),
        (lambda f: f.write_text("a,b\n1,2\n"), "the columns a, b: name the one of paths 'path'"),
        (lambda f: f.write_text("path,file,label\n1,2,3\n"), "columns of paths path, file"),
        (lambda f: f.write_text("path,path,label\n1,2,3\n"), "names a column twice"),
        (lambda f: f.write_text("path,label\n00.png,cat\n01.png\n"), "line 3 of {} has 1 cells"),
        (lambda f: f.write_text("path,label\n00.png,cat\n01.png,\n"), "line 3 of {} has no label"),
        (lambda f: f.write_text("path,label\n99.png,cat\n"), "'99.png' in line 2 of {} is no file"),
        (lambda f: f.write_text("path,label\n,cat\n"), "'' in line 2 of {} is no file"),
        (
            lambda f: f.write_text("path,label\n00.png,a\n./00.png,b\n"),
            "in line 3 of {} is the file of line 2",
        ),
        (
            lambda f: f.write_text("path,label\n00.png,a\n0\0.png,b\n"),
            "line 3 of {} holds a NUL byte",
        ),
        (lambda f: f.write_text("pa\0th,label\n00.png,a\n"), "line 1 of {} holds a NUL byte"),
        (lambda f: f.write_text("path,label\n../out.png,a\n"), "does not lie beneath"),
        (lambda f: f.write_text("path,label\nlink.png,a\n"), "does not lie beneath"),
        (lambda f: f.write_text("path,label\nlinked/out.png,a\n"), "does not lie beneath"),
        (lambda f: f.write_text(f"path,label\n{f.parents[1]}/out.png,a\n"), "does not lie beneath"),
        (lambda f: f.write_text("path,label,split\n00.png,a,holdout\n"), "the split 'holdout'"),
        (lambda f: f.write_text("path,label\n00.png,a\npaths.csv,b\n"), "cannot be decoded"),
        (lambda f: f.write_text("path,label\n00.png,a\n" + "x" * 300 + ",b\n"), "is no file"),
        (lambda f: f.write_bytes(b"path,label\n\xff\xfe,a\n"), "no table in UTF-8"),
        (lambda f: f.write_text('path,label\n"00.png,a\n'), "no table in UTF-8"),
        (lambda f: f.write_text("path,label\n00.png,a\n01.png,a\n"), "too few|one class"),
    ],
)
def test_a_table_that_is_no_list_of_labelled_images_is_refused(tmp_path, write, said):
    Image.fromarray(X[0]).save(tmp_path / "out.png")
    file = table(tmp_path / "set")
    (file.parent / "link.png").symlink_to(tmp_path / "out.png")
    (file.parent / "linked").symlink_to(tmp_path)
    write(file)
    text = refused(file)
    assert any(word.replace("{}", str(file)) in text for word in said.split("|"))


# Arrays


def saved(folder, **arrays):
    np.savez(folder / "a.npz", **arrays)
    return folder / "a.npz"


OURS = ("images", "labels", "test_images", "test_labels")
KERAS = ("x_train", "y_train", "x_test", "y_test")
MED = ("train_images", "train_labels", "test_images", "test_labels")


@pytest.mark.parametrize("names", [OURS, KERAS, MED, ("X_train", "Y_train", "X_test", "Y_test")])
@pytest.mark.parametrize("column", [False, True])
def test_an_npz_of_any_layout(tmp_path, names, column):
    y = Y[:, None] if column else Y
    arrays = dict(zip(names, (X[TRAIN], y[TRAIN], X[TEST], y[TEST]), strict=True))
    assert holds(load_data(saved(tmp_path, **arrays)), classes="01")
    assert holds(load_data(saved(tmp_path, **arrays, classes=NAMES)))


def test_an_npz_of_x_and_y_holds_a_part_out(tmp_path):
    data = load_data(saved(tmp_path, x=X, y=Y))
    assert (len(data.train), len(data.test)) == (36, 4)
    texts = load_data(saved(tmp_path, x=X, y=np.array(NAMES)[Y]))
    assert texts.classes == tuple(NAMES)
    assert torch.equal(texts.train.y, data.train.y)


def test_validation_images_of_an_npz_are_held_out_or_stand_in_and_it_is_said(tmp_path):
    splits = {"train": slice(20), "val": slice(20, 28), "test": TEST}
    arrays = {f"{k}_images": X[rows] for k, rows in splits.items()}
    arrays |= {f"{k}_labels": Y[rows, None] for k, rows in splits.items()}
    with pytest.warns(UserWarning, match="'validation' is held out, neither trained nor tested on"):
        assert holds(load_data(saved(tmp_path, **arrays)), classes="01", train=slice(20))
    no_test = {k: v for k, v in arrays.items() if "test" not in k}
    with pytest.warns(UserWarning, match="no split 'test', so 'validation' is tested on"):
        data = load_data(saved(tmp_path, **no_test))
    assert torch.equal(data.test.x, planes(X[20:28]))
    with pytest.warns(UserWarning, match="there is no test split, so every tenth"):
        load_data(saved(tmp_path, x_train=X, y_train=Y))


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x_train": X, "y_test": Y}, "'images' and 'labels': it holds x_train, y_test; "),
        ({"x_train": X, "y_train": Y, "x_test": X}, "both or none of x_test and y_test"),
        ({"x": X, "y": Y[:-1]}, "x and y of"),
        (
            {"x": X, "y": np.stack([Y, Y], 1)},
            "labels are one number an image, got (40, 2): for one-hot ones Y give Y.argmax(1)",
        ),
        ({"x": X.astype(float), "y": Y}, "x and y of"),
        ({"x": X, "y": Y / 2}, "whole numbers"),
        ({"x": X, "y": np.array([{}] * 40)}, "allow_pickle"),
        ({"x": X, "y": Y, "classes": np.array([["a"], ["b"]])}, "classes of"),
        ({"x": X, "y": Y, "classes": ["only"]}, "labels must lie in 0..0"),
        (dict(zip(KERAS, (X, Y, X, 0 * Y - 1), strict=True)), "split 'test' of {} has no labels"),
        ({"x_train": X, "y_train": Y, "x_test": X, "y_test": Y + 1}, "x_test and y_test of {}"),
        ({}, "a.npz"),
    ],
)  # fmt: skip
def test_an_npz_of_no_layout_or_of_no_labelled_images_is_refused(tmp_path, arrays, said):
    file = saved(tmp_path, **arrays)
    refused(file, said.replace("{}", str(file)))


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (Y.astype(float), ["0", "1"]),
        (Y == 1, ["False", "True"]),
        (np.array([b"a", b"b"])[Y], ["a", "b"]),
    ],
)
def test_labels_of_an_npz_may_be_whole_floats_truth_or_bytes(tmp_path, labels, names):
    arrays = dict(zip(KERAS, (X[TRAIN], labels[TRAIN], X[TEST], labels[TEST]), strict=True))
    assert holds(load_data(saved(tmp_path, **arrays)), classes=names)


def test_minus_one_in_a_table_is_no_label(tmp_path):
    file = table(tmp_path / "set")
    rows = file.read_text()
    file.write_text(rows.replace("cat,train", "-1,train", 1))
    refused(file, "a label is missing in row", "-1 stands for none")
    lines = [f"{k.split(',')[0]},-1,test" if k.endswith("test") else k for k in rows.split()]
    file.write_text("\n".join(lines))
    refused(file, "split 'test'", "has no labels")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cifar10@main", "give cifar10, or its whole name uoft-cs/cifar10 with :CONFIG, @COMMIT"),
        ("mnist:foo", "nothing may follow the short name of mnist:foo"),
        ("CIFAR10", "no data at CIFAR10: the short name is cifar10"),
    ],
)
def test_a_short_name_with_more_to_it_is_told_what_may_follow(name, said):
    refused(name, said)


def test_an_array_that_claims_more_than_memory_is_refused(tmp_path):
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "|u1", "fortran_order": False, "shape": (10**9, 10**6)}
    )
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", head.getvalue())
        archive.writestr("y.npy", head.getvalue())
    refused(tmp_path / "a.npz", "a.npz")


# The idx files of MNIST


def idx(array, kind=8):
    """An idx file's bytes."""
    return (
        bytes([0, 0, kind, array.ndim])
        + struct.pack(f">{array.ndim}I", *array.shape)
        + array.tobytes()
    )


def idx_folder(folder, train, prefix="", suffix="", dots="-"):
    folder.mkdir(parents=True, exist_ok=True)
    pack = gzip.compress if suffix == ".gz" else bytes
    for split, rows in (("train", slice(train)), ("t10k", slice(train, 40))):
        for what, array in (("images", X[rows, ..., 0]), ("labels", Y[rows].astype(np.uint8))):
            file = folder / f"{prefix}{split}-{what}{dots}idx{array.ndim}-ubyte{suffix}"
            file.write_bytes(pack(idx(array)))
    return folder


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("dots", ["-", "."])
def test_a_folder_of_idx_files_or_one_of_them(tmp_path, suffix, dots):
    folder = idx_folder(tmp_path / "MNIST/raw", 28, suffix=suffix, dots=dots)
    for source in (folder, folder.parent, *folder.iterdir()):
        assert holds(load_data(source), X[..., 0], classes="01")


def test_idx_files_that_are_there_packed_and_unpacked_are_read_once(tmp_path):
    folder = idx_folder(tmp_path / "raw", 28, suffix=".gz")
    assert holds(load_data(idx_folder(folder, 28)), X[..., 0], classes="01")


def test_of_the_idx_files_of_several_sets_one_is_named(tmp_path):
    idx_folder(tmp_path / "raw", 28, prefix="emnist-letters-")
    folder = idx_folder(tmp_path / "raw", 20, prefix="emnist-digits-")
    refused(
        folder, "several data sets ('emnist-digits-', 'emnist-letters-'): name one of the files"
    )
    file = folder / "emnist-letters-train-images-idx3-ubyte"
    assert holds(load_data(file), X[..., 0], classes="01")


def test_idx_files_without_a_test_split_hold_a_part_out_and_it_is_said(tmp_path):
    folder = idx_folder(tmp_path / "raw", 40)
    for file in folder.glob("t10k*"):
        file.unlink()
    with pytest.warns(UserWarning, match="there is no test split, so every tenth image of a class"):
        assert len(load_data(folder).test) == 4


def renamed(folder, name):
    """The files to test on under another name."""
    for file in folder.glob("t10k-*"):
        file.rename(folder / file.name.replace("t10k", name))
    return folder


@pytest.mark.parametrize("word", ["test", "Testing", "eval", "evaluation", "val", "valid", "dev"])
def test_idx_files_name_a_split_by_any_word_of_it(tmp_path, word):
    folder = renamed(idx_folder(tmp_path / "raw", 28), word)
    assert holds(load_data(folder), X[..., 0], classes="01")


def test_idx_files_named_otherwise_are_left_out_and_it_is_said(tmp_path):
    folder = renamed(idx_folder(tmp_path / "raw", 28), "contest")
    with pytest.warns(UserWarning, match="2 files are left out, such as contest-images"):
        assert len(load_data(folder).test) < 12


def test_idx_files_of_two_words_for_one_split_are_refused(tmp_path):
    folder = renamed(idx_folder(tmp_path / "raw", 28), "test")
    idx_folder(folder, 28)
    refused(folder, "t10k-images-idx3-ubyte and test-images-idx3-ubyte of", "both of split 'test'")


LABELS, IMAGES = "train-labels-idx1-ubyte", "train-images-idx3-ubyte"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (LABELS, b"", "begins with nothing, as no idx file"),
        (LABELS, b"\x89PNG1234", "begins with 89 50 4e 47, as no idx file"),
        (LABELS, idx(Y.astype(np.uint8))[:20], "less than the [40] values it says"),
        (LABELS, idx(Y.astype(np.uint8))[:6], "cut short"),
        (LABELS, idx(Y[:28].astype(np.uint8)) + b"1", "more than the [28] values"),
        (LABELS, idx(Y[:27].astype(np.uint8)), "28 images, 27 labels"),
        (LABELS, idx((Y[:28] + 0.5).astype(">f8"), 14), "whole numbers"),
        (LABELS, gzip.compress(idx(Y.astype(np.uint8)), mtime=0)[:30], "cannot be read"),
        (
            LABELS,
            gzip.compress(bytes([0, 0, 8, 1]) + b"\xff" * 4, mtime=0),
            "less than the [4294967295]",
        ),
        (LABELS, None, "has no labels beside it"),
        (IMAGES, None, "has no images beside it"),
        (IMAGES, bytes([0, 0, 8, 3]) + b"\xff" * 12, "less than the"),
        (IMAGES, idx(X[:28, ..., 0].astype(">i2"), 11), "pixels must be"),
    ],
)
def test_a_damaged_idx_file_is_named(tmp_path, name, content, said):
    folder = idx_folder(tmp_path / "raw", 28)
    (folder / name).unlink() if content is None else (folder / name).write_bytes(content)
    refused(folder, said, "train-")


# CIFAR's pickles


def rows_of(x):
    return x.transpose(0, 3, 1, 2).reshape(len(x), -1)


def cifar10(folder, protocol=2, keys=str):
    """Five batches of 6, 6, 6, 6, 4 images, and one to test on."""
    folder.mkdir(parents=True, exist_ok=True)
    as_key = (lambda k: k.encode()) if keys is bytes else str
    batches = {f"data_batch_{i + 1}": slice(6 * i, min(6 * i + 6, 28)) for i in range(5)}
    for name, rows in (batches | {"test_batch": TEST}).items():
        batch = {
            "batch_label": name, "labels": Y[rows].tolist(), "data": rows_of(X[rows]),
            "filenames": [f"{i}.png" for i in range(40)[rows]],
        }  # fmt: skip
        batch = {as_key(k): v for k, v in batch.items()}
        (folder / name).write_bytes(pickle.dumps(batch, protocol))
    meta = {"label_names": [as_key(k) for k in NAMES], "num_cases_per_batch": 6, "num_vis": 192}
    meta = {as_key(k): v for k, v in meta.items()}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol))
    (folder / "readme.html").write_text("see")
    return folder


def cifar100(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("train", TRAIN), ("test", TEST)):
        batch = {
            "data": rows_of(X[rows]), "fine_labels": Y[rows].tolist(),
            "coarse_labels": (1 - Y[rows]).tolist(), "filenames": [], "batch_label": name,
        }  # fmt: skip
        (folder / name).write_bytes(pickle.dumps(batch, 2))
    meta = {"fine_label_names": NAMES, "coarse_label_names": ["tame", "wild"]}
    (folder / "meta").write_bytes(pickle.dumps(meta, 2))
    return folder


@pytest.mark.parametrize(
    ("protocol", "keys"), [(0, str), (1, str), (2, bytes), (3, str), (4, bytes), (5, str)]
)
def test_cifar_10_as_its_authors_give_it(tmp_path, protocol, keys):
    folder = cifar10(tmp_path / "cifar-10-batches-py", protocol, keys)
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as archive:
        archive.add(folder, folder.name)
    for source in (folder, tmp_path, tmp_path / "cifar-10-python.tar.gz"):
        assert holds(load_data(source))


def test_a_pickle_of_python_2_is_read(tmp_path):
    """Byte for byte what Python 2's cPickle writes: text and raw bytes are one type, BINSTRING."""
    x, y = rows_of(X[:20]), Y[:20].tolist()

    def text(t):
        t = t.encode() if isinstance(t, str) else t
        return b"T" + struct.pack("<I", len(t)) + t if len(t) > 255 else b"U" + bytes([len(t)]) + t

    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\nt" + text("b") + b"tR(K\x01"
        b"(" + b"K" + bytes([len(x)]) + b"K\xc0t" + b"cnumpy\ndtype\n(" + text("u1") + b"K\x00K"
        b"\x01tR(K\x03" + text("|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tbI00\n"
        + text(x.tobytes()) + b"tb"
    )  # fmt: skip
    labels = b"](" + b"".join(b"K" + bytes([k]) for k in y) + b"e"
    batch = b"\x80\x02}(" + text("data") + array + text("labels") + labels + b"u."
    folder = cifar10(tmp_path / "c")
    for name in ("data_batch_1", "test_batch"):
        (folder / name).write_bytes(batch)
    with pytest.warns(UserWarning, match="are trained on, too"):
        data = load_data(folder)
    assert torch.equal(data.test.x, planes(X[:20]))
    assert data.test.y.tolist() == y


def test_cifar_100_has_fine_labels_or_coarse_ones(tmp_path):
    folder = cifar100(tmp_path / "cifar-100-python")
    with pytest.warns(UserWarning, match="labels are 'fine_labels', not 'coarse_labels'"):
        assert holds(load_data(folder))
    assert holds(load_data(folder, label="coarse_labels"), y=1 - Y, classes=("tame", "wild"))
    with pytest.raises(SettingError, match="labels fine_labels, coarse_labels, not 'colour'"):
        load_data(folder, label="colour")


class Harmful:
    def __init__(self, call, *args):
        self.call = call, args

    def __reduce__(self):
        return self.call


def pickled(value):
    return pickle.dumps(value, 2)


BATCH = {"data": rows_of(X[:6]), "labels": Y[:6].tolist()}
DAMAGED = [
    (
        lambda p: pickled(BATCH | {"x": Harmful(os.system, f"touch {p}/ran")}),
        "asks for posix.system",
    ),
    (lambda p: pickled(Harmful(eval, "1")), "asks for __builtin__.eval"),
    (lambda p: pickled(Harmful(np.load, "x")), "asks for numpy.load"),
    (lambda p: pickled(Harmful(np.dtype, "O")), "not the dictionary"),
    (lambda p: pickled(BATCH | {"data": np.array([None])}), "array of obj"),
    (
        lambda p: b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x05\x00\x00\x00rot13tR.",
        "asks for the codec",
    ),
    (lambda p: b"Pid\n.", "asks for a persistent object"),
    (lambda p: b"\x80\x02}q\x00", "is a damaged pickle"),
    (lambda p: pickled(BATCH)[:100], "is a damaged pickle"),
    (lambda p: b"", "is a damaged pickle"),
    (lambda p: b"<html>", "is a damaged pickle"),
    (lambda p: pickled([1]), "not the dictionary of a CIFAR batch"),
    (lambda p: pickled({"data": X}), "must hold an array 'data' and a list 'labels'"),
    (lambda p: pickled(BATCH | {"labels": [0]}), "uint8 rows of 3 x S x S for 1 labels"),
    (lambda p: pickled(BATCH | {"data": rows_of(X[:6]) / 255}), "it is float64 (6, 192)"),
    (lambda p: pickled(BATCH | {"data": rows_of(X[:6])[:, 1:]}), "it is uint8 (6, 191)"),
    (lambda p: pickled(BATCH | {"labels": [9] * 6}), "labels must lie in 0..1"),
    (lambda p: pickled(BATCH | {"labels": [[0], [1, 2]] * 3}), "whole numbers"),
    (lambda p: pickled({"data": rows_of(X[:6, :4, :4]), "labels": [0] * 6}), "images of sizes"),
    (lambda p: None, "has no data_batch_2"),
]


@pytest.mark.parametrize(("make", "said"), DAMAGED, ids=[said for _, said in DAMAGED])
def test_what_a_pickle_names_is_not_run_and_what_is_damaged_is_named(tmp_path, make, said):
    folder = cifar10(tmp_path / "c")
    content = make(tmp_path)
    (folder / "data_batch_2").write_bytes(content or b"")
    if content is None:
        (folder / "data_batch_2").unlink()
    refused(folder, said, "data_batch_")
    assert not (tmp_path / "ran").exists()


def test_batches_of_cifar_that_are_missing_are_said(tmp_path):
    folder = cifar10(tmp_path / "c")
    (folder / "data_batch_5").unlink()
    with pytest.warns(UserWarning, match="there is no data_batch_5"):
        assert len(load_data(folder).train) == 24
    (folder / "batches.meta").unlink()
    refused(folder, "has no batches.meta or meta, which names the classes")
    folder = cifar100(tmp_path / "d")
    (folder / "test").unlink()
    with pytest.warns(UserWarning, match="there is no test split"):
        assert len(load_data(folder).test) == 2


def test_ten_thousand_images_of_cifar_are_read_in_a_second(tmp_path):
    folder = cifar10(tmp_path / "c")
    x = RNG.integers(0, 256, (10_000, 192), dtype=np.uint8)
    batch = {"data": x, "labels": (np.arange(10_000) % 2).tolist(), "filenames": ["a.png"] * 10_000}
    (folder / "test_batch").write_bytes(pickle.dumps(batch, 2))
    began = time.process_time()
    data = load_data(folder)
    assert time.process_time() - began < 1
    assert torch.equal(data.test.x.reshape(10_000, -1), torch.from_numpy(x))


# Parquet


def parquet(file, rows=slice(None), typed=True):
    """One file, as datasets writes it, or as any other writer does."""
    encoded = []
    for image in X[rows]:
        Image.fromarray(image).save(png := io.BytesIO(), "PNG")
        encoded.append(png.getvalue())
    if typed:
        kinds = {"image": datasets.Image(), "label": datasets.ClassLabel(names=NAMES)}
        columns = {
            "image": [{"bytes": b, "path": None} for b in encoded],
            "label": Y[rows].tolist(),
        }
        datasets.Dataset.from_dict(columns, features=datasets.Features(kinds)).to_parquet(file)
    else:
        names = [NAMES[y] for y in Y[rows]]
        pq.write_table(pa.table({"image": encoded, "label": names}), file)
    return file


@pytest.mark.parametrize("typed", [True, False])
def test_one_parquet_file(tmp_path, typed):
    data = load_data(parquet(tmp_path / "all.parquet", typed=typed))
    assert data.classes == tuple(NAMES)
    test = [18, 19, 38, 39]
    assert torch.equal(data.test.x, planes(X[test]))
    assert torch.equal(data.train.x, planes(np.delete(X, test, 0)))


def test_one_parquet_file_to_test_on_is_trained_on_and_it_is_said(tmp_path):
    with pytest.warns(UserWarning, match="the only split is 'test', so it is trained on"):
        load_data(parquet(tmp_path / "test-00000-of-00001.parquet"))


def test_a_damaged_parquet_file_is_one_line(tmp_path):
    file = parquet(tmp_path / "a.parquet")
    file.write_bytes(file.read_bytes()[:200])
    refused(file, "a.parquet cannot be read as a data set")
    pq.write_table(pa.table({"a": [1.5], "b": ["x"]}), file)
    refused(file, "has no column of images, it has: a (float64), b (string)")
    pq.write_table(pa.table({"image": [b"no image"] * 20, "label": [0, 1] * 10}), file)
    refused(file, "cannot be decoded")


# All of them


def test_one_data_set_has_one_digest_in_every_layout(tmp_path):
    order = np.concatenate(
        [np.flatnonzero(Y[rows] == k) + rows.start for rows in (slice(0, 28), TEST) for k in (0, 1)]
    )
    x, y = X[order], Y[order]
    folder = images(tmp_path / "photos")
    arrays = {
        "images": x[TRAIN],
        "labels": y[TRAIN],
        "test_images": x[TEST],
        "test_labels": y[TEST],
    }
    rows = [(f"photos/{s}/{NAMES[y[i]]}/{order[i]:02}.png", NAMES[y[i]], s)
            for i, s in enumerate(["train"] * 28 + ["test"] * 12)]  # fmt: skip
    sources = [
        folder,
        packed(folder, tmp_path / "a.zip"),
        packed(folder, tmp_path / "a.tar.gz"),
        saved(tmp_path, **arrays, classes=NAMES),
        table(tmp_path, rows=rows, images=False),
    ]
    assert len({load_data(source).digest() for source in sources}) == 1


def test_each_source_has_one_reader_before_the_one_that_takes_the_rest(tmp_path):
    folder = cifar10(tmp_path / "cifar-10-batches-py")
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as archive:
        archive.add(folder, folder.name)
    sources = {
        folder: "cifar_pickles",
        tmp_path / "cifar-10-python.tar.gz": "cifar_pickles",
        cifar100(tmp_path / "d"): "cifar_pickles",
        packed(images(tmp_path / "photos"), tmp_path / "a.zip"): "archives",
        tmp_path / "photos": "hugging_face",
        saved(tmp_path, x=X, y=Y): "npz",
        idx_folder(tmp_path / "raw", 28): "idx",
        table(tmp_path / "set"): "tables",
        parquet(tmp_path / "a.parquet"): "hugging_face",
    }
    for source, reader in sources.items():
        assert reader_of(str(source), source).__name__.endswith(f".{reader}")


# The commit of a data set of the hub is that of the run


class Hub:
    """A hub whose data set moves on, and that counts how often it is asked."""

    def __init__(self, monkeypatch):
        self.newest, self.asked, self.read = "0a" * 20, 0, []
        monkeypatch.delenv("JEAT_DATA", raising=False)
        monkeypatch.setattr(HfApi, "dataset_info", lambda api, name, **how: self.info())
        monkeypatch.setattr(datasets, "load_dataset", self.load)

    def info(self):
        self.asked += 1
        return SimpleNamespace(sha=self.newest)

    def load(self, path, revision, **how):
        self.read.append((path, revision, how))
        kinds = {"image": datasets.Image(), "label": datasets.ClassLabel(names=NAMES)}
        columns = {"image": [Image.fromarray(x[..., 0]) for x in X], "label": Y.tolist()}
        every = datasets.Dataset.from_dict(columns, features=datasets.Features(kinds))
        return datasets.DatasetDict(train=every.select(range(28)), test=every.select(range(28, 40)))

    def moves_on(self):
        self.newest = "0b" * 20
        newest_commit.cache_clear()


@pytest.fixture
def hub(monkeypatch):
    newest_commit.cache_clear()
    yield Hub(monkeypatch)
    newest_commit.cache_clear()


def recorded(out):
    return json.loads((out / "run.json").read_text())["plan"]["data"]


@pytest.mark.parametrize("source", ["owner/name", "owner/name:small", "owner/name?label=label"])
def test_the_commit_is_asked_for_once_and_recorded_and_resumed(tmp_path, hub, source):
    few = Optimisation(epochs=2, batch_size=14, save_every=1, evaluate_images=4)
    plan, out = Plan("normal", data=source, net="convnet-4", optimisation=few), tmp_path / "run"
    next(fit(plan, out))
    name, mark, query = source.partition("?")
    whole = f"{name}@{'0a' * 20}{mark}{query}"
    assert (recorded(out), hub.asked) == (whole, 1)
    hub.moves_on()
    logs = list(fit(plan, out, resume=True))
    assert logs[-1].iteration == logs[-1].total == 4
    assert (recorded(out), hub.asked) == (whole, 1)
    assert {revision for _, revision, _ in hub.read} == {"0a" * 20}
    assert all(how == ({"name": "small"} if ":" in source else {}) for _, _, how in hub.read)
    assert data_of(load(out)) == whole
    subject_of(str(out), None, 4, 0)  # as measure does
    assert hub.asked == 1
    with pytest.raises(ValueError, match=f"begun with other settings: data .*{'0c' * 20}"):
        list(fit(replace(plan, data=f"{name}@{'0c' * 20}{mark}{query}"), out, resume=True))


def test_a_run_of_a_short_name_records_the_commit_that_is_known(tmp_path, hub):
    few = Optimisation(epochs=1, batch_size=14, evaluate_images=4)
    plan = Plan("normal", data="mnist", net="convnet-4", optimisation=few)
    list(fit(plan, tmp_path / "run"))
    assert recorded(tmp_path / "run") == "ylecun/mnist@77f3279092a1c1579b2250db8eafed0ad422088c"
    list(fit(plan, tmp_path / "run", resume=True))
    assert hub.asked == 0


def test_a_folder_in_the_hubs_place_is_read_without_asking(tmp_path, hub, monkeypatch):
    images(tmp_path / "mirror/name")
    monkeypatch.setenv("JEAT_DATA", str(tmp_path / "mirror"))
    assert settled("owner/name") == "owner/name"
    assert settled("owner/name?label=label") == "owner/name?label=label"
    assert hub.asked == 0


def test_data_of_a_branch_are_named_with_their_commit(hub):
    assert fixed("mnist") == "mnist"
    assert fixed(f"owner/name@{'0a' * 20}") == f"owner/name@{'0a' * 20}"
    with pytest.raises(SettingError, match=f"with a commit, such as owner/name@{'0a' * 20}"):
        fixed("owner/name")


def test_a_misspelt_path_is_not_looked_for_on_the_hub(tmp_path, hub, monkeypatch):
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    refused("runs/none", "no data at runs/none")
    assert hub.asked == 0


def test_a_card_names_the_data_set_of_the_hub_and_not_how_it_was_read():
    for data, name in (
        (f"owner/name:small@{'0a' * 20}?label=label", "owner/name"),
        ("svhn", "ufldl-stanford/svhn"),
        ("digits", "digits"),
    ):
        assert f"datasets:\n- {name}\n" in _head("a", "at", Plan("at", data=data), [])


def test_runs_of_one_suite_are_of_one_commit(tmp_path, hub):
    few = Optimisation(epochs=1, batch_size=14, evaluate_images=4)
    plans = {
        name: Plan("normal", data="owner/name", net="convnet-4", optimisation=few)
        for name in ("a", "b")
    }
    list(fit(plans["a"], tmp_path / "a"))
    hub.moves_on()
    with pytest.raises(ValueError, match=r"0a0a and owner/name@0b.*: name the data with one"):
        rehearsal._check_runs(plans, tmp_path)
