"""Contrast, saturation and total variation of images where they are known."""

import math

import pytest
import torch

from jeat.metrics import Subject, find, image_statistics


def test_a_chessboard_a_ramp_and_grey_have_known_statistics():
    board = (torch.arange(8)[:, None] + torch.arange(8)).remainder(2).float().expand(5, 3, -1, -1)
    assert image_statistics(board) == {"contrast": 0.5, "saturated": 1, "total_variation": 1}
    ramp = (torch.arange(1, 9) * 20 / 255).expand(5, 3, 8, 8)  # differences along, none down
    found = image_statistics(ramp)
    assert found["total_variation"] == pytest.approx(10 / 255)
    assert found["contrast"] == pytest.approx(20 / 255 * math.sqrt(63 / 12))
    assert found["saturated"] == 0
    none = {"contrast": 0, "saturated": 0, "total_variation": 0}
    assert image_statistics(torch.full((2, 1, 4, 4), 0.6)) == pytest.approx(none)


def test_uniform_noise_has_its_deviation_and_mean_difference():
    """1 / sqrt 12 and 1 / 3; a 255th is at an end, by rounding."""
    x = torch.rand(200, 1, 32, 32)
    found, n = image_statistics(x), x.numel()
    assert found["contrast"] == pytest.approx(12**-0.5, abs=4 * (1 / 180 / n) ** 0.5 * 12**0.5)
    assert found["total_variation"] == pytest.approx(1 / 3, abs=4 * (1 / n) ** 0.5)
    assert found["saturated"] == pytest.approx(1 / 255, abs=4 * (1 / 255 / n) ** 0.5)


def test_pixels_are_rounded_to_8_bits_and_those_at_either_end_are_saturated():
    x = torch.full((1, 1, 10, 10), 0.5)
    x[..., :2, :] = 0.4 / 255
    x[..., 5, :] = 1 - 0.4 / 255
    x[..., 6, :] = 1 - 0.6 / 255
    assert image_statistics(x)["saturated"] == pytest.approx(0.3)


def test_contrast_is_of_all_images_together():
    x = torch.cat([torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)])
    assert image_statistics(x)["contrast"] == 0.5


def test_samples_stand_beside_test_images():
    x, samples = torch.rand(9, 1, 8, 8), torch.rand(20, 1, 8, 8) / 2
    subject = Subject(torch.nn.Identity(), x, torch.zeros(9).long(), samples=samples)
    real = {f"{name}_real": value for name, value in image_statistics(x).items()}
    assert find("image_statistics")(subject) == image_statistics(samples) | real


@pytest.mark.usefixtures("unchecked")
def test_images_without_neighbours_are_refused_in_a_line():
    with pytest.raises(ValueError, match=r"^image_statistics takes images of 2 x 2[^\n]*$"):
        image_statistics(torch.rand(3, 1, 1, 8))
