"""The ball of an attack as the page asks for it: its norm, and eps in the unit that is usual."""

import math
from dataclasses import dataclass
from typing import Any

from jeat._support.checks import SettingError, quoted
from jeat.app.given import Given, number
from jeat.nets import ball_of

__all__ = ["BALLS", "Ball", "asked", "first_ball", "lengths"]


@dataclass(frozen=True)
class Ball:
    """How the page asks for the radius of a ball.

    Attributes:
        parts: into which the range of pixels is cut; eps is a number of them.
        most: of eps.
        step: from one eps to the next.
        usual: eps, where a net does not say it.
        said: what eps is.
    """

    parts: int
    most: float
    step: float
    usual: float
    said: str

    def length(self, value: float) -> str:
        """A length in the words of a command."""
        return f"{value:g}/{self.parts}" if self.parts > 1 else f"{value:g}"


BALLS = {
    "linf": Ball(255, 64, 0.5, 8, "eps, in 255ths of the range of pixels"),
    "l2": Ball(1, 16, 0.05, 0.5, "eps, pixel L2"),
    "l1": Ball(1, 128, 0.5, 12, "eps, pixel L1"),
}


def lengths(norm: object, eps: object, steps: int) -> tuple[float, float]:
    """The radius and a step in the parts of a ball, in as many digits as a command says."""
    if not isinstance(norm, str) or norm not in BALLS:
        raise SettingError(f"choose a norm of the list, got {quoted(norm)}")
    radius = float(f"{number('eps', eps, 0, BALLS[norm].most):g}")
    return radius, math.ceil(round(1000 * radius / min(steps, 4), 3)) / 1000


def first_ball(given: Given, net: object, norm: str | None = None) -> tuple[str, float]:
    """The norm and eps that a net was trained for; of another norm, the usual eps."""
    eps, own = ball_of(given.net(net))
    norm = norm or (own if own in BALLS else next(iter(BALLS)))
    ball = BALLS[norm]
    if norm != own or not eps:
        return norm, ball.usual
    return norm, min(float(f"{eps * ball.parts:.4g}"), ball.most)


def asked(norm: str) -> dict[str, Any]:
    """How a slider asks for eps."""
    return {"step": BALLS[norm].step, "label": BALLS[norm].said}
