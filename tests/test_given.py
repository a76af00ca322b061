"""Data that a program holds: whatever holds the same images gives the same data set."""

import json
from pathlib import Path

import datasets
import numpy as np
import pandas
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Subset, TensorDataset

import jeat
from jeat.cli import main
from jeat.data import Data, Images, load_data

RNG = np.random.default_rng(0)
X = torch.from_numpy(RNG.integers(0, 256, (45, 3, 6, 8), dtype=np.uint8))
Y = torch.arange(45) % 3
NAMES = ("owl", "tit", "emu")
TRAIN, TEST = slice(0, 36), slice(36, 45)
EXPECTED = Data(Images(X[TRAIN], Y[TRAIN]), Images(X[TEST], Y[TEST]), NAMES)


class Birds:
    """A data set as torchvision has them: images of Pillow, labels, ``classes``."""

    classes = NAMES

    def __init__(self, part, transform=lambda image: image):
        self.x, self.y, self.transform = X[part], Y[part], transform

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        image = Image.fromarray(self.x[i].movedim(0, -1).numpy())
        return self.transform(image), int(self.y[i])


class Numbered(Birds):
    classes = None


def floats(image):
    return torch.from_numpy(np.array(image)).movedim(-1, 0) / 255


def table(part, names=NAMES):
    kinds = {"bird": datasets.Image(), "name": datasets.ClassLabel(names=list(names))}
    rows = {"bird": [image for image, _ in Birds(part)], "name": Y[part].tolist()}
    return datasets.Dataset.from_dict(rows, datasets.Features(kinds))


def loader(part, **how):
    return DataLoader(Birds(part, floats), batch_size=5, **how)


@pytest.mark.parametrize(
    "source",
    [
        EXPECTED,
        (Birds(TRAIN), Birds(TEST)),
        {"train": Birds(TRAIN, floats), "test": Birds(TEST, np.array)},
        (Subset(Birds(slice(0, 45)), range(36)), Subset(Birds(slice(0, 45)), range(36, 45))),
        (loader(TRAIN), loader(TEST)),
        datasets.DatasetDict(train=table(TRAIN), test=table(TEST)),
        (table(TRAIN), table(TEST)),
        {"Training": table(TRAIN), "eval": table(TEST)},
    ],
    ids=[
        "Data", "torchvision", "transforms", "Subset", "DataLoader", "DatasetDict", "Datasets",
        "words of splits",
    ],
)  # fmt: skip
def test_the_same_images_are_the_same_data_whatever_holds_them(source):
    assert load_data(source).digest() == EXPECTED.digest()


@pytest.mark.parametrize(
    "source",
    [
        ((X[TRAIN], Y[TRAIN]), (X[TEST], Y[TEST])),
        ((X[TRAIN] / 255, Y[TRAIN]), ((X[TEST] / 255).numpy(), Y[TEST].numpy())),
        ((X[TRAIN].double() / 255, Y[TRAIN].int()), ((X[TEST] / 255).bfloat16(), Y[TEST])),
        ((X[TRAIN].movedim(1, -1), Y[TRAIN]), (X[TEST].movedim(1, -1).numpy(), Y[TEST])),
        (TensorDataset(X[TRAIN], Y[TRAIN]), TensorDataset(X[TEST], Y[TEST])),
        (Numbered(TRAIN), Numbered(TEST)),
        ((X[TRAIN], Y[TRAIN].tolist()), (X[TEST], tuple(Y[TEST].tolist()))),
        ((X[TRAIN], pandas.Series(Y[TRAIN])), (X[TEST].numpy(), pandas.Series(Y[TEST]))),
    ],
    ids=[
        "bytes", "floats", "dtypes", "channels last", "TensorDataset", "no names", "lists",
        "Series",
    ],
)  # fmt: skip
def test_classes_without_names_are_numbers(source):
    data = load_data(source)
    assert data.classes == ("0", "1", "2")
    assert torch.equal(data.train.x, X[TRAIN])
    assert torch.equal(data.train.y, Y[TRAIN])
    assert (data.test.x.int() - X[TEST].int()).abs().max() <= 1  # bfloat16 has 8 bits


