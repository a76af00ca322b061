"""A split is a top folder of a known name; labels that cannot be learnt or scored are named."""

import os
import re
import shutil
import warnings

import datasets
import numpy as np
import pytest
import torch
from PIL import Image

from jeat.cli import main
from jeat.data import Data, Images, load_data

pytestmark = pytest.mark.usefixtures("unchecked")  # what a user meets


@pytest.fixture(autouse=True)
def _caches(tmp_path, monkeypatch):
    monkeypatch.setenv("JEAT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")


def tree(root, *leaves, n=10, name="{}.png"):
    """``n`` images a folder, all different, each with a byte of its folder's place in the list.

    Those of names of another length differ, too.
    """
    for k, leaf in enumerate(leaves):
        (root / leaf).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            pixels = np.full((4, 4), i, np.uint8)
            pixels[0, :2] = k, len(name)
            Image.fromarray(pixels).save(root / leaf / name.format(i))
    return root


def loaded(root):
    """The classes; which folders of the list are trained on, and tested on, as often as they are.

    What is warned of is an error.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.filterwarnings("ignore", ".*no split 'test', so 'validation' is tested on")
        warnings.filterwarnings("ignore", ".*no test split, so every tenth image of a class is")
        data = load_data(root)
    places = (torch.bincount(s.x[:, 0, 0, 0].long()).tolist() for s in (data.train, data.test))
    for split in (data.train, data.test):
        for k in range(len(data.classes)):
            assert len(split.x[split.y == k][:, 0, 0, 0].unique()) == 1  # a class is a folder
    return data.classes, *places


def refused(root):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        load_data(root)
    assert "\n" not in str(error.value)
    return str(error.value)


SPLITS = [
    ("train", "test"), ("train", "validation"), ("train", "val"), ("training", "valid"),
    ("Train", "TEST"), ("train", "dev"), ("data/train", "data/test"), ("a/b/train", "a/b/eval"),
]  # fmt: skip
CLASSES = [
    ("bus", "train"), ("beaker", "test-tube"), ("bullet_train", "cup"), ("control", "test"),
    ("valid", "void"), ("dev", "val"), ("Train", "bus"), ("test", "train"), ("eval 2", "x"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("splits", "classes"),
    [(SPLITS[0], classes) for classes in CLASSES] + [(splits, CLASSES[0]) for splits in SPLITS[1:]],
)
def test_a_class_folder_is_a_class_whatever_its_name(tmp_path, splits, classes):
    root = tree(tmp_path / "set", *(f"{split}/{k}" for split in splits for k in classes))
    assert loaded(root) == (classes, [10, 10], [0, 0, 10, 10])


@pytest.mark.parametrize(
    "classes",
    [("car", "plane", "train"), ("control", "test"), ("control-test", "x"), ("train-1", "val_2")],
)
@pytest.mark.parametrize("top", ["", "inner/"])
def test_without_split_folders_every_folder_is_a_class(tmp_path, top, classes):
    root = tree(tmp_path / "set", *(top + k for k in classes))
    assert loaded(root) == (classes, [9] * len(classes), [1] * len(classes))


@pytest.mark.parametrize("name", ["train_{}.png", "test{}.png", "{}-val.png", "train-test-{}.png"])
@pytest.mark.parametrize("split", ["", "train/"])
def test_the_names_of_files_name_no_split(tmp_path, name, split):
    root = tree(tmp_path / "set", f"{split}a", f"{split}b")
    tree(root, f"{split}a", f"{split}b", name=name)
    assert loaded(root) == (("a", "b"), [18, 18], [2, 2])


def test_a_folder_that_is_named_by_its_glob_or_lies_in_a_test_folder_is_that_folder(tmp_path):
    root = tree(tmp_path / "test" / "[set]*", "train/a", "train/b", "test/a", "test/b")
    assert loaded(root) == (("a", "b"), [10, 10], [0, 0, 10, 10])


def test_classes_in_folders_of_their_own_are_classes(tmp_path):
    places = ("animals/cat", "animals/dog", "plants/oak")
    root = tree(tmp_path / "set", *(f"{s}/{k}" for s in ("train", "test") for k in places))
    assert loaded(root) == (("cat", "dog", "oak"), [10] * 3, [0, 0, 0, 10, 10, 10])


AMBIGUOUS = {
    "no class folders": (["train", "test"], "no class folders in train and test"),
    "no class folders, one split": (["train"], "no class folders in train"),
    "no class folders to test on": (["train/a", "train/b", "test"], "no class folders in test"),
    "one split twice": (["train/a", "Train/b", "test/a"], "are one split, train"),
    "one split by two words": (["val/a", "valid/b", "train/a"], "valid and val of"),
    "a split in each class": (["a/train", "a/test", "b/train", "b/test"], "a split or a class"),
    "years": (["train2017/a", "train2017/b", "val2017/a", "val2017/b"], "train2017"),
    "a split beside classes": (["train/a", "train/b", "car", "bus"], "train and bus"),
    "a second test split": (["train/a", "train/b", "test-2/a", "test-2/b"], "train and test-2"),
    "other depths": (["a", "b", "b/more"], "deeper"),
    "classes below others": (["cat/left", "cat/right", "dog/left", "dog/right"], "which is"),
    "splits of any name": (
        ["trainset/a", "trainset/b", "testset/a", "testset/b"],
        "a split or a class",
    ),
    "splits in one word": (
        ["TrainData/a", "TrainData/b", "TestData/a", "TestData/b"],
        "a split or a class",
    ),
    "splits in short": (["tr/a", "tr/b", "te/a", "te/b"], "a and b in"),
    "folds": (["x/fold1/a", "x/fold1/b", "x/fold2/a"], "is below x/fold1 and x/fold2"),
    "classes below others in splits": (
        ["train/x/a", "train/y/a", "train/x/b", "test/x/a"],
        "a in",
    ),
    "a folder in each class": (["cat/imgs", "dog/imgs"], "imgs in"),
    "one class": (["cat"], "one class folder only, cat: a classifier needs images of 2 classes"),
    "one class of both splits": (["train/a", "test/a"], "one class folder only, t"),
    "classes taken for a split": (["train/a/x"], "one class folder only, train/a/x"),
    "deeper to test": (["train/a", "train/b", "test/x/a", "test/x/b"], "deeper"),
    "beside classes": (["a", "b", "."], "deeper"),
}


@pytest.mark.parametrize("kind", AMBIGUOUS)
def test_folders_that_are_ambiguous_are_named(tmp_path, kind):
    leaves, named = AMBIGUOUS[kind]
    said = refused(tree(tmp_path / "set", *leaves))
    assert named in said
    assert "set" in said


@pytest.mark.parametrize(
    "leaves",
    [
        ["train/a", "train/b", "test/a", "test/b"],
        ["a", "b"],
        ["x/a", "y/b"],
        ["train/x/a", "train/y/b", "test/x/a", "test/y/b"],
    ],
)
def test_classes_at_one_depth_are_read_without_a_word(tmp_path, leaves):
    assert loaded(tree(tmp_path / "set", *leaves))[0] == ("a", "b")


@pytest.mark.parametrize("split", ["test", "validation"])
@pytest.mark.parametrize("kind", ["folders", "table"])
def test_that_the_only_split_is_one_to_test_on_is_said(tmp_path, kind, split):
    if kind == "folders":
        root = tree(tmp_path / "set", f"{split}/a", f"{split}/b")
    else:
        root = parquet(tmp_path / "set", {split: [0, 1] * 10}, {"label": label("a", "b")})
    for _ in range(2):  # the second is cached
        with pytest.warns(UserWarning, match=f"the only split is '{split}', so it is trained on"):
            data = load_data(root)
        assert (len(data.train), len(data.test)) == (18, 2)


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
@pytest.mark.parametrize("place", ["test/a/x.png", "train/a/x.png"])
def test_a_file_in_two_splits_or_twice_in_one_is_refused(tmp_path, place, link):
    root = tree(tmp_path / "set", "train/a", "train/b", "test/a", "test/b")
    getattr(root / place, link)(root / "train/a/3.png")
    said = refused(root)
    assert "3.png" in said
    assert "x.png" in said


@pytest.mark.parametrize(
    ("leaves", "named"),
    [
        (["extra/a", "extra/b"], "10 files are left out, such as extra/a/0.png"),
        (["unlabelled"], "files are left out, such as unlabelled/0.png"),
        (["."], "left out, such as 0.png"),
        (["__other__/a"], "left out, such as __other__/a/0.png"),
    ],
)
def test_what_is_left_out_is_said_every_time(tmp_path, leaves, named):
    root = tree(tmp_path / "set", "train/a", "train/b", "test/a", "test/b")
    tree(root, *leaves, n=10 // len(leaves))
    for _ in range(2):  # the second is cached
        with pytest.warns(UserWarning, match=named):
            data = load_data(root)
        assert (len(data.train), len(data.test)) == (20, 20)


@pytest.mark.filterwarnings("ignore:.*left out")
def test_labels_beside_images_make_no_tables_of_them(tmp_path):
    root = tree(tmp_path / "set", "train/bus", "train/train", "test/bus", "test/train")
    for image in root.rglob("*.png"):
        image.with_suffix(".json").write_text("{}")
    data = load_data(root)
    assert (data.classes, len(data.train), len(data.test)) == (("bus", "train"), 20, 20)


@pytest.mark.parametrize("name", ["JEAT_CACHE", "JEAT_DATA"])
def test_an_empty_variable_is_none(tmp_path, monkeypatch, name):
    monkeypatch.setenv(name, "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tree(tmp_path / "cifar10", "train/a", "train/b", "test/a", "test/b"))
    load_data(tmp_path / "cifar10")
    assert sorted(p.name for p in (tmp_path / "cifar10").iterdir()) == ["test", "train"]
    with pytest.raises(FileNotFoundError):
        load_data("someone/train")


@pytest.mark.parametrize("file", ["train/a/notes.txt", "train/b/x.heic", "test/a/x.npy"])
def test_a_file_in_a_class_folder_that_is_no_image_is_said(tmp_path, file, capsys):
    root = tree(tmp_path / "set", "train/a", "train/b", "test/a", "test/b")
    (root / file).write_text("what is this")
    words = ["--data", str(root), "--net", "convnet-4", "--epochs", "1", "--batch_size", "20"]
    assert main(["train", "at", "--out", str(tmp_path / "run"), *words]) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert said == [f"jeat: warning: {root}: 1 file is left out, such as {file}"]


EMPTY = {
    "a class": (["train/c"], "train/c"),
    "a class and its test": (["train/c", "test/c"], "test/c and train/c"),
    "a class of other files": (["train/c/notes.txt"], "train/c"),
    "classes in several": (["train/c", "train/d", "test/d"], r"test/d and train/c \(and 1 more\)"),
    "a class of the test alone": (["test/b"], None),
    "a folder beside splits": (["docs", "src/a"], None),
    "a folder in a class": (["train/a/more"], None),
    "hidden": (["train/.c", "train/__c__"], None),
    "a split": (["val"], "val"),
    "a split of classes": (["val/a", "val/b"], "val"),
}


def planted(root, *names):
    """Empty folders, and files that are no images."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("?") if "." in name[-4:] else (root / name).mkdir(exist_ok=True)
    return root


