"""What samplers share: a chain's last state, its settings as a value, a sampler by name."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import Tensor

from jeat._support.checks import SettingError, check_not_negative, is_whole, quoted
from jeat._support.plugins import Part, find, name_of, settings_of
from jeat._support.signatures import check_takes, complete
from jeat.energy import Energy

__all__ = ["Chain", "Sampler", "last", "sampler_of"]

Sampler = Callable[[Energy, Tensor], Iterator[Tensor]]
"""An energy and first states (B, ...) -> the states after them."""


@dataclass(frozen=True)
class Chain:
    """How a net draws its images where it is not told otherwise; the defaults are JEM's.

    Attributes:
        steps: length of the chain.
        step_size: factor of the gradient.
        noise: standard deviation of a step's noise; None is sqrt(2 step_size).
        sampler: by name.
        settings: further ones of the sampler, by name.
    """

    steps: int = 150
    step_size: float = 0.25
    noise: float | None = 0.005
    sampler: str = "langevin"
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_not_negative(step_size=self.step_size, noise=self.noise or 0)
        if "name" in self.settings:
            raise SettingError("a sampler is named by Chain.sampler, and not among its settings")
        if not is_whole(self.steps, 1) or self.steps > 100_000 or not self.step_size:
            raise SettingError(f"no chain draws by {self.steps} steps of {self.step_size}")


def sampler_of(part: Part, **usual: Any) -> Sampler:
    """A sampler by name, with its settings bound.

    A sampler is a function ``(E, x, *, ...)``; its keyword-only arguments are its settings.

    Args:
        part: name of a file of ``jeat.samplers`` or ``package.module:function``, or such a name
            with settings.
        usual: ``steps``, ``step_size`` and the like, which the caller has settings for; the
            sampler is given those that it takes, and the part may not say otherwise.

    Raises:
        SettingError: no such sampler, or a setting that it does not take or that the caller gives.
    """
    name = name_of(part)
    function = find("samplers", name, "sampler")
    takes = inspect.signature(function).parameters
    own = complete(
        function, dict(settings_of(part)), whose=f"sampler {name!r}", group="sampler", given=usual
    )
    if empty := [k for k, v in own.items() if v is inspect.Parameter.empty]:
        raise SettingError(f"sampler {name!r} needs a value for its setting {empty[0]}")
    settings = {k: v for k, v in usual.items() if k in takes} | own
    check_takes(function, f"sampler {name!r}", "E", "x", **settings)
    return partial(function, **settings)


def last(states: Iterable[Tensor], like: Tensor | None = None) -> Tensor:
    """The final state of a chain, keeping one at a time.

    Args:
        states: of a sampler.
        like: its first states, where all are to have their shape.

    Raises:
        ValueError: the chain yields nothing, or something else than such states.
    """
    state = None
    if not isinstance(states, Iterable):
        raise ValueError(f"a sampler must yield states, it gives {quoted(states)}")
    for state in states:
        if not isinstance(state, Tensor) or (like is not None and state.shape != like.shape):
            got = tuple(state.shape) if isinstance(state, Tensor) else f"a {type(state).__name__}"
            raise ValueError(
                "a sampler must yield states of the shape of its first ones"
                + ("" if like is None else f", {tuple(like.shape)}")
                + f", got {got}"
            )
    if state is None:
        raise ValueError("an empty chain has no last state")
    return state
