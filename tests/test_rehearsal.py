"""What a suite needs at its end is tried at its beginning: one line, and nothing is trained."""

import os
import shutil
import subprocess
import sys
from collections import namedtuple
from dataclasses import replace

import pytest
import torch

from jeat._support.checks import SettingError
from jeat.cli import main
from jeat.data import Data, Images
from jeat.recipes import digits
from jeat.suites import reproduce, smoke


@pytest.fixture
def suite():
    return smoke(digits.suite())


def fails(suite, out):
    """What is said; nothing was trained."""
    with pytest.raises((ValueError, OSError)) as error:
        next(reproduce(suite, out, seeds=1))
    said = str(error.value)
    assert "\n" not in said
    assert not (out / "judge").exists()
    return said


def compared(suite, **changes):
    return replace(suite, comparison=replace(suite.comparison, **changes))


def raising(*_, **__):
    raise TypeError("no such font")


@pytest.mark.parametrize("what", ["PIL.ImageFont.truetype", "matplotlib.figure.Figure.savefig"])
def test_pictures(suite, tmp_path, monkeypatch, what):
    monkeypatch.setattr(what, raising)
    said = fails(suite, tmp_path)
    assert "no picture can be drawn here (TypeError: no such font)" in said
    assert "mend matplotlib or Pillow" in said


def test_space_on_the_disk(suite, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 9, 1))
    said = fails(digits.suite(), tmp_path / "new")
    assert "MB more" in said
    assert "free some space" in said
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("name", "folder"), [("figures", False), ("models", False), ("report.html", True)]
)
def test_places_of_the_report(suite, tmp_path, name, folder):
    (tmp_path / name).mkdir() if folder else (tmp_path / name).touch()
    assert f"{name} is a {'folder' if folder else 'file'}" in fails(suite, tmp_path)


def test_images_of_none_of_the_classes(suite, tmp_path, monkeypatch):
    assert "nowhere" in fails(compared(suite, outside="nowhere"), tmp_path)
    x, y = torch.zeros(4, 3, 32, 32, dtype=torch.uint8), torch.arange(4) % 2
    data = Data(Images(x, y), Images(x, y), ("a", "b"))
    found = {"digits": digits_data(), "colours": data}
    monkeypatch.setattr("jeat.jobs.needs.load_data", found.__getitem__)
    said = fails(compared(suite, outside="colours"), tmp_path)
    assert "--outside colours has images of (3, 32, 32), those of the net are (1, 8, 8)" in said


def digits_data():
    from .conftest import DIGITS

    return DIGITS


@pytest.mark.parametrize(("content", "said"), [(None, "no file"), (b"other", "cannot read")])
def test_the_file_of_inception(tmp_path, content, said):
    file = tmp_path / "inception.pth"
    if content:
        file.write_bytes(content)
    suite = smoke(digits.suite(inception=str(file)))
    error = fails(suite, tmp_path / "out")
    assert said in error
    assert str(file) in error


def test_settings_of_the_last_run(suite, tmp_path):
    def plans(out, seed):
        found = suite.plans(out, seed)
        return found | {"jeat": replace(found["jeat"], objective={"bogus": 1})}

    assert "bogus" in fails(replace(suite, plans=plans), tmp_path)


@pytest.mark.parametrize(
    ("chain", "said"),
    [({"steps": 0}, "at least 1 step"), ({"sampler": "bogus"}, "unknown sampler 'bogus'"),
     ({"start": "bogus"}, "'bogus'"), ({"classes": ("bogus",)}, "no class 'bogus'")],
)  # fmt: skip
def test_settings_of_drawings(suite, tmp_path, chain, said):
    assert said in fails(replace(suite, chain=dict(suite.chain) | chain), tmp_path)


def test_a_last_run_that_was_begun_with_other_settings(suite, tmp_path):
    other = ["--out", str(tmp_path / "seed0/jeat"), "--net", "convnet-4", "--epochs", "0.1"]
    assert main(["train", "normal", *other]) == 0
    assert "was begun with other settings" in fails(suite, tmp_path)


def test_a_measurement_looks_at_its_files_before_it_begins(tmp_path, monkeypatch):
    """jeat measure with the metrics in any order; the first is not measured in vain."""
    from jeat.jobs.measurement import Measurement, measure

    monkeypatch.setattr("jeat.jobs.measurement.subject_of", raising)
    with pytest.raises(SettingError, match="sample_quality needs --judge, or --sample"):
        measure(Measurement("net", ("auto_attack", "sample_quality"), samples="drawn"))
    settings = {"sample_quality": {"inception": str(tmp_path / "nowhere.pth")}}
    m = Measurement("net", ("accuracy", "sample_quality"), settings, samples="drawn")
    with pytest.raises(FileNotFoundError, match="no file of Inception's weights"):
        measure(m)


def test_a_backend_that_only_a_notebook_has_is_none_of_a_commands(tmp_path):
    net = str(tmp_path / "net")
    words = ["train", "normal", "--out", net, "--net", "convnet-4", "--epochs", "0.1"]
    assert main(words) == 0
    done = subprocess.run(
        [sys.executable, "-m", "jeat", "landscape", net, "l.png", "--points", "3"],
        env=os.environ | {"MPLBACKEND": "module://nowhere.backend"},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "l.png").stat().st_size > 0