@pytest.mark.parametrize("form", ["folder", "zip", "tar"])
@pytest.mark.parametrize("kind", EMPTY)
def test_a_folder_without_images_that_may_be_a_class_or_split_is_said(tmp_path, form, kind):
    names, named = EMPTY[kind]
    root = planted(tree(tmp_path / "set", "train/a", "train/b", "test/a"), *names)
    if form != "folder":
        root = shutil.make_archive(tmp_path / "all", form, root)
    for _ in range(2):  # the second is cached
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            assert load_data(root).classes == ("a", "b")
        said = [str(w.message) for w in caught if "no image that can" in str(w.message)]
        assert len(said) == (named is not None)
        for text in said:
            assert re.search(f": {named} holds? no image .* no class and no split", text)


@pytest.mark.parametrize(
    ("leaves", "names", "named"),
    [
        (["a", "b"], ["c", "test"], "c and test"),
        (["in/a", "in/b"], ["in/c"], "in/c"),
        (["x/a", "x/b"], ["y"], "y"),
        (["train/a", "train/b"], ["test/a", "test/b"], "test"),
        (["train/a", "train/b"], ["test"], "test"),
        (["test/a", "test/b"], ["train"], "train"),
    ],
)
def test_a_split_that_is_empty_is_said_and_what_is_tested_on_in_its_place(
    tmp_path, leaves, names, named
):
    root = planted(tree(tmp_path / "set", *leaves), *names)
    with pytest.warns(UserWarning, match="every tenth image of a class") as caught:
        data = load_data(root)
    assert (len(data.train), len(data.test)) == (18, 2)
    assert any(f": {named} hold" in str(w.message) for w in caught)


