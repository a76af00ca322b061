"""The ball of a comparison: what attacks are told of it, and how it is said."""

from typing import Any

from jeat._support.signatures import signature_of
from jeat.attacks import check_ball

__all__ = ["ball_in_words", "settings_of_ball"]


def settings_of_ball(metric: str, eps: float, norm: str) -> dict[str, Any]:
    """Radius, norm, and steps of eps / 4, of those that a metric takes; none where it attacks not.

    A metric whose eps is 0 attacks only where it is told to.

    Raises:
        SettingError: there is no such ball.
    """
    check_ball(eps, norm)
    own = {flag.name: flag.default for flag in signature_of("metrics", metric).flags}
    ball = {"eps": eps, "norm": norm, "step_size": eps / 4} if own.get("eps") else {}
    return {k: v for k, v in ball.items() if k in own}


def ball_in_words(eps: float, norm: str) -> str:
    """Its radius, norm and unit."""
    return f"eps {eps:.4g} ({norm}, [0, 1] pixels)"