@pytest.mark.parametrize(
    ("of", "kind"),
    [
        (Birds, dict), (lambda part: (X[part], Y[part].tolist()), dict), (table, dict),
        (table, datasets.DatasetDict),
    ],
    ids=["torchvision", "lists", "Datasets", "DatasetDict"],
)  # fmt: skip
def test_a_split_for_validation_stands_in_or_is_held_out_and_that_is_said(of, kind):
    more = slice(30, 36)
    with pytest.warns(UserWarning, match="no split 'test', so 'validation' is tested on"):
        data = load_data(kind({"train": of(TRAIN), "val": of(TEST)}))
    assert torch.equal(data.test.x, X[TEST])
    with pytest.warns(UserWarning, match="split 'validation' is held out"):
        data = load_data(kind({"train": of(TRAIN), "val": of(more), "test": of(TEST)}))
    assert torch.equal(data.test.x, X[TEST])


@pytest.mark.parametrize("names", [list(NAMES), tuple(NAMES), np.array(NAMES)])
def test_labels_beside_tensors_may_be_text(names):
    y = [names[k] for k in Y]
    data = load_data((X, y))
    assert data.classes == ("emu", "owl", "tit")
    assert data.digest() == load_data([*zip(X, map(str, y), strict=True)]).digest()


def test_labels_of_text_are_classes_in_order():
    class Said(Birds):
        classes = None

        def __getitem__(self, i):
            image, y = super().__getitem__(i)
            return image, NAMES[y]

    data = load_data((Said(TRAIN), Said(TEST)))
    assert data.classes == ("emu", "owl", "tit")
    assert [data.classes[k] for k in data.train.y] == [NAMES[k] for k in Y[TRAIN]]


def test_without_images_to_test_on_every_tenth_of_a_class_is_held_out_and_that_is_said():
    with pytest.warns(UserWarning, match="no test split"):
        data = load_data(Birds(slice(0, 45)))
    held = Data.held_out(Images(X, Y), NAMES)
    assert data.digest() == held.digest()
    assert len(data.test) == 3


def test_a_loader_that_shuffles_gives_the_same_images_each_time_and_leaves_torch_alone():
    pair = loader(TRAIN, shuffle=True), loader(TEST)
    torch.manual_seed(5)
    first = load_data(pair)
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(3))
    assert load_data(pair).digest() == first.digest()
    rows = {bytes(x.numpy().tobytes()) for x in first.train.x}
    assert rows == {bytes(x.numpy().tobytes()) for x in X[TRAIN]}


def test_a_loader_that_leaves_images_out_says_so():
    with pytest.warns(UserWarning, match="gives 35 of the 36 images"):
        load_data((loader(TRAIN, drop_last=True), loader(TEST)))


def test_images_of_many_sizes_are_brought_to_one():
    turned = Birds(TRAIN, lambda image: image.rotate(90, expand=image.getpixel((0, 0))[0] % 2))
    assert load_data((turned, Birds(TEST)), size=5).shape == (3, 5, 5)
    with pytest.raises(ValueError, match=r"differ in size .* size=32 in Python"):
        load_data((turned, Birds(TEST)))


