"""The balls in which robustness is measured, and what is said where they are not one."""

from collections.abc import Mapping, Sequence
from typing import Any

from jeat._support.plugins import constant_of, part_name
from jeat._support.signatures import signature_of
from jeat.metrics.gradient_masking import measure as measure_masking

__all__ = ["MASKING", "Ball", "balls_of", "of_several_balls"]

Ball = Mapping[str, Any]
"""``eps``, in [0, 1] pixels, and ``norm``, where it has one."""

MASKING = part_name(measure_masking, "metrics")


def balls_of(
    metrics: Sequence[str], settings: Mapping[str, Mapping[str, Any]], *, check: bool
) -> dict[str, Ball]:
    """The ball of each metric that has one, by its settings and defaults.

    Args:
        metrics: that are measured.
        settings: of each, by name.
        check: whether signs of masking are looked for beside them, in the ball of the first metric
            of robustness.
    """
    found: dict[str, Ball] = {}
    for name in metrics:
        defaults = {f.name: f.default for f in signature_of("metrics", name).flags}
        if "eps" in defaults and ("norm" in defaults or constant_of("metrics", name, "robustness")):
            whole = defaults | dict(settings.get(name, {}))
            if whole["eps"] != 0:  # which is no attack
                found[name] = {k: whole[k] for k in ("eps", "norm") if k in whole}
    robust = [name for name in found if constant_of("metrics", name, "robustness")]
    if check and robust and MASKING not in metrics:
        found[MASKING] = found[robust[0]]
    return found


def of_several_balls(balls: Mapping[str, Ball]) -> list[str]:
    """A line where metrics are measured in balls that differ: which is in which."""
    said = {name: " ".join(f"{k} {_plain(v)}" for k, v in b.items()) for name, b in balls.items()}
    if len({tuple(b.items()) for b in balls.values() if b}) < 2:
        return []
    each = "; ".join(f"{name} {where}" for name, where in said.items() if where)
    return [f"figures of different balls stand side by side, and do not compare: {each}"]


def _plain(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
