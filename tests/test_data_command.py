"""``jeat data``: figures of planted data sets, and a warning of each thing that was planted."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from jeat.cli import main
from jeat.data import Data, Images, doubts_of, overview
from jeat.figures import grid, rows

RNG = np.random.default_rng(0)


def planted(train=(30, 20), test=(6, 4), classes=("cat", "dog"), most=256):
    """Noise of so many images a class."""
    splits = []
    for counts in (train, test):
        y = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
        x = RNG.integers(0, most, (len(y), 3, 6, 8), dtype=np.uint8)
        splits.append(Images(torch.from_numpy(x), y))
    return Data(*splits, classes)


def shown(data, tmp_path, *flags):
    """What the command shows of a data set, in lines of its output and of its errors."""
    np.savez(
        tmp_path / "set.npz", images=data.train.x, labels=data.train.y,
        test_images=data.test.x, test_labels=data.test.y,
    )  # fmt: skip
    return ["data", str(tmp_path / "set.npz"), *flags]


def said(capsys):
    out, err = capsys.readouterr()
    return out.splitlines(), [
        line.removeprefix("jeat: warning: ") for line in err.splitlines() if "warning" in line
    ]


def test_its_tables_are_the_counts_of_what_was_planted(tmp_path, capsys):
    data = planted((30, 20, 11), (6, 4, 3), ("0", "1", "2"))
    assert main(shown(data, tmp_path)) == 0
    lines, warned = said(capsys)
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in lines if line[0] == "|"]
    assert cells[0] == ["class", "train", "test", "all"]
    assert cells[2:] == [
        ["0", "30", "6", "36"],
        ["1", "20", "4", "24"],
        ["2", "11", "3", "14"],
        ["all", "61", "13", "74"],
    ]
    (line,) = [line for line in lines if "classes;" in line]
    name = re.escape(str(tmp_path / "set.npz"))
    pattern = rf"{name}: 3 classes; colour images, 6 x 8 pixels .*, from (\d+) to (\d+)"
    ends = [int(n) for n in re.fullmatch(pattern, line).groups()]
    assert ends == [
        int(end(torch.stack([end(s.x) for s in (data.train, data.test)])))
        for end in (torch.min, torch.max)
    ]
    assert f"sha256 {data.digest()}" in lines
    assert not warned


def test_what_it_shows_is_of_the_size_that_is_asked_for(tmp_path, capsys):
    data = planted((30, 20), (6, 4), ("0", "1"))
    assert main(shown(data, tmp_path, "--size", "4x5")) == 0
    lines, _ = said(capsys)
    assert any("set.npz?size=4x5: 2 classes; colour images, 4 x 5 pixels" in k for k in lines)


def test_its_picture_has_a_row_a_class_of_training_images_spread_evenly(tmp_path, capsys):
    data = planted((30, 2), (6, 4), ("0", "1"))
    assert main(shown(data, tmp_path, "--out", str(tmp_path / "grid.png"), "-n", "3")) == 0
    x = data.train.x / 255
    expected = rows({"0": x[[0, 10, 20]], "1": x[[30, 31]]})
    with Image.open(tmp_path / "grid.png") as found:
        assert np.array_equal(np.asarray(found), np.asarray(expected))


def test_rows_hold_the_grids_of_their_images_side_by_side_under_each_other():
    x = torch.rand(5, 3, 6, 8)
    found = np.asarray(rows({"a": x[:3], "a longer name": x[3:]}, least=12))
    for images in (x[:3], x[3:]):
        part = np.asarray(grid(images, columns=len(images), least=12))
        windows = np.lib.stride_tricks.sliding_window_view(found, part.shape)
        assert (windows == part).all((-1, -2, -3)).sum() == 1
    blank = np.asarray(rows({" ": x[:3], "  ": x[3:]}, least=12))
    assert (found == 255).all(2).sum() < found[..., 0].size  # names are drawn
    assert blank.shape[1] < found.shape[1]


def with_images(data, split, at, source):
    """A copy in which images of a split are those of another."""
    x = getattr(data, split).x
    x[at] = source.clone()
    return data


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (planted((100, 10)), "classes are imbalanced: 100 training images of 'cat', 10 of 'dog'"),
        (with_images(d := planted(), "train", [1, 2], d.train.x[0]), "'train': 2 images are equal"),
        (with_images(d := planted(), "test", [1], d.test.x[0]), "'test': 1 image is equal to one"),
        (with_images(d := planted(), "train", [40], d.train.x[0]), "1 image is equal to one of"),
        (planted(most=17), "the brightest pixel is 16 of 255"),
        (planted(most=1), "all pixels are the same"),
    ],
    ids=["imbalance", "twice to train", "twice to test", "two labels", "dark", "constant"],
)
def test_what_is_doubtful_is_said(data, expected):
    assert [k for k in doubts_of(overview(data)) if expected in k]


def test_nothing_is_said_of_sound_data():
    assert list(doubts_of(overview(planted((99, 10))))) == []


def test_a_class_without_any_image_is_said(tmp_path, capsys):
    assert main(shown(planted((20, 0, 20), (5, 0, 5), ("0", "1", "2")), tmp_path)) == 0
    (line,) = said(capsys)[1]
    assert line.endswith("set.npz: classes have no images: '1'")


def test_a_class_without_test_images_transparency_and_a_shared_image_are_said(tmp_path, capsys):
    folder = tmp_path / "set"
    for name, n in {"train/cat": 9, "train/dog": 8, "test/cat": 3}.items():
        (folder / name).mkdir(parents=True)
        for i in range(n):
            x = RNG.integers(0, 256, (6, 8, 4), dtype=np.uint8)
            Image.fromarray(x).save(folder / name / f"{i}.png")
    (folder / "test/cat/0.png").write_bytes((folder / "train/cat/0.png").read_bytes())
    assert main(["data", str(folder)]) == 0
    _, warned = said(capsys)
    assert len(warned) == 3
    for word in ("alpha is dropped", "1 of 3 test images is trained on", "no test images: 'dog'"):
        assert sum(word in line for line in warned) == 1
    assert main(["data", str(folder), "--background", "white"]) == 0
    assert len(said(capsys)[1]) == 2


def test_many_classes_are_cut_off_and_that_is_said(tmp_path, capsys):
    many = planted((2,) * 130, (1,) * 130, tuple(map(str, range(130))))
    assert main(shown(many, tmp_path, "--out", str(tmp_path / "g.png"))) == 0
    lines, _ = said(capsys)
    assert "30 classes more are not shown" in lines
    assert sum(line.startswith("|") for line in lines) == 103
    assert lines[-1].endswith("of 20 classes")


PAGES = [Path(__file__).parents[1] / f"docs/{name}.md" for name in ("your-data", "data-sources")]


def alike(text, *, numbers):
    """A text without what differs from machine to machine; without numbers where they may."""
    text = re.sub(r"sha256 \w+", "sha256", re.sub(r"/[^ ]*/photos/", "photos/", text))
    lines = [line for line in text.splitlines() if not re.match(r"[\w ]+: \d+ of", line)]
    if numbers:
        return lines
    return [re.sub(r"-?[\d.]+", "0", line).replace(" ", "").replace("-", "") for line in lines]


SHORTER = {
    "--epochs 4": "--epochs 0.2 --evaluate_images 8", "convnet-8": "convnet-4",
    "accuracy robust_accuracy": "accuracy robust_accuracy -n 8",
    "landscape.png": "landscape.png --points 5", "\\\n": " ",
}  # fmt: skip


def test_the_pages_show_what_their_commands_print(tmp_path, monkeypatch, capsys):
    """From top to bottom, with a shorter training."""
    monkeypatch.chdir(tmp_path)
    text = "".join(page.read_text() for page in PAGES)
    names, printed, trained = {}, "", False
    for kind, code in re.findall(r"^```(\w+)\n(.*?)^```$", text, re.M | re.S):
        if kind == "python":
            exec(code, names)
        elif kind == "sh":
            for long, short in SHORTER.items():
                code = code.replace(long, short)
            for command in code.splitlines():
                capsys.readouterr()
                main(shlex.split(command)[1:])
                printed = "".join(capsys.readouterr())
            trained = "runs/photos" in code
        else:
            assert alike(printed, numbers=not trained) == alike(code, numbers=not trained)
    assert (tmp_path / "photos.png").exists()
    assert (tmp_path / "landscape.png").exists()