def test_a_column_of_labels_is_chosen_among_several():
    rows = {"name": ["b", "a"] * 15, "label": [0, 1, 2] * 10}
    both = table(slice(0, 30)).remove_columns("name").to_dict() | rows
    kinds = {"bird": datasets.Image(), "name": datasets.Value("string")}
    kinds |= {"label": datasets.Value("int64")}
    source = datasets.Dataset.from_dict(both, datasets.Features(kinds))
    assert load_data(source, label="name").classes == ("a", "b")
    with pytest.warns(UserWarning, match="labels are of column 'label', not of 'name'"):
        assert load_data(source).classes == ("0", "1", "2")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (3, "3 is no data set: give a name"),
        (None, "got None"),
        ((X, Y[:3]), "split 'train' of .* has 45 images and 3 labels"),
        ((X, Y.tolist()[:44]), "has 45 images and 44 labels"),
        (((X, Y), (X, Y[1:])), "split 'test' of .* has 45 images and 44 labels"),
        ((X, [0] * 45), "images of one class"),
        ((X, "abc"), "labels are a list, an array or a tensor, one an image, got 'abc'"),
        ((X, {0: 1}), "labels are a list, .* got {0: 1}"),
        ((X, None), "labels are a list, .* got None"),
        ((X, (k for k in Y)), "labels are a list, .* got a generator"),
        ((X, Y[0]), "labels are a list, .* got a Tensor"),
        ((X[0, 0, 0, 0], Y), "has 1 number and 45 labels"),
        ((X, [[k] * 2 for k in Y]), "item 0 of .*one number or text"),
        ((X[:0], Y[:0]), "split 'train' of .* holds no images"),
        (((X, Y), (X[:0], Y[:0])), "split 'test' of .* holds no images"),
        (TensorDataset(X[:0], Y[:0]), "holds no images"),
        (DataLoader(TensorDataset(X, Y), batch_size=99, drop_last=True), "holds no images"),
        ([], "holds no images"),
        (table(slice(0, 0)), "holds no images"),
        (
            (table(TRAIN), table(slice(0, 0))),
            "split 'test' .* no images; remove the split",
        ),
        (
            pandas.DataFrame({"image": [*range(9)], "label": 0}),
            "DataFrame gives no item 0 .*give",
        ),
        ((X.to("meta"), Y), "images of split 'train' .* meta holds no values"),
        ((X, Y.to("meta")), "labels of split 'train' .* meta holds no values"),
        (TensorDataset(X.to("meta"), Y), "image 0 of .* meta holds no values"),
        (TensorDataset(X, Y.to("meta")), "item 0 of .* meta holds no values"),
        (Data(Images(X.to("meta"), Y), Images(X, Y), NAMES), "'train' of .* meta holds no values"),
        (Data(Images(X, Y), Images(X, Y.to("meta")), NAMES), "'test' of .* meta holds no values"),
        (((X / 255).to_sparse(), Y), r"dense, got torch.sparse_coo: call .to_dense\(\)"),
        ({}, "must be a data set, got {}"),
        ((None, None), r"must be a data set, got \(None, None\)"),
        ({"train": table(TRAIN), "test": Birds(TEST)}, "train is a Dataset, test is a Birds: give"),
        ((Birds(TRAIN), table(TEST)), "train is a Birds, test is a Dataset: give all as one kind"),
        ((table(TRAIN), table(TEST).remove_columns("name")), "'test' of .* has no column 'name'"),
        ((table(TRAIN), table(TEST).remove_columns("bird")), "'test' of .* has no column 'bird'"),
        (
            (table(TRAIN), table(TEST, NAMES[::-1])),
            "the classes .*'emu', 'tit'.* another split",
        ),
        (
            {"train": Birds(TRAIN), "val": Birds(TEST), "dev": Birds(TEST)},
            "val, dev two are one",
        ),
        (list(X), r"item 0 is a Tensor: give pairs, such as \[\*zip\(x, y\)\]"),
        ((X[TRAIN].float(), Y[TRAIN]), r"lie in \[0, 1\].*leave a normalisation out"),
        ((X[TRAIN].int(), Y[TRAIN]), "uint8 or floats"),
        ((X[:, :2], Y), "C = 1 or 3"),
        ((X, Y / 2), "whole numbers"),
        ((X, Y - 1), r"lie in 0\.\.1"),
        ({"fold": Birds(TRAIN)}, "splits are train, validation and test, got fold"),
        (TensorDataset(X), r"gives \(image, label\), item 0 is a tuple"),
        ([1, 2, 3], r"gives \(image, label\), item 0 is 1"),
        (DataLoader(TensorDataset(X, Y, Y)), r"batches \(images, labels\)"),
        ((Birds(TRAIN), TensorDataset(X, Y + 3)), r"lie in 0\.\.2"),
        (Birds(slice(0, 12)), "too few images"),
        ((X, torch.eye(3)[Y]), r"one number an image, got \(45, 3\): for one-hot.*argmax\(1\)"),
        ((X, np.eye(3)[Y]), r"one number an image, got \(45, 3\)"),
        (((X, Y), (X, torch.eye(3)[Y])), "split 'test' of .*one number an image"),
        (TensorDataset(X, torch.eye(3)[Y]), r"item 0 of .*one number or text, got \(3,\)"),
        ([(x, [0, 1]) for x in X], "item 0 of .*one number or text, got"),
        (DataLoader(TensorDataset(X, torch.eye(3)[Y])), r"one number or text, got \(3,\)"),
        ([(x, "a" if i else 3) for i, x in enumerate(X)], "all numbers or all text"),
        ([(x, None if i == 7 else 1) for i, x in enumerate(X)], "a label is missing in row 7"),
        ((X, torch.where(Y == 2, torch.nan, Y)), "a label is missing in row 2"),
        ([(x, ("1", "01", "2")[i % 3]) for i, x in enumerate(X)], "'1' and '01' are one number"),
    ],
)
def test_what_is_no_labelled_images_is_refused(source, said, unchecked):
    with pytest.raises(ValueError, match=said) as error:
        load_data(source)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "y", [Y.double(), Y.half(), Y.numpy().astype(np.float32), Y[:, None], Y.to(torch.uint8)]
)
def test_labels_are_whole_numbers_whatever_holds_them(y):
    expected = load_data((X, Y))
    for source in ((X, y), [*zip(X, y, strict=True)]):
        found = load_data(source)
        assert found.classes == ("0", "1", "2")
        assert found.digest() == expected.digest()