@pytest.mark.parametrize(
    "kind", ["folders", "one split", "csv", "csv of a split", "parquet", "zip"]
)
def test_that_every_tenth_image_is_held_out_is_said_of_every_source(tmp_path, kind):
    root = tree(tmp_path / "set", *("train/a", "train/b") if kind == "one split" else ("a", "b"))
    if kind.startswith("csv"):
        rows = [f"{k}/{i}.png,{k},train" for k in "ab" for i in range(10)]
        (root / "set.csv").write_text("\n".join(["path,label,split", *rows]))
        if kind == "csv":
            (root / "set.csv").write_text((root / "set.csv").read_text().replace("split", "more"))
        source = (root / "set.csv", "label")
    elif kind == "parquet":
        source = (parquet(tmp_path / "p", {"train": [0, 1] * 10}, {"label": label("a", "b")}), None)
    else:
        source = (shutil.make_archive(root, "zip", root) if kind == "zip" else root, None)
    for _ in range(2):  # the second is cached
        with pytest.warns(UserWarning, match="there is no test split, so every tenth image"):
            data = load_data(source[0], label=source[1])
        assert (len(data.train), len(data.test)) == (18, 2)


def label(*names):
    return datasets.ClassLabel(names=list(names))


def parquet(root, splits, kinds=None, name="{}-00000-of-00001.parquet"):
    """Splits of labels, or of rows of columns."""
    kinds, k = kinds or {"label": label("a", "b", "c")}, 0
    root.mkdir(exist_ok=True, parents=True)
    for split, rows in splits.items():
        columns = rows if isinstance(rows, dict) else {"label": rows}
        n = len(next(iter(columns.values())))
        images = [Image.fromarray(np.full((4, 4), k + i, np.uint8)) for i in range(n)]
        k += n
        features = datasets.Features({"image": datasets.Image()} | kinds)
        made = datasets.Dataset.from_dict({"image": images} | columns, features=features)
        made.to_parquet(root / name.format(split))
    return root


