"""AutoAttack's search: pyautoattack's attacks in an order of ours, on the images that are left.

The order is what makes it fast. Cheap attacks come first, so that images which fall to them are
not given to the long ones. An attack with targets takes one after the other, and an image that
falls leaves before the next. The search may be in bf16: whatever it finds counts only where it
holds in fp32, and an image that an attack brings near another class, but not over, is given to it
again in fp32.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from pyautoattack import AutoAttack  # type: ignore[import-untyped]
from torch import Tensor, nn

from jeat._support.progress import tell
from jeat._support.tensors import check_finite
from jeat.attacks import Norm, length, pgd
from jeat.metrics._subject import logits_of, margin
from jeat.nets import Precision, autocast, evaluating

__all__ = ["Search", "Step"]

_FORWARD, _GRADIENT = 1, 3  # what passes take, about
_CHEAP_STEPS, _CHEAP_TARGETS = 10, 3
_ROUNDING = 1e-5  # of x + delta, which is within eps before it is rounded
_NEAR = 2**-4  # of the largest logit: a margin which bf16, at 2^-9 an operation, may hide

Attack = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Images, labels and, of each image, the classes by falling logit -> attacked images.

Where an attack does not succeed, it gives what came nearest to it, if it has that.
"""


@dataclass(frozen=True)
class Step:
    """An attack that every image left is given, about what it takes an image, and which restart."""

    name: str
    attack: Attack
    cost: int
    restart: int = 0


class Finite(nn.Module):
    """f in fp32 logits, refused where they or its input gradients are not finite.

    pyautoattack takes no heed: the sign of NaN is 0, so its attacks would stand still. The net
    alone runs in ``precision``, as distances and projections need fp32.
    """

    def __init__(self, net: nn.Module, dtype: torch.dtype, precision: Precision) -> None:
        super().__init__()
        self.net, self.dtype, self.precision = net, dtype, precision
        self.training = False  # the net's mode is its user's to choose

    def forward(self, x: Tensor) -> Tensor:
        if x.requires_grad:
            x = x.view_as(x)
            x.register_hook(self._check)
        with autocast(self.precision, x.device):
            return logits_of(self.net, x.to(self.dtype)).to(x.dtype)

    @staticmethod
    def _check(gradient: Tensor | None) -> None:
        if gradient is None:  # as behind a quantised layer
            raise ValueError("the net's logits do not depend on its images: there is no gradient")
        check_finite(
            gradient,
            "the net's input gradients are NaN or infinite at {} images: no attack can follow them",
        )


