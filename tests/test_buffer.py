"""The replay buffer keeps chains going, and restarts a known share of them."""

import pytest
import torch

from jeat.samplers import ReplayBuffer


def ones(n):
    """A restart that can be told from states."""
    return torch.ones(n, 1, 2, 2)


def numbered(size, rho):
    """A buffer whose slot k holds the image k + 2."""
    buffer = ReplayBuffer(ones, size=size, rho=rho)
    slots = torch.arange(size)
    buffer.put(slots, ones(size) * (slots + 2.0).view(-1, 1, 1, 1))
    return buffer


def test_it_is_filled_by_the_restart_law():
    assert torch.equal(ReplayBuffer(ones, size=5).states, ones(5))


@pytest.mark.parametrize("rho", [0.05, 0.5])
def test_restarts_are_binomial(rho):
    """Mean n rho and variance n rho (1 - rho) over many draws, within 4 standard errors."""
    n, draws = 100, 2_000
    buffer = numbered(200, rho)
    restarts = torch.tensor([(buffer.draw(n)[0] == 1).all((1, 2, 3)).sum() for _ in range(draws)])
    restarts, variance = restarts.double(), n * rho * (1 - rho)
    assert abs(restarts.mean() - n * rho) <= 4 * (variance / draws) ** 0.5
    square = (restarts - n * rho).square()
    assert abs(square.mean() - variance) <= 4 * square.std() / draws**0.5


@pytest.mark.parametrize("rho", [0.0, 0.3, 1.0])
def test_slots_are_distinct_and_say_where_a_state_came_from(rho):
    buffer = numbered(50, rho)
    x0, slots = buffer.draw(40)
    assert len(set(slots.tolist())) == 40
    restarted = (x0 == 1).all((1, 2, 3))
    assert torch.equal(x0[~restarted], buffer.states[slots][~restarted])
    assert restarted.float().mean() == rho or 0 < rho < 1


def test_every_slot_is_drawn_equally_often():
    size, n, draws = 20, 5, 4_000
    buffer = numbered(size, 0.0)
    counts = torch.zeros(size)
    for _ in range(draws):
        counts[buffer.draw(n)[1]] += 1
    p = n / size
    assert ((counts - draws * p).abs() <= 4 * (draws * p * (1 - p)) ** 0.5).all()


def test_put_writes_exactly_the_slots_and_drawn_slots_come_back_advanced():
    buffer = numbered(30, 0.0)
    before = buffer.states.clone()
    x0, slots = buffer.draw(10)
    buffer.put(slots, x0 + 0.25)
    rest = torch.ones(30, dtype=torch.bool)
    rest[slots] = False
    assert torch.equal(buffer.states[slots], before[slots] + 0.25)
    assert torch.equal(buffer.states[rest], before[rest])
    again, where = buffer.draw(30)
    assert torch.equal(again, before[where] + 0.25 * ~rest[where].view(-1, 1, 1, 1))


def test_drawing_does_not_write():
    """A restart that is never put back leaves its slot as it was; x0 is no view of it."""
    buffer = numbered(30, 0.5)
    before = buffer.states.clone()
    x0, _ = buffer.draw(30)
    x0.zero_()
    assert torch.equal(buffer.states, before)


def test_put_keeps_no_graph():
    buffer = numbered(3, 0.0)
    buffer.put(torch.tensor([1]), torch.zeros(1, 1, 2, 2, requires_grad=True) * 2)
    assert not buffer.states.requires_grad


def test_it_is_saved_and_restored_exactly():
    saved = ReplayBuffer(lambda n: torch.rand(n, 1, 2, 2), size=20, rho=0.3)
    restored = ReplayBuffer(saved.restart, size=20, rho=0.3)
    restored.load_state_dict(saved.state_dict())
    for buffer in (saved, restored):
        torch.manual_seed(4)
        buffer.drawn = buffer.draw(10)
    assert torch.equal(saved.states, restored.states)
    assert all(torch.equal(a, b) for a, b in zip(saved.drawn, restored.drawn, strict=True))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"size": 0}, "at least 1 slot"),
        ({"rho": -0.1}, r"lie in \[0, 1\]"),
        ({"rho": 1.1}, r"lie in \[0, 1\]"),
        ({"rho": float("nan")}, r"lie in \[0, 1\]"),
    ],
)
def test_bad_settings_are_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        ReplayBuffer(ones, **settings)


def test_more_states_than_slots_cannot_be_drawn():
    with pytest.raises(ValueError, match="cannot draw 6 states from a buffer of 5"):
        ReplayBuffer(ones, size=5).draw(6)