@pytest.mark.parametrize(
    "name",
    [
        "{}-00000-of-00001.parquet", "data/{}-00000-of-00001.parquet", "{}.parquet",
        "default/{}/0000.parquet", "my_{}.parquet",
    ],
)  # fmt: skip
def test_tables_name_their_splits_as_those_of_the_hub(tmp_path, name):
    (tmp_path / "set" / name).parent.mkdir(parents=True)
    for split in ("train", "test"):
        (tmp_path / "set" / name.format(split)).parent.mkdir(parents=True, exist_ok=True)
    data = load_data(parquet(tmp_path / "set", {"train": [0, 1] * 9, "test": [0, 1]}, name=name))
    assert (data.train.y.tolist(), data.test.y.tolist()) == ([0, 1] * 9, [0, 1])


def test_a_table_whose_name_has_two_words_for_a_split_is_refused(tmp_path):
    root = parquet(tmp_path / "set", {"train": [0, 1] * 9, "test-train": [0, 1]})
    said = refused(root)
    assert "test-train-00000-of-00001.parquet would be read twice" in said
    assert "rename it" in said


@pytest.mark.parametrize("names", [("Train", "Test"), ("TRAIN", "VAL"), ("a", "Test")])
def test_tables_whose_splits_are_not_in_lower_case_are_refused(tmp_path, names):
    root = parquet(tmp_path / "set", dict.fromkeys(names, [0, 1] * 9), name="{}.parquet")
    said = refused(root)
    assert f"{names[1]}.parquet would be read as of split 'train': rename it" in said


def test_a_card_says_what_is_what_as_on_the_hub(tmp_path):
    splits = {"test": [0, 1] * 9, "validation": [0, 1], "train": [1, 0]}
    root = parquet(tmp_path / "set", splits, name="{}.parquet")
    paths = {"train": "test.parquet", "test": "validation.parquet"}
    lines = "".join(f"  - split: {k}\n    path: {v}\n" for k, v in paths.items())
    (root / "README.md").write_text(f"---\nconfigs:\n- config_name: a\n  data_files:\n{lines}---\n")
    with pytest.warns(UserWarning, match=r"1 file is left out, such as train.parquet"):
        data = load_data(root)
    assert (len(data.train), data.test.x[:, 0, 0, 0].tolist()) == (18, [18, 19])


def test_a_split_of_the_hub_that_is_not_read_is_said(tmp_path):
    root = parquet(tmp_path / "set/data", {"train": [0, 1] * 9, "dev": [0, 1], "test": [1]})
    with pytest.warns(UserWarning, match="splits are left out: dev"):
        data = load_data(root.parent)
    assert (len(data.train), len(data.test)) == (18, 1)


