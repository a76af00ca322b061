"""Whether training runs away: seen within a few iterations, from figures that it has anyway."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from jeat.training.plan import Recovery

__all__ = ["DivergenceError", "Health", "check_finite"]


class DivergenceError(FloatingPointError):
    """Training ran away; the message says what was seen, and when."""


class Health(nn.Module):
    """What was seen of a run so far; its state is part of a checkpoint, so that it resumes exactly.

    Args:
        limits: what counts as running away.
    """

    streak: Tensor
    best: Tensor
    rollbacks: Tensor

    def __init__(self, limits: Recovery) -> None:
        super().__init__()
        self.limits = limits
        self.register_buffer("streak", torch.zeros((), dtype=torch.int64))
        self.register_buffer("best", torch.zeros((), dtype=torch.float64))
        self.register_buffer("rollbacks", torch.zeros((), dtype=torch.int64))

    def see(self, figures: Mapping[str, float], iteration: int, *, last: bool = False) -> None:
        """Look at an iteration before its step is made.

        Args:
            figures: ``loss``, ``gradient_norm``, ``loss_px``, ``saturated`` and mean energies
                ``E_...``, those that there are.
            iteration: its number, for the message.
            last: there is no other to wait for.

        Raises:
            DivergenceError: one of them is not finite, or one was beyond its limit for
                ``limits.patience`` iterations in a row.
        """
        check_finite(figures, iteration)
        beyond = [
            f"{name} {value:.3g} is beyond {limit:g}"
            for name, value in figures.items()
            if abs(value) > (limit := self._limit(name))
        ]
        self.streak.copy_(self.streak + 1 if beyond else torch.zeros_like(self.streak))
        if beyond and (last or self.streak >= self.limits.patience):
            raise DivergenceError(
                f"{beyond[0]} at iteration {iteration}, in {int(self.streak)} iterations running"
            )

    def see_attacked(self, accuracy: float, images: int, iteration: int) -> None:
        """Look at the accuracy under PGD of a few images, always the same ones.

        Raises:
            DivergenceError: it is NaN, as the net's logits are, or it fell to less than half of the
                best so far, by more than four standard errors: catastrophic overfitting to the
                attack of training (Wong et al. 2020).
        """
        check_finite({"accuracy under PGD": accuracy}, iteration)
        best = float(self.best)
        p = (best + accuracy) / 2
        error = math.sqrt(2 * p * (1 - p) / images)
        if accuracy < best / 2 and best - accuracy > 4 * error:
            raise DivergenceError(
                f"accuracy under PGD fell from {best:.3g} to {accuracy:.3g} on {images} images at "
                f"iteration {iteration}: overfitting to the attack of training"
            )
        self.best.fill_(max(best, accuracy))

    def _limit(self, name: str) -> float:
        own = {
            "gradient_norm": "max_gradient", "loss_px": "max_gap", "saturated": "max_saturated",
        }  # fmt: skip
        if name in own:
            return self.limits.limit(own[name])
        is_energy = name == "loss" or name.startswith("E_")
        return self.limits.limit("max_energy") if is_energy else math.inf


def check_finite(figures: Mapping[str, float], iteration: int) -> None:
    """Refuse a figure that is not finite.

    Raises:
        DivergenceError: there is one.
    """
    for name, value in figures.items():
        if not math.isfinite(value):
            raise DivergenceError(f"{name} became {value} at iteration {iteration}")
