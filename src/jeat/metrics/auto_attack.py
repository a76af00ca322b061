"""Accuracy under AutoAttack (Croce and Hein 2020), by the attacks of pyautoattack."""

from collections.abc import Sequence

from jaxtyping import Float, Int
from torch import Tensor, nn

from jeat.attacks import Norm
from jeat.metrics._column import Column
from jeat.metrics._ensemble import STANDARD, classes_of, left_by_ensemble, standard_attacks
from jeat.metrics._subject import Subject
from jeat.nets import Precision

__all__ = ["auto_attack", "measure", "standard_attacks"]

_FEW = "on few images and seeds"
columns = (
    Column("auto_attack", "AutoAttack", f"the standard set, {_FEW}", "higher", share=True),
    Column("apgd-ce+apgd-dlr+fab-t+square", "AutoAttack of 3 classes", _FEW, "higher", share=True),
    Column("apgd-ce+fab-t+square", "AutoAttack of 2 classes", _FEW, "higher", share=True),
    Column("apgd-ce", "APGD-CE", f"the first part only, {_FEW}", "higher", share=True),
    Column("*", "a part of AutoAttack", f"named by its attacks, {_FEW}", "higher", share=True),
)

expensive = True
means_over_images = True
robustness = True


def auto_attack(
    net: nn.Module,
    x: Float[Tensor, "b c h w"],
    y: Int[Tensor, " b"],
    *,
    eps: float = 8 / 255,
    norm: Norm = "linf",
    attacks: Sequence[str] | None = None,
    batch_size: int = 250,
    seed: int | None = None,
    precision: Precision = "auto",
) -> float:
    """The share of images that stay classified as their label under each attack of an ensemble.

    ``apgd-ce``, ``apgd-dlr`` and ``apgd-t`` are 100 steps of PGD with step sizes that adapt, on
    cross-entropy, on the difference-of-logits ratio and on that ratio for each other class;
    ``fab-t`` looks for the nearest boundary to each other class; ``square`` makes 5000 queries
    without gradients. The ratio does not change with the scale of the logits. An image that one
    attack, or one target of it, fools is not given to the next. Before the standard set, PGD of 10
    steps on cross-entropy and towards each of the 3 next classes takes most of what falls at all.

    In l1 the standard (Croce and Hein 2021) has 5 restarts of ``apgd-ce`` and 5 targets of
    ``apgd-t``, and both come from balls of 3 and 2 times ``eps`` into that of ``eps``.

    Attacks search in ``precision``. An image has fallen where the net, in fp32, classifies its
    attacked image, which is in the ball, otherwise. One that falls in bf16 only, or whose
    margin comes below a sixteenth of its largest logit, is given to that attack or target again, in
    fp32; and after a standard set in bf16, PGD is repeated in fp32 on what is left. Net in eval
    mode; it must not be random.

    Args:
        net: takes images in [0, 1], gives logits.
        x, y: images and their labels.
        eps: radius of the ball, in pixel units.
        norm: ``"linf"``, ``"l1"`` or ``"l2"``.
        attacks: which to run, by name; by default :func:`standard_attacks`. The nine other
            classes of the largest logits are the targets, or all, where there are fewer; in l1,
            five are those of ``apgd-t``.
        batch_size: images a pass.
        seed: of each attack; by default drawn from torch's generator. That generator is else left
            as it was.
        precision: of the search; auto is bf16 where that is faster.

    Raises:
        ValueError: images outside [0, 1], labels that do not fit, ``eps`` negative or infinite or
            above 1 in linf, an unknown norm or attack, one that needs more classes than the net
            has, or images in which ``square`` cannot start in l1 and l2, below 5 pixels or of
            24 x 24.
        NotFiniteError: logits or gradients that are NaN or infinite; a ValueError.
    """
    stay = left_by_ensemble(
        net, x, y, eps=eps, norm=norm, attacks=attacks, batch_size=batch_size, seed=seed,
        precision=precision,
    )  # fmt: skip
    return float(stay.float().mean())


def measure(
    subject: Subject,
    *,
    eps: float = 8 / 255,
    norm: Norm = "linf",
    attacks: str | None = None,
    batch_size: int = 250,
    precision: Precision = "auto",
) -> dict[str, float]:
    """Accuracy under AutoAttack: ``auto_attack``, if all of the standard set was run.

    Else the figure is named by what was run, such as ``apgd-ce+apgd-t``; also where a net has too
    few classes for the standard set.

    Args:
        eps: radius of the ball, in [0, 1] pixels.
        norm: linf, l1 or l2.
        attacks: a part of it, such as apgd-ce+apgd-t; null is the standard set.
        batch_size: images a pass.
        precision: of the search, what it finds is looked at in fp32; auto is bf16 where that is
            faster.
    """
    names = (
        attacks.split("+")
        if attacks
        else standard_attacks(classes_of(subject.net, subject.x, subject.y))
    )
    value = auto_attack(
        subject.net, subject.x, subject.y,
        eps=eps, norm=norm, attacks=names, batch_size=batch_size, precision=precision,
    )  # fmt: skip
    return {"auto_attack" if set(names) == set(STANDARD) else "+".join(names): value}
