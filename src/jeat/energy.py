r"""The two energies of a classifier (Sec. 3.1 of Zhu et al., ICCV 2021).

A classifier's logits :math:`f(x)` define (Eq. 12)

.. math:: E(x, y) = -f(x)[y], \qquad E(x) = -\log \sum_k \exp f(x)[k],

so that :math:`p(x) = \exp(-E(x)) / Z` (Eq. 5), :math:`p(x, y) = \exp(-E(x, y)) / Z` (Eq. 7),
softmax is :math:`p(y|x) = \exp(E(x) - E(x, y))` (Eq. 8, 11), and cross-entropy is the difference
of the energies, :math:`\mathcal L(x, y) = E(x, y) - E(x)` (Eq. 13). Low energy means high density:
Langevin chains descend the energy (Eq. 10).
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from jeat._support.learning import warn_in_train_mode
from jeat._support.passes import differentiable, energies_of, leaf, logits_of, normal
from jeat._support.tensors import check_labels, check_logits, full, known_labels

__all__ = [
    "Energy", "cross_entropy", "energy_of", "input_gradient", "joint_energy",
    "loss_of", "marginal_energy", "score",
]  # fmt: skip

Energy = Callable[[Tensor], Tensor]
"""Images (B, C, H, W) -> energies (B,)."""


def joint_energy(logits: Float[Tensor, "b c"], y: Int[Tensor, " b"]) -> Float[Tensor, " b"]:
    """E(x, y) = -f(x)[y] (Eq. 12), per sample, in fp32 or better.

    Raises:
        ValueError: not one label a row, a label outside 0..c-1, or no logits (B, classes).
    """
    logits = _full(logits)
    check_labels(y, logits)
    return -logits.gather(1, normal(y).long()[:, None]).squeeze(1)


def marginal_energy(logits: Float[Tensor, "b c"]) -> Float[Tensor, " b"]:
    """E(x) = -logsumexp_k f(x)[k] (Eq. 12), per sample, in fp32 or better."""
    return -_full(logits).logsumexp(1)


def cross_entropy(logits: Float[Tensor, "b c"], y: Int[Tensor, " b"]) -> Float[Tensor, " b"]:
    """L(x, y) = E(x, y) - E(x) (Eq. 13), per sample."""
    return joint_energy(logits, y) - marginal_energy(logits)


def joint_energy_at(net: nn.Module, x: Tensor, y: Int[Tensor, " b"]) -> Float[Tensor, " b"]:
    """E(x, y) of images: by ``net.joint(x, y)`` where the net has it, else -f(x)[y] (Eq. 12).

    An energy net that is given the class, as in IGEBM, so takes one pass for E(x, y), where its
    logits take one a class.

    Raises:
        ValueError: as :func:`joint_energy`.
    """
    E = energies_of(net, x, y)
    return joint_energy(logits_of(net, x), y) if E is None else full(E)


def energy_of(net: nn.Module, y: Int[Tensor, " b"] | None = None) -> Energy:
    """Close a net into an energy: E(., y) for labels ``y`` (B,), or E(.) without.

    E(., y) is that of :func:`joint_energy_at`. The net runs in the mode it is in, on whatever
    images: those of chains may leave [0, 1]. Whether labels lie in 0..c-1 is looked at in the first
    call, and again once ``y`` was changed in place.

    Warns:
        DoubtWarning: that is train mode, and no training takes a step.
    """
    warn_in_train_mode(net)
    if y is None:
        return lambda x: marginal_energy(logits_of(net, x))
    return _labelled(net, y, joint_energy_at)


def loss_of(net: nn.Module, y: Int[Tensor, " b"]) -> Energy:
    """Close a net into its loss L(., y) = E(., y) - E(.) (Eq. 13), for labels ``y`` (B,).

    As :func:`energy_of`.
    """
    warn_in_train_mode(net)
    return _labelled(net, y, lambda net, x, y: cross_entropy(logits_of(net, x), y))


def _labelled(
    net: nn.Module, y: Tensor, energy: Callable[[nn.Module, Tensor, Tensor], Tensor]
) -> Energy:
    """An energy of a net, images and labels as one of images, whose labels are looked at once."""
    looked: int | None = None

    def of_images(x: Tensor) -> Tensor:
        nonlocal looked
        version = y._version if isinstance(y, Tensor) and not y.is_inference() else 0
        with known_labels(looked == version):
            found = energy(net, x, y)
        looked = version
        return found

    return of_images


def score(energy: Energy, x: Float[Tensor, "b *shape"]) -> Float[Tensor, "b *shape"]:
    """s(x) = -grad_x E(x) (Sec. 4.3), detached; leaves no gradient on any parameter.

    NaN where E(x) is NaN or infinite, and has no gradient.

    Raises:
        ValueError: what the energy gives is not one number a sample that depends on it, and can be
            differentiated.
    """
    with differentiable():
        x = leaf(x)
        E: object = energy(x)
        if not isinstance(E, Tensor) or E.shape != x.shape[:1]:
            got = tuple(E.shape) if isinstance(E, Tensor) else f"a {type(E).__name__}"
            raise ValueError(
                f"an energy takes {tuple(x.shape)} to {tuple(x.shape[:1])}, got {got}: use "
                "jeat.energy.energy_of(net)"
            )
        s = input_gradient(E, x).neg()
    lost = E.detach() * 0  # NaN where it is not finite, else 0
    return s.add_(lost.view(-1, *[1] * (x.dim() - 1)))


def input_gradient(E: Float[Tensor, " b"], x: Float[Tensor, "b *shape"]) -> Tensor:
    """grad_x of the sum of E(x), each of which depends on its own x only.

    Raises:
        ValueError: it does not depend on x.
    """
    gradient = None
    if E.requires_grad:
        (gradient,) = torch.autograd.grad(E.sum(), x, allow_unused=True)
    if gradient is None:
        raise ValueError("the net's logits do not depend on its images: there is no gradient")
    return gradient


def _full(logits: Tensor) -> Tensor:
    """Logits in fp32 or better, when they are logits."""
    check_logits(logits)
    return full(logits)
