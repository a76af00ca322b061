"""Columns of a table beside its images: of splits, of labels, and of labels that are none."""

import csv
import io
import warnings

import datasets
import numpy as np
import pytest
from PIL import Image

from jeat.data import load_data

N = 40
LABELS = ["cat", "dog"] * (N // 2)
SPLITS = ["train"] * 28 + ["test"] * 12
FORMS = ["csv", "parquet", "Dataset"]

pytestmark = pytest.mark.usefixtures("unchecked")  # what a user meets


@pytest.fixture(autouse=True)
def _caches(tmp_path, monkeypatch):
    monkeypatch.setenv("JEAT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")


def image(i):
    file = io.BytesIO()
    Image.fromarray(np.full((4, 4), i, np.uint8)).save(file, "png")
    return file.getvalue()


def rows_of(columns, at=slice(None)):
    images = [{"bytes": image(i), "path": None} for i in range(N)][at]
    rows = {"image": images} | {k: list(v)[at] for k, v in columns.items()}
    return datasets.Dataset.from_dict(rows).cast_column("image", datasets.Image())


def source_of(form, folder, columns):
    """A data set whose image i has pixels i, in each of the forms that have columns."""
    if form == "Dataset":
        return rows_of(columns)
    if form == "parquet":
        rows_of(columns).to_parquet(folder / "all.parquet")
        return folder / "all.parquet"
    for i in range(N):
        (folder / f"{i}.png").write_bytes(image(i))
    cells = zip([f"{i}.png" for i in range(N)], *columns.values(), strict=True)
    with (folder / "set.csv").open("w", newline="") as text:
        csv.writer(text).writerows([("path", *columns), *cells])
    return folder / "set.csv"


def loaded(source, **how):
    """Data, and what was warned of."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", UserWarning)
        data = load_data(source, **how)
    return data, [str(w.message) for w in said if w.category is UserWarning]


def refused(source, **how):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        load_data(source, **how)
    assert "\n" not in str(error.value)
    return str(error.value)


def images_of(split):
    return sorted(split.x[:, 0, 0, 0].tolist())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("split", ("train", "test")), ("Subset", ("Training", "TESTING")),
        ("set", ("train", "val")), ("partition", ("train", "eval")), ("fold", ("train", "test")),
        ("phase", ("train", "dev")), ("stage", ("train", "valid")),
        ("Usage", ("Training", "Evaluation")),
        ("dataset", ("train", "test")), ("mode", ("train", "test")), ("group", ("train", "test")),
        ("data_split", ("train", "test")), ("isTest", ("train", "test")),
    ],
)  # fmt: skip
def test_a_column_of_splits_is_read_alike_in_every_table(tmp_path, form, name, words):
    columns = {"label": LABELS, name: [words[k == "test"] for k in SPLITS]}
    data, said = loaded(source_of(form, tmp_path, columns))
    assert images_of(data.train) == list(range(28))
    assert images_of(data.test) == list(range(28, N))
    assert data.classes == ("cat", "dog")
    assert not [text for text in said if "'validation' is tested on" not in text]


@pytest.mark.parametrize("form", FORMS)
def test_rows_of_a_validation_split_are_held_out_and_it_is_said(tmp_path, form):
    splits = ["train"] * 20 + ["val"] * 8 + ["test"] * 12
    data, (said,) = loaded(source_of(form, tmp_path, {"label": LABELS, "set": splits}))
    assert (images_of(data.train), images_of(data.test)) == ([*range(20)], [*range(28, N)])
    assert "split 'validation' is held out" in said


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"split": SPLITS}, ["no column of labels beside 'split'", "label=split"]),
        ({"label": SPLITS}, ["column 'label' of", "words of splits only", "label=label"]),
        ({"label": LABELS, "kind": SPLITS}, ["column 'kind' of", "rename it to 'split'"]),
        (
            {"label": LABELS, "split": [*SPLITS[:-1], "holdout"]},
            ["column 'split' of", "has the split 'holdout'", "give train, validation or test"],
        ),
        (
            {"label": LABELS, "Usage": ["Training"] * 28 + ["PublicTest"] * 12},
            ["column 'Usage' of", "has the split 'PublicTest'"],
        ),
        ({"label": LABELS, "set": [*SPLITS[:-1], ""]}, ["column 'set'", "rows without a split"]),
    ],
    ids=["splits alone", "as labels", "of another name", "unknown word", "like words", "a gap"],
)
def test_a_column_that_may_name_splits_is_refused_by_name(tmp_path, form, columns, words):
    said = refused(source_of(form, tmp_path, columns))
    for word in words:
        assert word in said


@pytest.mark.parametrize("form", FORMS)
def test_words_of_splits_are_labels_where_that_is_said(tmp_path, form):
    source = source_of(form, tmp_path, {"label": SPLITS})
    assert loaded(source, label="label")[0].classes == ("test", "train")
    data, (said, *_) = loaded(
        source_of(form, tmp_path, {"label": LABELS, "kind": SPLITS}), label="label"
    )
    assert data.classes == ("cat", "dog")
    assert "column 'kind' of" in said
    assert "is not read" in said


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("is_test", [k == "test" for k in SPLITS]),
        ("isTrain", [int(k == "train") for k in SPLITS]),
        ("holdout", [float(k == "test") for k in SPLITS]),
        ("partition", [0] * 20 + [1] * 8 + [2] * 12),
        ("fold", [i % 5 for i in range(N)]),
        ("group", ["control"] * 28 + ["test"] * 12),
    ],
)
def test_a_column_that_may_say_what_is_to_test_on_is_said(tmp_path, form, name, values):
    _, said = loaded(source_of(form, tmp_path, {"label": LABELS, name: values}))
    assert [text for text in said if f"column {name!r} of" in text and "may say which rows" in text]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("group", ["a", "b", "b", "a"] * 10), ("mode", ["L"] * N), ("test_score", [*range(N)]),
        ("purpose", ["for training of vets"] * N), ("kind", ["train"] * N),
    ],
)  # fmt: skip
def test_other_columns_are_no_splits(tmp_path, form, name, values):
    data, said = loaded(source_of(form, tmp_path, {"label": LABELS, name: values}))
    assert len(data.train) + len(data.test) == N
    assert not [text for text in said if "splits" in text or "may say" in text]


def test_files_that_name_their_splits_agree_with_a_column_or_are_refused(tmp_path):
    columns = {"label": LABELS, "split": SPLITS}
    rows_of(columns, slice(28)).to_parquet(tmp_path / "train.parquet")
    rows_of(columns, slice(28, N)).to_parquet(tmp_path / "test.parquet")
    data, _ = loaded(tmp_path)
    assert (len(data.train), len(data.test)) == (28, 12)
    rows_of(columns, slice(29)).to_parquet(tmp_path / "train.parquet")
    said = refused(tmp_path)
    assert "split 'train' of" in said
    assert "has rows of 'test' by its column 'split'" in said


def test_splits_that_are_classes_of_a_column_are_read():
    source = rows_of({"label": LABELS, "set": SPLITS}).class_encode_column("set")
    data, _ = loaded(source)
    assert (images_of(data.train), images_of(data.test)) == ([*range(28)], [*range(28, N)])
    tensors = source.with_format("torch")
    assert loaded(tensors)[0].digest() == data.digest()


def test_a_table_of_the_images_of_a_folder_may_name_their_splits(tmp_path):
    for i in range(N):
        (tmp_path / f"{i}.png").write_bytes(image(i))
    rows = [f"{i}.png,{LABELS[i]},{SPLITS[i]}" for i in range(N)]
    (tmp_path / "metadata.csv").write_text("\n".join(["file_name,label,set", *rows]))
    data, said = loaded(tmp_path)
    assert (images_of(data.train), images_of(data.test)) == ([*range(28)], [*range(28, N)])
    assert not said


def test_class_folders_are_classes_though_all_are_words_of_splits(tmp_path):
    for k, name in enumerate(("train", "valid")):
        (tmp_path / "set/train" / name).mkdir(parents=True)
        for i in range(10):
            (tmp_path / "set/train" / name / f"{i}.png").write_bytes(image(10 * k + i))
    data, _ = loaded(tmp_path / "set")
    assert data.classes == ("train", "valid")
    assert (len(data.train), len(data.test)) == (18, 2)


# Labels


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "pair", [("1", "1.0"), ("1", "01"), ("2", "+2"), ("0", "-0.0"), ("10", "1e1"), (".5", "0.5")]
)
def test_a_number_that_is_written_in_two_ways_is_refused(tmp_path, form, pair):
    labels = [*pair, "7", "8"] * (N // 4)
    said = refused(source_of(form, tmp_path, {"label": labels}))
    first, second = sorted(pair, key=len)
    assert f"labels {first!r} and {second!r} are one number" in said


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("odd", ["nan", "NaN", "None", "NA", "N/A", "null", "?", "empty", "<NA>"])
def test_labels_that_are_likely_missing_are_said(tmp_path, form, odd):
    labels = [odd, *LABELS[1:-1], odd]
    data, said = loaded(source_of(form, tmp_path, {"label": labels}))
    (text,) = [text for text in said if "likely missing" in text]
    assert f"2 labels are {odd!r}" in text
    assert "label)" in text or "column 'label'" in text
    assert set(data.classes) == {odd, "cat", "dog"}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["0.0", "1.0"], ("0", "1")), (["10.0", "9."], ("9", "10")), (["1e1", "2.0"], ("2", "10")),
        (["1", "2"], ("1", "2")), (["01", "02"], ("01", "02")), (["1.0", "v2"], ("1.0", "v2")),
        (["1.5", "x"], ("1.5", "x")), (["2.0", "nan"], ("2", "nan")), (["1,5", "2,5"], None),
    ],
)  # fmt: skip
def test_whole_floats_in_text_are_numbers_of_classes_where_all_labels_are(
    tmp_path, form, values, classes
):
    data, _ = loaded(source_of(form, tmp_path, {"label": values * (N // 2)}))
    assert data.classes == (classes or tuple(values))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("values", "word"),
    [
        (["1", "0.5"], "row 1 is '0.5': labels are whole numbers or text"),
        (["0.5", "1.5"], "row 0 is '0.5'"),
        (["1.0", "2.5e-1"], "row 1 is '2.5e-1'"),
        (["nan", "0.5"], "row 1 is '0.5'"),
        (["1.0", "-1.0"], "a label is missing in row 1"),
    ],
)
def test_floats_in_text_that_are_not_whole_or_stand_for_none_are_refused(
    tmp_path, form, values, word
):
    assert word in refused(source_of(form, tmp_path, {"label": values * (N // 2)}))


@pytest.mark.parametrize("form", ["parquet", "Dataset"])
@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_whole_floats_are_numbers_of_classes(tmp_path, form, kind):
    table = rows_of({"label": [float(2 + i % 3) for i in range(N)]})
    table = table.cast_column("label", datasets.Value(kind))
    if form == "parquet":
        table.to_parquet(tmp_path / "all.parquet")
    data, _ = loaded(table if form == "Dataset" else tmp_path / "all.parquet")
    assert data.classes == ("2", "3", "4")
    assert [(i % 3) == y for i, y in zip(data.train.x[:, 0, 0, 0], data.train.y, strict=True)]


@pytest.mark.parametrize("form", ["parquet", "Dataset"])
@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([1.0, 2.0, 1.0, 2.0, 1.0, float("nan")], ["a label is missing in row 5"]),
        ([1.0, 2.0, 1.0, 1.5, 1.0, 2.0], ["the label in row 3 is 1.5", "whole numbers or text"]),
        ([1.0, 2.0, 1.0, 1.0, 1.0, float("inf")], ["the label in row 5 is inf"]),
        ([1.0, 2.0, 1.0, None, 1.0, 2.0], ["a label is missing in row 3"]),
        ([[0], [1], [0], [1], [0], [1]], ["column 'label' of", "holds List", "one whole number"]),
    ],
    ids=["NaN", "a half", "infinite", "null", "lists"],
)
def test_a_column_that_holds_other_things_is_refused_by_what_they_are(
    tmp_path, form, labels, words
):
    rest = labels[:2] * ((N - 6) // 2)
    said = refused(source_of(form, tmp_path, {"label": labels + rest, "id": [*range(N)]}))
    for word in words:
        assert word in said


def test_folders_whose_names_are_one_number_are_said(tmp_path):
    for k, name in enumerate(("1", "01", "2")):
        (tmp_path / "set" / name).mkdir(parents=True)
        for i in range(10):
            (tmp_path / "set" / name / f"{i}.png").write_bytes(image(10 * k + i))
    data, (_, said) = loaded(tmp_path / "set")
    assert said.endswith("differ in case, accents' spelling or zeros only: '01', '1'")
    assert data.classes == ("01", "1", "2")
