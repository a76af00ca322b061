"""Chains that keep what is known of an image keep it, and go down as other chains do beside it."""

import pytest
import torch
from torch.nn import functional as F

from jeat._support.plugins import known_parts
from jeat.samplers import BlockMeans, KnownPixels, langevin, last, sampler_of

K = 2
SETTINGS = {"steps": 4, "step_size": 0.3, "noise": 0.05}


def rand(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


IMAGE = rand(3, 8, 6)
MASK = rand(8, 6) > 0.4
SETS = {"known pixels": KnownPixels(IMAGE, MASK), "block means": BlockMeans.of(IMAGE, K)}
START = torch.rand(5, 3, 8, 6, generator=torch.Generator().manual_seed(2)) * 3 - 1


def down(x):
    """An energy whose chains leave [0, 1]."""
    return ((x - 2.0).square() + x.sin() * x.roll(1, 3)).flatten(1).sum(1)


def kept(name, x):
    if name == "known pixels":
        assert torch.equal(x[..., MASK], IMAGE[:, MASK].expand_as(x[..., MASK]))
    else:
        means = F.avg_pool2d(x.double(), K)
        assert (means - F.avg_pool2d(IMAGE.double(), K)).abs().max() <= 1e-6
    assert float(x.min()) >= 0
    assert float(x.max()) <= 1


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("sampler", known_parts("samplers"))
def test_every_state_of_every_sampler_keeps_what_is_known(sampler, name):
    torch.manual_seed(0)
    chain = sampler_of(sampler, **SETTINGS, bounds=SETS[name])
    states = list(chain(down, START))
    assert len(states) == SETTINGS["steps"]
    for x in states:
        kept(name, x)
    assert (states[-1] - states[0]).abs().max() > 1e-3


@pytest.mark.parametrize("name", SETS)
def test_states_are_taken_to_the_nearest_images_that_agree(name):
    """P(x) is the nearest point of a convex set: <x - P(x), z - P(x)> <= 0 of all z in it."""
    nearest = SETS[name](START)
    kept(name, nearest)
    assert torch.allclose(SETS[name](nearest), nearest, atol=1e-6)
    for z in (IMAGE.expand_as(START), SETS[name](rand(5, 3, 8, 6)), SETS[name](-START)):
        assert ((START - nearest) * (z - nearest)).flatten(1).sum(1).max() <= 1e-4


def test_missing_pixels_move_as_without_a_mask():
    E, how = (lambda x: (x - 0.4).square().flatten(1).sum(1)), {"steps": 6, "step_size": 0.1}
    free = last(langevin(E, START.clamp(0, 1), **how, noise=0.0, bounds=(0, 1)))
    held = last(langevin(E, START.clamp(0, 1), **how, noise=0.0, bounds=SETS["known pixels"]))
    assert torch.equal(held[..., ~MASK], free[..., ~MASK])


def test_a_state_that_is_not_finite_is_refused_in_a_set_as_well():
    with pytest.raises(ValueError, match="NaN or infinite"):
        last(langevin(lambda x: (x * torch.nan).flatten(1).sum(1), START, steps=1, step_size=1.0,
                      bounds=SETS["known pixels"]))  # fmt: skip


@pytest.mark.parametrize("name", SETS)
def test_a_smooth_start_agrees_and_is_a_constant_where_all_that_is_known_is(name):
    kept(name, SETS[name].smooth()[None])
    grey = torch.full((1, 7, 5), 0.3)
    known = torch.zeros(7, 5, dtype=torch.bool)
    known[2, 1] = True
    assert torch.allclose(KnownPixels(grey.where(known, 0.0), known).smooth(), grey)
    assert torch.allclose(BlockMeans(grey, 4).smooth(), torch.full((1, 28, 20), 0.3), atol=1e-6)


def test_missing_pixels_are_smooth_from_side_to_side():
    """Between black and white halves the filling grows from one to the other."""
    ramp = torch.zeros(1, 8, 16)
    ramp[..., 10:] = 1
    known = torch.ones(8, 16, dtype=torch.bool)
    known[:, 5:11] = False
    filled = KnownPixels(ramp, known).smooth()[0, 4]
    assert filled.diff().min() >= -1e-6
    assert 0.2 < float(filled[5:11].mean()) < 0.8


@pytest.mark.usefixtures("unchecked")
def test_sets_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"one truth a pixel, \(8, 6\)"):
        KnownPixels(IMAGE, MASK.T)
    with pytest.raises(ValueError, match="in \\[0, 1\\]"):
        KnownPixels(IMAGE * 2, MASK)
    with pytest.raises(ValueError, match="a side of 1 or more, got 0"):
        BlockMeans(IMAGE, 0)
    with pytest.raises(ValueError, match="make no images"):
        BlockMeans(IMAGE, 3)(START)