def test_tables_and_splits_that_are_left_out_are_said(tmp_path):
    root = parquet(tmp_path / "set", {"train": [0, 1] * 9, "test": [0, 1], "more": [0, 1]})
    with pytest.warns(UserWarning, match=r"1 file is left out, such as more-00000"):
        load_data(root)
    root = parquet(tmp_path / "2/data", {"train": [0, 1] * 9, "test": [0, 1], "more": [0, 1]})
    with pytest.warns(UserWarning, match="splits are left out: more"):
        load_data(root.parent)


TABLES = {
    "other names": (("data", "mytest"), True),
    "other folders": (("x/0", "y/0"), True),
    "shards": (("data-0-of-2", "data-1-of-2"), False),
    "numbers": (("0000", "0001"), False),
    "of a split": (("train-a", "train-b"), False),
    "shards of a split": (("train-0-of-2-ab1", "train-1-of-2-cd2"), False),
    "parts": (("part-0", "part-1"), False),
    "folds": (("fold1", "fold2"), True),
    "folds apart": (("fold-1", "fold-2"), True),
    "versions": (("train_v1", "train_v2"), True),
    "kinds of a split": (("private_train", "public_train"), True),
    "folders of a split": (("x/train-0", "y/train-0"), True),
}


@pytest.mark.parametrize("kind", TABLES)
def test_tables_of_other_names_that_are_read_as_one_split_are_said(tmp_path, kind):
    names, is_said = TABLES[kind]
    for name in names:
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
    kinds = {"label": label("a", "b")}
    root = parquet(tmp_path / "set", dict.fromkeys(names, [0, 1] * 10), kinds, "{}.parquet")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", UserWarning)
        data = load_data(root)
    assert len(data.train) + len(data.test) == 40
    named = f"{names[0]}.parquet and {names[1]}.parquet are read as one split"
    texts = [str(w.message) for w in said if "no test split" not in str(w.message)]
    assert [named in text for text in texts] == [True] * is_said


def test_two_tables_to_test_on_are_said(tmp_path):
    names = ("train", "private_test", "public_test")
    root = parquet(tmp_path / "set", dict.fromkeys(names, [0, 1] * 9), name="{}.parquet")
    said = "private_test.parquet and public_test.parquet are read as one split, 'test'"
    with pytest.warns(UserWarning, match=said):
        assert len(load_data(root).test) == 36


# Labels


def own(train=(0, 1), test=(0, 1), classes=("a", "b"), side=4, kind=torch.uint8):
    x = torch.zeros(len(train), 1, 4, 4, dtype=kind), torch.zeros(len(test), 1, side, side)
    return Data(Images(x[0], torch.tensor(train)), Images(x[1].byte(), torch.tensor(test)), classes)


def of_folders(root, train, test):
    return tree(root, *(f"train/{k}" for k in train), *(f"test/{k}" for k in test))


def of_tables(root, train, test):
    names = sorted({*train, *test})
    rows = {s: [names.index(k) for k in ks] for s, ks in (("train", train), ("test", test))}
    return parquet(root, rows, {"label": label(*names)})


def of_own(root, train, test, monkeypatch):
    names = sorted({*train, *test})
    made = own([names.index(k) for k in train], [names.index(k) for k in test], tuple(names))
    monkeypatch.syspath_prepend(root.parent)
    (root.parent / "mine.py").write_text("def made():\n    return DATA\n")
    monkeypatch.delitem(__import__("sys").modules, "mine", raising=False)
    import mine

    mine.DATA = made
    return "mine:made"


@pytest.mark.parametrize("how", ["folders", "tables", "own"])
@pytest.mark.parametrize(
    ("train", "test", "named"),
    [
        ("ac", "abc", "class 'b' has no image to train on"),
        ("ab", "c", "class 'c' has no image to train on"),
        (("cat", "dog"), ("Cat", "Dog"), "classes 'Cat', 'Dog' have no image to train on"),
    ],
)
def test_a_class_only_to_test_on_is_refused_by_name(tmp_path, monkeypatch, how, train, test, named):
    if how == "own":
        source = of_own(tmp_path / "set", train, test, monkeypatch)
    else:
        source = (of_folders if how == "folders" else of_tables)(tmp_path / "set", train, test)
    assert named in refused(source)


def test_classes_that_cannot_be_scored_or_hardly_told_are_said(tmp_path):
    root = of_tables(tmp_path / "set", ["cat", "dog", "Cat"], ["cat", "dog"])
    with pytest.warns(UserWarning, match="classes") as said:
        assert load_data(root).classes == ("Cat", "cat", "dog")
    assert [str(w.message).partition("classes ")[2] for w in said] == [
        "have no test images: 'Cat'",
        "differ in case, accents' spelling or zeros only: 'Cat', 'cat'",
    ]