def test_labels_that_are_true_or_false_are_classes_of_these_names(tmp_path):
    y = Y > 0
    np.savez(tmp_path / "a.npz", x=X, y=y)
    digest = load_data(tmp_path / "a.npz").digest()
    for source in (
        (X, y),
        (X.numpy(), y.numpy()),
        [(x, bool(k)) for x, k in zip(X, y, strict=True)],
    ):
        data = load_data(source)
        assert data.classes == ("False", "True")
        assert data.digest() == digest

    class Two(Birds):
        classes = ("tit", "owl")

        def __getitem__(self, i):
            return super().__getitem__(i)[0], bool(y[i])

    data = load_data(Two(slice(0, 45)))
    assert data.classes == ("tit", "owl")
    assert data.train.y.bincount().tolist() == [14, 27]


def test_labels_of_text_that_are_likely_missing_are_said():
    with pytest.warns(UserWarning, match="15 labels are 'nan', likely missing"):
        load_data([(x, ("nan", "a", "b")[i % 3]) for i, x in enumerate(X)])


def test_splits_of_other_classes_are_refused():
    class Other(Birds):
        classes = ("tit", "owl", "emu")

    with pytest.raises(ValueError, match="the same classes"):
        load_data((Birds(TRAIN), Other(TEST)))
    with pytest.raises(ValueError, match="has no columns"):
        load_data(Birds(TRAIN), label="name")


def test_fit_takes_what_load_data_takes_and_the_run_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    plan = jeat.Plan(
        "normal", net="convnet-4", optimisation=jeat.Optimisation(epochs=2, batch_size=9)
    )
    data = (X[TRAIN], Y[TRAIN]), (X[TEST], Y[TEST])
    assert [log.iteration for log in jeat.fit(plan, "run", data=data)][-1] == 8
    record = json.loads(Path("run/run.json").read_text())
    assert record["plan"]["data"] == "<a tuple given in Python>"
    assert record["data_sha256"] == load_data(data).digest()
    assert list(jeat.fit(plan, "run", data=data, resume=True)) == []
    with pytest.raises(ValueError, match="changed since run was begun"):
        list(jeat.fit(plan, "run", data=(data[1], data[0]), resume=True))
    assert jeat.load("run").spec.shape == (3, 6, 8)
    assert main(["measure", "run", "--metrics", "accuracy"]) == 1
    assert "a tuple given in Python" in capsys.readouterr().err
    np.savez("x.npz", images=X.numpy(), labels=Y.numpy())
    assert main(["measure", "run", "--metrics", "accuracy", "--data", "x.npz"]) == 0
    list(jeat.fit(plan, "named", data=Path("x.npz")))
    assert json.loads(Path("named/run.json").read_text())["plan"]["data"] == str(
        Path("x.npz").resolve()
    )
