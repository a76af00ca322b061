"""Attacks: ``(net, x, y) -> x_adv``, images (B, C, H, W) in [0, 1] in and out.

An attack climbs an energy of the net inside a small ball around x (``attacks/balls.py``). It needs
only the net's input gradient, leaves no gradient on the parameters and does not touch train/eval
mode: outside of training it warns of train mode. ``eps`` is in pixel units whatever the net's
normalisation. Gradients that are NaN or infinite are refused; in training, x_adv is NaN there, and
counts as diverged. Bind settings with ``functools.partial``.
"""

from collections.abc import Callable

from torch import Tensor, nn

from jeat.attacks._settings import AttackLoss, Climbed, GradAt, check_attack, doubt_reach
from jeat.attacks.balls import Norm, check_ball, length
from jeat.attacks.counterfactual import Counterfactual, counterfactual
from jeat.attacks.pgd import fgsm, fgsm_rs, pgd

__all__ = [
    "Attack", "AttackLoss", "Climbed", "Counterfactual", "GradAt", "Norm", "check_attack",
    "check_ball", "counterfactual", "doubt_reach", "fgsm", "fgsm_rs", "length", "pgd",
]  # fmt: skip

Attack = Callable[[nn.Module, Tensor, Tensor], Tensor]
