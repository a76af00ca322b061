"""Pictures and tables show what they are given."""

import numpy as np
import pytest
import torch
from PIL import Image

from jeat.report import grid, panels, table


def test_a_grid_holds_each_image_in_its_place():
    images = torch.rand(5, 3, 40, 40)
    picture = np.asarray(grid(images, columns=3))
    assert picture.shape == (2 * 42 + 2, 3 * 42 + 2, 3)
    known = (images * 255).round().byte().permute(0, 2, 3, 1).numpy()
    between = np.ones(picture.shape, bool)
    for i, (row, column) in enumerate([(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]):
        top, left = 2 + 42 * row, 2 + 42 * column
        assert (picture[top : top + 40, left : left + 40] == known[i]).all()
        between[top : top + 40, left : left + 40] = False
    assert (picture[between] == picture[0, 0, 0]).all()


def test_small_grey_images_are_enlarged_by_a_whole_factor():
    images = torch.rand(1, 1, 8, 8)
    picture = np.asarray(grid(images, columns=1, gap=0))
    assert picture.shape == (32, 32, 3)
    assert (picture[::4, ::4, 1] == (images[0, 0] * 255).round().byte().numpy()).all()


def test_panels_hold_each_picture_whole():
    pictures = {name: Image.new("RGB", (50, 30), name) for name in ("red", "lime", "blue", "gold")}
    canvas = np.asarray(panels(pictures, columns=3))
    for name, picture in pictures.items():
        colour = np.asarray(picture)[0, 0]
        assert (canvas == colour).all(2).sum() == 50 * 30, name


@pytest.mark.parametrize(
    "draw",
    [
        lambda: grid(torch.rand(0, 1, 8, 8), columns=2),
        lambda: grid(torch.rand(2, 1, 8, 8), columns=0),
        lambda: panels({}),
    ],
)
def test_a_picture_of_nothing_is_refused(draw):
    with pytest.raises(ValueError, match=r"needs? "):
        draw()


def test_a_table_is_markdown_with_the_first_rows_columns():
    lines = table([{"a": "x", "b": 0.12345}, {"a": "long", "c": 3}]).splitlines()
    assert lines[0] == "| a    | b     |"
    assert lines[1] == "|------|-------|"
    assert lines[2:] == ["| x    | 0.123 |", "| long |       |"]
