"""Images become one checked uint8 tensor; batches and augmentation lose and invent nothing."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from jeat._support.evenly import evenly
from jeat.data import Data, Images, augment, batches, from_arrays
from jeat.metrics._subject import spread

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (5, 6, 6), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (5, 3, 6, 6), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 1, 0])


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (GREY, GREY[:, None]),
        (GREY[:, None], GREY[:, None]),
        (GREY[..., None], GREY[:, None]),
        (COLOUR, COLOUR),
        (COLOUR.transpose(0, 2, 3, 1), COLOUR),
        (COLOUR[:, :, ::-1], COLOUR[:, :, ::-1]),
        (GREY / 255, GREY[:, None]),
        ((COLOUR / 255).astype(np.float32), COLOUR),
        ((GREY / 255).astype(np.float16), GREY[:, None]),
        ((GREY / 255).astype(">f8"), GREY[:, None]),
    ],
)
def test_arrays_in_every_usual_layout_keep_their_pixels(images, expected):
    read = from_arrays(images, LABELS)
    assert read.x.dtype == torch.uint8
    assert torch.equal(read.x, torch.from_numpy(expected.copy()))
    assert read.y.tolist() == LABELS.tolist()


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, ">i4", np.uint64])
def test_labels_of_every_integer_type_become_int64(dtype):
    read = from_arrays(GREY, LABELS.astype(dtype), ("a", "b", "c"))
    assert read.y.dtype == torch.int64
    assert read.y.tolist() == LABELS.tolist()


def bad_pixel(value):
    images = GREY / 255
    images[3, 2, 1] = value
    return images


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        (bad_pixel(np.nan), LABELS, "finite"),
        (bad_pixel(np.inf), LABELS, "finite"),
        (bad_pixel(1.01), LABELS, r"lie in \[0, 1\]"),
        (bad_pixel(-0.01), LABELS, r"lie in \[0, 1\]"),
        (GREY.astype(float), LABELS, r"lie in \[0, 1\]"),
        (GREY.astype(np.int64), LABELS, "uint8 or floats"),
        (GREY > 100, LABELS, "uint8 or floats"),
        (GREY.astype(complex), LABELS, "uint8 or floats"),
        (GREY.astype(object), LABELS, "uint8 or floats"),
        (np.zeros((5, 3, 6, 1), np.uint8), LABELS, "which axis"),
        (np.zeros((5, 2, 6, 6), np.uint8), LABELS, "C = 1 or 3"),
        (np.zeros((5, 6, 6, 4), np.uint8), LABELS, "C = 1 or 3"),
        (GREY[0], LABELS, "C = 1 or 3"),
        (COLOUR[None], LABELS, "C = 1 or 3"),
        (GREY[:0], LABELS[:0], "C = 1 or 3"),
        (GREY, LABELS[:4], "5 whole numbers"),
        (GREY, LABELS[:, None], "5 whole numbers"),
        (GREY, LABELS.astype(float), "5 whole numbers"),
        (GREY, LABELS.astype(str), "5 whole numbers"),
        (GREY, LABELS > 0, "5 whole numbers"),
        (GREY, LABELS - 1, r"lie in 0\.\.2, got -1\.\.1"),
        (GREY, LABELS + 1, r"lie in 0\.\.2, got 1\.\.3"),
    ],
)
def test_arrays_that_are_not_labelled_images_are_refused(images, labels, said):
    with pytest.raises(ValueError, match=said):
        from_arrays(images, labels, ("a", "b", "c"))


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (np.zeros((5, 0, 0), np.uint8), LABELS),
        (GREY, np.array([0, 1, 2, 1, 2**63 + 5], np.uint64)),  # wraps to a negative label
    ],
    ids=["no pixels", "uint64"],
)
def test_arrays_that_hold_nothing_or_cannot_be_held_are_refused(images, labels):
    with pytest.raises(ValueError, match=r"images|labels"):
        from_arrays(images, labels)


def test_floats_are_pixels_over_255():
    images = from_arrays(GREY, LABELS)
    x, y = images.floats()
    assert torch.equal(x, images.x / 255)
    assert torch.equal(y, images.y)
    assert len(images) == len(images.floats(7)[0]) == 5


def test_some_images_of_a_sorted_set_are_of_every_class_alike():
    labels = torch.arange(10).repeat_interleave(40)
    images = Images(torch.zeros(400, 1, 2, 2, dtype=torch.uint8), labels)
    for n in (10, 50, 200, 400):
        assert torch.bincount(images.floats(n)[1]).tolist() == [n // 10] * 10


def of_labels(y):
    return Images(torch.zeros(len(y), 1, 1, 1, dtype=torch.uint8), torch.as_tensor(y))


def rows_of(y, n):
    """Which rows are taken of images whose only pixel is their row."""
    assert len(y) <= 256
    x = torch.arange(len(y), dtype=torch.uint8)[:, None, None, None]
    return (Images(x, torch.as_tensor(y)).floats(n)[0].flatten() * 255).round().long().tolist()


@pytest.mark.parametrize("n", [2, 3, 8, 10, 32, 50, 100, 300, 500])
@pytest.mark.parametrize("classes", [2, 4, 5, 10])
def test_some_images_of_labels_that_come_in_turn_are_of_every_class_alike(classes, n):
    y = torch.arange(1000) % classes
    counts = torch.bincount(of_labels(y).floats(n)[1], minlength=classes)
    if n % classes == 0 and 1000 % n == 0:
        assert counts.tolist() == [n // classes] * classes
    assert (counts - n / classes).abs().max() <= max(1, 3 * (n / classes) ** 0.5)
    assert len(counts.nonzero()) > min(n, classes) // 2


def test_classes_in_turn_are_in_their_shares_and_spread_over_each_class():
    y = [0, 1, 0, 2] * 50
    assert of_labels(y).floats(40)[1].bincount().tolist() == [20, 10, 10]
    assert of_labels(y).floats(50)[1].bincount().tolist() == [25, 13, 12]
    assert rows_of(y, 10) == [0, 1, 3, 40, 65, 80, 103, 120, 133, 160]


@given(st.lists(st.integers(1, 30), min_size=1, max_size=8), st.data())
def test_some_images_of_a_sorted_set_or_all_of_any_are_spread_evenly_over_it(counts, data):
    y = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    n = data.draw(st.integers(1, len(y)))
    assert rows_of(y.flip(0), n) == rows_of(y, n) == [i * len(y) // n for i in range(n)]
    shuffled = y[torch.randperm(len(y), generator=torch.Generator().manual_seed(n))]
    assert rows_of(shuffled, len(y)) == list(range(len(y)))


@pytest.mark.parametrize("n", [50, 100, 200, 1000, 2000])
def test_some_images_in_random_order_are_spread_evenly_over_it(n):
    order = torch.randperm(10_000, generator=torch.Generator().manual_seed(1))
    y = (torch.arange(10_000) % 10)[order]
    assert torch.equal(evenly(y, n), torch.arange(n) * 10_000 // n)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.data())
def test_a_selection_has_n_rows_once_each_in_order_and_classes_near_their_shares(y, data):
    n = data.draw(st.integers(1, len(y)))
    rows = rows_of(y, n)
    assert len(rows) == n
    assert rows == sorted({*rows})
    whole, found = (torch.tensor(v).bincount(minlength=4) for v in (y, [y[i] for i in rows]))
    p = whole / len(y)
    error = (n * p * (1 - p) * (len(y) - n) / max(len(y) - 1, 1)).sqrt()
    assert ((found - n * p).abs() <= (3 * error).clamp(min=1) + 1e-4).all()


def test_metrics_take_some_images_as_measurements_do():
    y = torch.arange(1000) % 10
    x = torch.rand(1000, 1, 1, 1)
    found = spread(x, y, 100)
    assert found[1].bincount().tolist() == [10] * 10
    assert torch.equal(found[0], x[evenly(y, 100)])


def test_data_knows_the_shape_of_an_image():
    images = from_arrays(COLOUR, LABELS)
    assert Data(images, images, ("a", "b", "c")).shape == (3, 6, 6)


def test_augment_of_nothing_is_the_identity():
    x = torch.rand(4, 3, 5, 5)
    assert torch.equal(augment(x, pad=0, flip=False), x)


@pytest.mark.parametrize("pad", [1, 2])
def test_a_crop_is_each_window_of_the_reflected_image_equally_often(pad):
    """One window an image, all channels alike; counts within 4 standard errors of Binomial."""
    n, p = 6_000, 1 / (2 * pad + 1) ** 2
    image = torch.rand(2, 5, 5)
    padded = F.pad(image[None], (pad,) * 4, mode="reflect")[0]
    windows = padded.unfold(1, 5, 1).unfold(2, 5, 1).permute(1, 2, 0, 3, 4).reshape(-1, 50)
    crops = augment(image.expand(n, 2, 5, 5), pad=pad, flip=False).reshape(n, 50)
    is_window = (crops[:, None] == windows[None]).all(2)
    assert (is_window.sum(1) == 1).all()
    assert ((is_window.sum(0) - n * p).abs() <= 4 * (n * p * (1 - p)) ** 0.5).all()


def test_every_image_keeps_its_own_pixels():
    """Image i is the constant i: no crop or flip mixes images."""
    x = torch.arange(50.0).view(-1, 1, 1, 1).expand(50, 3, 6, 6) / 50
    assert torch.equal(augment(x, pad=2, flip=True), x)


def test_a_flip_mirrors_left_and_right_half_of_the_time():
    n = 10_000
    x = torch.rand(n, 3, 4, 4)
    out = augment(x, pad=0, flip=True)
    flipped = (out == x.flip(3)).all((1, 2, 3))
    assert torch.equal(out[~flipped], x[~flipped])
    assert abs(int(flipped.sum()) - n / 2) <= 4 * (n / 4) ** 0.5


N = 103
NUMBERED = Images(torch.arange(N, dtype=torch.uint8).view(N, 1, 1, 1), torch.arange(N))


def order(**how):
    """The images' numbers, batch by batch."""
    settings = {"seed": 0, "epoch": 0} | how
    return [batch.y.tolist() for batch in batches(NUMBERED, 10, **settings)]