@pytest.mark.parametrize(
    ("splits", "named"),
    [
        ({"train": [0, 1, 2, None], "test": [0, 1]}, "'train'|'label|row 3|missing"),
        ({"train": [0, 1, 2], "test": [0, None]}, "'test'|'label|row 1|missing"),
        ({"train": [0, 1, 2], "test": [0, 1, -1]}, "'test'|-1 in row 2"),
        ({"train": [0, -1, 2], "test": [0]}, "'train'|-1 in row 1"),
        (
            {"train": [0, 1, 2] * 20, "test": [-1] * 9},
            "'test'|'label'|-1|remove the split",
        ),
        ({"train": [0, 1] * 20, "test": [None] * 9}, "'test'|'label'|None|remove the split"),
    ],
)
def test_a_missing_label_is_named_by_split_and_row(tmp_path, splits, named):
    said = refused(parquet(tmp_path / "set", splits))
    for word in named.replace("'label|", "label|").split("|"):
        assert word in said


def test_validation_stands_in_for_a_test_split_whose_labels_are_hidden(tmp_path):
    splits = {"train": [0, 1, 2] * 9, "validation": [0, 1, 2], "test": [-1] * 9}
    with pytest.warns(UserWarning, match="'test' has no labels, so 'validation' stands in"):
        data = load_data(parquet(tmp_path / "set", splits))
    assert data.test.y.tolist() == [0, 1, 2]
    assert torch.equal(data.test.x[:, 0, 0, 0], torch.tensor([27, 28, 29], dtype=torch.uint8))


@pytest.mark.parametrize(
    ("columns", "taken", "left"),
    [
        (("coarse", "label"), "label", "'coarse'"),
        (("label", "coarse"), "label", "'coarse'"),
        (("fine", "coarse"), "fine", "'coarse'"),
    ],
)
def test_of_two_label_columns_label_wins_and_it_is_said(tmp_path, columns, taken, left):
    kinds = {name: label(*(f"{name} {k}" for k in range(2))) for name in columns}
    rows = dict.fromkeys(columns, [0, 1] * 5)
    root = parquet(tmp_path / "set", {"train": rows, "test": rows}, kinds)
    with pytest.warns(UserWarning, match=f"labels are of column '{taken}', not of {left}"):
        assert load_data(root).classes == (f"{taken} 0", f"{taken} 1")


@pytest.mark.parametrize(
    ("kind", "values", "classes"),
    [
        ("int64", [3, 12], ("3", "12")),
        ("string", ["dog", "cat"], ("cat", "dog")),
        ("bool", [True, False], ("False", "True")),
    ],
)
def test_a_column_of_numbers_or_words_is_of_the_classes_of_its_values(
    tmp_path, kind, values, classes
):
    kinds = {"label": datasets.Value(kind)}
    root = parquet(tmp_path / "set", {"train": values * 5, "test": values}, kinds)
    data = load_data(root)
    assert data.classes == classes
    assert [classes[k] for k in data.train.y] == list(map(str, values * 5))
    assert [classes[k] for k in data.test.y] == list(map(str, values))


@pytest.mark.parametrize("split", ["validation", "test"])
def test_what_is_done_with_a_validation_split_is_said(tmp_path, split):
    splits = {"train": [0, 1, 2] * 9, "validation": [0, 1, 2], "test": [0, 1, 2]}
    if split == "validation":
        del splits["test"]
    said = {
        "validation": "there is no split 'test', so 'validation' is tested on",
        "test": "split 'validation' is held out, neither trained nor tested on",
    }
    with pytest.warns(UserWarning, match=said[split]):
        load_data(parquet(tmp_path / "set", splits))


@pytest.mark.parametrize(
    ("made", "named"),
    [
        ({"train": (0, 1, -1)}, "split 'train'|label -1 in row 2|0..1"),
        ({"test": (0, 2)}, "split 'test'|label 2 in row 1|0..1"),
        ({"side": 5}, "differ in size|(4, 4) to train on|(5, 5) to test on|--size"),
        ({"kind": torch.float32}, "split 'train'|uint8|float32"),
        ({"train": (0.0, 1.0)}, "split 'train'|int64|float32"),
        ({"test": ()}, "split 'test'|holds no images"),
        ({"train": ()}, "split 'train'|holds no images"),
        ({"classes": (0, 1)}, "classes|names|(0, 1)"),
        ({"classes": ["a", "b"]}, "classes|tuple|['a', 'b']"),
        ({"classes": ("a", "a")}, "classes|'a' twice"),
    ],
)
def test_a_reader_of_ones_own_is_held_to_the_same(tmp_path, monkeypatch, made, named):
    source = of_own(tmp_path / "set", "ab", "ab", monkeypatch)
    import mine

    mine.DATA = own(**made)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it is refused only
        said = refused(source)
    assert source in said
    for word in named.split("|"):
        assert word in said


