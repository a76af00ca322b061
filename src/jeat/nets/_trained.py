"""What the file of a net says of its training: the plan, and the ball that it was trained for."""

from typing import Any

from torch import nn

from jeat._support.passes import bare

__all__ = ["ball_of", "plan_of"]

_USUAL = 8 / 255, "linf"


def plan_of(net: nn.Module) -> dict[str, Any]:
    """How a net was trained; nothing, where its file does not say."""
    about: Any = getattr(bare(net), "about", None) or {}
    return dict(about.get("plan") or {})


def ball_of(net: nn.Module) -> tuple[float, str]:
    """The radius and the norm that a net was trained for, else those of its evaluations.

    The usual ball, 8/255 in linf, where its file does not say.
    """
    plan = plan_of(net)
    own = plan.get("objective") or {}
    eps = own.get("eps", plan.get("eps", _USUAL[0]))
    return float(eps), str(own.get("norm", plan.get("eps_norm", _USUAL[1])))