def test_an_epoch_visits_every_image_once_up_to_the_short_rest():
    seen = order()
    assert [len(batch) for batch in seen] == [10] * 10
    assert len({i for batch in seen for i in batch}) == 100


def test_a_batch_is_images_over_255_with_their_own_labels():
    for batch in batches(NUMBERED, 10, seed=0, epoch=0):
        torch.testing.assert_close(batch.x.flatten() * 255, batch.y.float())


def test_skip_resumes_exactly_whatever_the_global_generator_did():
    whole = order()
    for skip in range(12):
        torch.manual_seed(skip)
        np.random.seed(skip)
        assert order(skip=skip) == whole[skip:]


def test_seeds_and_epochs_have_their_own_orders():
    orders = [order(seed=seed, epoch=epoch) for seed in range(3) for epoch in range(3)]
    assert all(a != b for i, a in enumerate(orders) for b in orders[:i])


def test_over_epochs_every_image_is_left_out_as_often():
    """The rest of 3 in 103 falls on all images alike: Binomial(epochs, 3 / 103)."""
    epochs, p = 2_000, 3 / N
    visits = torch.zeros(N)
    for epoch in range(epochs):
        for batch in batches(NUMBERED, 50, seed=0, epoch=epoch):
            visits[batch.y] += 1
    left_out = epochs - visits
    assert ((left_out - epochs * p).abs() <= 4 * (epochs * p * (1 - p)) ** 0.5).all()