X, Y = torch.arange(20, dtype=torch.uint8).view(20, 1, 1, 1).expand(20, 1, 4, 4), [0, 1] * 10


@pytest.mark.parametrize(
    ("make", "x", "y", "named"),
    [
        (Images, X.numpy(), torch.tensor(Y), "torch tensors|ndarray|from_arrays"),
        (Images, X, np.array(Y), "torch tensors|ndarray|from_arrays"),
        (Images, X, Y, "torch tensors|list"),
        (zip, X, torch.tensor(Y), "a jeat.data.Images|zip"),
        (Images, X.expand(20, 5, 4, 4), torch.tensor(Y), "1 or 3 channels|(20, 5, 4, 4)"),
        (Images, X[..., :0, :0], torch.tensor(Y), "1 or 3 channels|(20, 1, 0, 0)"),
    ],
)
def test_what_is_no_tensor_of_images_is_named_by_its_split(
    tmp_path, monkeypatch, make, x, y, named
):
    source = of_own(tmp_path / "set", "ab", "ab", monkeypatch)
    import mine

    images = make(x, y)
    mine.DATA = Data(images, images, ("a", "b"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it is refused only
        said = refused(source)
    for word in ("split 'train' of mine:made", *named.split("|")):
        assert word in said


@pytest.mark.parametrize(
    ("code", "error", "named"),
    [
        ("def made(n): ...", ValueError, "mine2:made must be a function without arguments"),
        ("made = 3", ValueError, "data set 'mine2:made' must be a function or class of Python"),
        ("def made(): return len(3)", TypeError, "object of type 'int' has no len()"),
        ("def made(n=3): return n", ValueError, "mine2:made must return a jeat.data.Data"),
    ],
)
def test_an_error_in_a_reader_of_ones_own_is_that_error(tmp_path, monkeypatch, code, error, named):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mine2.py").write_text(code)
    monkeypatch.delitem(__import__("sys").modules, "mine2", raising=False)
    with pytest.raises(error) as raised:
        load_data("mine2:made")
    assert str(raised.value).startswith(named)


@pytest.mark.parametrize("how", ["folders", "own", "npz"])
def test_that_test_images_are_trained_on_is_said(tmp_path, monkeypatch, how):
    if how == "folders":
        source = of_folders(tmp_path / "set", "ab", "ab")
        for i in range(3):
            (source / f"test/a/{i}.png").write_bytes((source / f"train/b/{i}.png").read_bytes())
    elif how == "own":
        source = of_own(tmp_path / "set", "ab", "ab", monkeypatch)
        import mine

        parts = (Images(X[at], torch.tensor(Y[at])) for at in (slice(0, 13), slice(10, 20)))
        mine.DATA = Data(*parts, ("a", "b"))
    else:
        source, x = tmp_path / "set.npz", X.numpy().copy()
        x[0], x[3], x[4] = x[18], x[18], x[19]
        np.savez(source, images=x, labels=np.array(Y))
    with pytest.warns(UserWarning, match=f"{2 if how == 'npz' else 3} of .* are trained on, too"):
        load_data(source)


@pytest.mark.parametrize(
    ("labels", "named"),
    [
        ([0, 1, np.nan] * 10, "a label is missing in row 2"),
        ([0, 1, -1] * 10, "-1 in row 2"),
        ([0, 1, 77] * 10, "77 in row 2"),
        ([0, 1, 77] * 10, "in 0..29, as there are no more classes than images"),
    ],
)
def test_an_npz_names_the_row_of_a_label_that_is_none(tmp_path, labels, named):
    np.savez(tmp_path / "set.npz", images=np.zeros((30, 4, 4), np.uint8), labels=np.array(labels))
    assert named in refused(tmp_path / "set.npz")


def test_classes_without_any_image_are_said(tmp_path):
    labels, x = np.array([0, 2, 5] * 10), np.arange(30, dtype=np.uint8)[:, None, None]
    np.savez(tmp_path / "set.npz", images=x.repeat(4, 1).repeat(4, 2), labels=labels)
    with pytest.warns(UserWarning, match="classes have no images: '1', '3', '4'$"):
        load_data(tmp_path / "set.npz")


def test_one_colour_image_to_test_on_makes_both_splits_colour(tmp_path):
    root = tree(tmp_path / "set", "train/a", "train/b", "test/a", "test/b")
    Image.new("RGB", (4, 4), "red").save(root / "test/a/0.png")
    data = load_data(root)
    assert data.train.x.shape[1:] == data.test.x.shape[1:] == (3, 4, 4)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_in_it_that_may_not_be_read_is_no_silent_gap(tmp_path):
    root = tree(tmp_path / "set", "train/a", "train/b", "test/a", "test/b")
    (root / "train/b").chmod(0)
    with pytest.raises((ValueError, OSError)):
        load_data(root)
    (root / "train/b").chmod(0o700)


@pytest.mark.parametrize("like", ["trainval", "testset", "testdata", "valset", "trains", "devdata"])
def test_a_folder_named_like_a_split_beside_one_is_no_split_and_no_silent_gap(tmp_path, like):
    known = "train" if like.startswith(("test", "val", "dev")) else "test"
    root = tree(tmp_path / "set", *(f"{s}/{k}" for s in (known, like) for k in "ab"))
    assert "may be a split or a class" in refused(root)
    assert like in refused(root)


@pytest.mark.parametrize(
    "names", [("attest", "testbed"), ("trainer", "evaluated"), ("data", "set")]
)
def test_classes_whose_names_only_begin_or_end_so_are_classes(tmp_path, names):
    leaves = [f"{s}/{k}" for s in ("train", "test") for k in names]
    assert loaded(tree(tmp_path / "set", *leaves))[0] == tuple(sorted(names))


def test_a_card_that_says_nothing_of_files_in_its_head_leaves_classes_as_they_are(tmp_path):
    leaves = [f"{s}/{k}" for s in ("train", "test") for k in ("beaker", "test-tube")]
    root = tree(tmp_path / "set", *leaves)
    (root / "README.md").write_text("---\nlicense: mit\n---\nThere are no data_files: here.\n")
    assert loaded(root)[0] == ("beaker", "test-tube")


def test_images_in_hidden_folders_are_left_out_with_a_word(tmp_path):
    leaves = [f"{s}/{k}" for s in ("train", "test") for k in ("a", ".b", "c")]
    root = tree(tmp_path / "set", *leaves)
    with pytest.warns(UserWarning, match=r"20 files are left out, such as test/\.b/0\.png"):
        assert load_data(root).classes == ("a", "c")


def test_a_table_beside_class_folders_gives_the_labels_and_that_is_said(tmp_path):
    leaves = [f"{s}/{k}" for s in ("train", "test") for k in ("bus", "test-tube")]
    root = tree(tmp_path / "set", *leaves)
    for split in ("train", "test"):
        files = sorted((root / split).rglob("*.png"))
        rows = [f"{f.relative_to(root / split)},{i % 3}" for i, f in enumerate(files)]
        (root / split / "metadata.csv").write_text("\n".join(["file_name,label", *rows]))
    with pytest.warns(UserWarning, match=r"labels are those of the table metadata\.csv"):
        data = load_data(root)
    assert data.classes == ("0", "1", "2")
    assert len(data.train) == len(data.test) == 20


def test_a_folder_of_archives_is_said_to_be_one(tmp_path):
    (tmp_path / "set").mkdir()
    for split in ("train", "test"):
        (tmp_path / f"set/{split}.zip").write_bytes(b"PK\x05\x06" + bytes(18))
    assert "set holds archives, such as test.zip: give one archive" in refused(tmp_path / "set")


@pytest.mark.parametrize("splits", [True, False])
def test_what_the_library_datasets_saved_is_loaded(tmp_path, splits):
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])}
    )
    images = [Image.fromarray(np.full((4, 4), i, np.uint8)) for i in range(40)]
    rows = datasets.Dataset.from_dict({"image": images, "label": [0, 1] * 20}, features=features)
    saved = datasets.DatasetDict({"train": rows.take(30), "test": rows.skip(30)})
    (saved if splits else rows).save_to_disk(tmp_path / "set")
    data = load_data(tmp_path / "set")
    assert data.classes == ("a", "b")
    assert len(data.train) == (30 if splits else 36)
    assert sorted({*data.train.x[:, 0, 0, 0].tolist(), *data.test.x[:, 0, 0, 0].tolist()}) == [
        *range(40)
    ]