@dataclass
class Search:
    """Which images are ``left``, and what each attack is given of them.

    Attributes:
        net: takes images in [0, 1], gives logits.
        x, y: images in fp32, and their labels.
        dtype: of the images that the net takes.
        eps, norm: the ball.
        batch_size: images a pass.
        seed: of each attack.
        precision: what attacks run in, ``"fp32"`` or ``"bf16"``.
    """

    net: nn.Module
    x: Tensor
    y: Tensor
    dtype: torch.dtype
    eps: float
    norm: Norm
    batch_size: int
    seed: int
    precision: Precision
    left: Tensor = field(init=False)
    done: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._seen = Finite(self.net, self.dtype, self.precision)
        parts = zip(self.x.split(self.batch_size), self.y.split(self.batch_size), strict=True)
        with torch.no_grad(), autocast("fp32", self.x.device), evaluating(self.net):
            logits = torch.cat([logits_of(self.net, x.to(self.dtype), y) for x, y in parts])
        self.left = logits.argmax(1) == self.y
        self._ranked = logits.argsort(1, descending=True)

    def take(self, steps: Sequence[Step]) -> None:
        """Give every image that is left to one step after the other."""
        for i, step in enumerate(steps):
            for at in self._places():
                if len(near := self._attack(step, at, self.precision)):
                    self._attack(step, near, "fp32")
                self.done += step.cost * len(at)
                stay = int(self.left.sum())
                rest = stay * sum(s.cost for s in steps[i + 1 :])
                note = f"{stay} of {len(self.y)} images left, {step.name}"
                tell("AutoAttack", self.done, self.done + rest, note)

    def _places(self) -> tuple[Tensor, ...]:
        """Where the images that are left lie, a batch each."""
        at = self.left.nonzero().squeeze(1)
        return at.split(self.batch_size) if len(at) else ()

    def _attack(self, step: Step, at: Tensor, precision: Precision) -> Tensor:
        """Take out the images that fall; where others came near to it in another precision."""
        x, y, device = self.x[at], self.y[at], self.x.device
        torch.manual_seed(self.seed + step.restart)
        self._seen.precision = precision
        with autocast(precision, device), evaluating(self.net), autocast("fp32", device):
            x_adv = step.attack(x, y, self._ranked[at])
            with torch.no_grad():
                fooled = self._seen(x_adv).argmax(1) != y
        inside = length(x_adv - x, self.norm) <= self.eps * (1 + _ROUNDING) + 1e-6
        with torch.no_grad(), autocast("fp32", device), evaluating(self.net):
            logits = logits_of(self.net, x_adv.to(self.dtype), y)
        stays = logits.argmax(1) == y
        self.left[at] = stays | ~inside
        near = fooled | (margin(logits, y) <= _NEAR * logits.abs().amax(1))
        return at[stays & inside & near] if precision != "fp32" else at[:0]

    def cheap(self, classes: int) -> list[Step]:
        """Short attacks of PGD: on cross-entropy, and towards each of the next classes."""
        how: Any = {
            "eps": self.eps, "steps": _CHEAP_STEPS, "step_size": self.eps / 4, "norm": self.norm,
        }  # fmt: skip

        def untargeted(x: Tensor, y: Tensor, ranked: Tensor) -> Tensor:
            return pgd(self._seen, x, y, early_exit=True, **how)

        def towards(k: int, x: Tensor, y: Tensor, ranked: Tensor) -> Tensor:
            def lead(f: Tensor, y: Tensor) -> Tensor:
                at = torch.stack((ranked[:, k], y), 1)
                return f.gather(1, at).diff().squeeze(1).neg()

            return pgd(self._seen, x, y, loss=lead, **how)

        cost = _CHEAP_STEPS * _GRADIENT
        targets = range(1, min(_CHEAP_TARGETS, classes - 1) + 1)
        aimed = [Step(f"PGD, target {k}", partial(towards, k), cost) for k in targets]
        return [Step("PGD", untargeted, cost), *aimed]

    def steps(self, name: str, classes: int, queries: int | None) -> list[Step]:
        """Those of a part of AutoAttack: one, or one a target."""
        how = {"norm": self.norm.capitalize(), "eps": self.eps, "seed": self.seed}
        whole = AutoAttack(self._seen, device=self.x.device, **how)
        if name == "square":
            if queries is not None:
                whole.square.n_queries, whole.square.rescale_schedule = queries, True
            return [Step(name, partial(_square, whole.square), _FORWARD * whole.square.n_queries)]
        if name == "fab-t":
            cost = whole.fab.n_iter * (_GRADIENT + _FORWARD)
            return _aimed(name, partial(_fab, whole.fab), cost, whole.fab, classes)
        if name == "apgd-t":
            aimed = whole.apgd_targeted
            return _aimed(name, partial(_apgd, aimed), aimed.n_iter * _GRADIENT, aimed, classes)
        whole.apgd.loss = name.removeprefix("apgd-")
        run, cost = partial(_apgd, whole.apgd, None), whole.apgd.n_iter * _GRADIENT
        return [Step(name, run, cost, i) for i in range(whole.apgd.n_restarts)]


def _aimed(name: str, run: Any, cost: int, attack: Any, classes: int) -> list[Step]:
    """A step a target: the next classes by logit, as many as the attack takes and there are."""
    targets = range(1, min(attack.n_target_classes, classes - 1) + 1)
    return [Step(f"{name} {k}", partial(run, k), cost) for k in targets]


def _apgd(attack: Any, k: int | None, x: Tensor, y: Tensor, ranked: Tensor) -> Tensor:
    """APGD, towards the class of the (k + 1)-th largest logit, if k is given.

    In l1, from larger balls into smaller ones, in the standard's three stages.
    """
    attack.init_hyperparam(x)
    attack.y_target = None if k is None else ranked[:, k]
    if attack.use_largereps:
        stages = [math.ceil(0.3 * attack.n_iter_orig)] * 2
        stages.append(attack.n_iter_orig - sum(stages))
        radii = [by * attack.eps_orig for by in (3.0, 2.0, 1.0)]
        best, stays, _, x_adv = attack.decr_eps_pgd(x, y, radii, stages)
    else:
        best, stays, _, x_adv = attack.attack_single_run(x, y)
    whole: Tensor = best.where(stays.bool().view(-1, 1, 1, 1), x_adv)
    return whole


def _fab(attack: Any, k: int, x: Tensor, y: Tensor, ranked: Tensor) -> Tensor:
    """FAB towards the class of the (k + 1)-th largest logit."""
    attack.target_class = k + 1
    with torch.no_grad():
        x_adv: Tensor = attack.attack_single_run(x, y, is_targeted=True)
    return x_adv


def _square(attack: Any, x: Tensor, y: Tensor, ranked: Tensor) -> Tensor:
    """Square, to the image of the least margin that it found."""
    attack.init_hyperparam(x)
    _, best = attack.attack_single_run(x, y)
    whole: Tensor = best
    return whole
