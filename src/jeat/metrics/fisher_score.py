r"""Joint and marginal Fisher scores (Sec. 4.3): how well :math:`\nabla \log p` matches the data's.

.. math:: J = \tfrac12 \|\nabla_x E\|^2 - \operatorname{tr} \nabla_x^2 E

with E(x, y) for the joint (Eq. 23) and E(x) for the marginal score (Eq. 24; Hyvarinen 2005): the
Fisher divergence (Eq. 21, 22) less what does not depend on the net.
A score is in [0, 1] pixels; it is 4 times smaller in [-1, 1].
"""

import warnings
from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from jeat._support.checks import MOST_STEPS, SettingError, is_whole, quoted
from jeat._support.passes import leaf, twice_differentiable
from jeat._support.progress import tell
from jeat._support.tensors import check_finite, check_pixels
from jeat.energy import Energy
from jeat.metrics._column import Column
from jeat.metrics._subject import Subject, finite_energy_of, logits_of, pieces
from jeat.nets import autocast, evaluating, is_piecewise_linear

__all__ = ["fisher_score", "fisher_terms", "mean_terms", "measure"]

columns = (
    Column("jfs", "JFS", "joint Fisher score", "lower"),
    Column("jfs_gradient", "JFS gradient term", "1/2 |grad E(x, y)|^2"),
    Column("jfs_trace", "JFS trace term", "tr Hess E(x, y), which is taken off"),
    Column("mfs", "MFS", "marginal Fisher score", "lower"),
    Column("mfs_gradient", "MFS gradient term", "1/2 |grad E(x)|^2"),
    Column("mfs_trace", "MFS trace term", "tr Hess E(x), which is taken off"),
)

means_over_images = True

MANY = 1000  # products an image, of an exact score
DERIVATIVES = (
    "derivatives of the energy are NaN or infinite at {} images: they have no Fisher score"
)


def fisher_score(
    net: nn.Module,
    x: Float[Tensor, "b c h w"],
    y: Int[Tensor, " b"] | None = None,
    *,
    probes: int | None = None,
) -> Float[Tensor, " b"]:
    """J per sample: Eq. 23 with labels ``y``, Eq. 24 without.

    Args:
        net: takes images in [0, 1]; it is run in eval mode.
        x: images in [0, 1].
        y: labels, or None for the marginal score.
        probes: None is exact: C backward passes where the net is known to be piecewise linear
            (tr Hess f_y = 0 almost everywhere), else one Hessian-vector product per pixel, with a
            warning and a bar where these are more than 1000.
            A number is Hutchinson's estimate with that many Rademacher probes.

    Raises:
        ValueError: ``probes`` below 1, images outside of [0, 1], labels that do not fit, logits
            or derivatives that are NaN or infinite, a net that autograd cannot differentiate twice.
    """
    gradient, trace = fisher_terms(net, x, y, probes=probes)
    return gradient - trace


def fisher_terms(
    net: nn.Module,
    x: Float[Tensor, "b c h w"],
    y: Int[Tensor, " b"] | None = None,
    *,
    probes: int | None = None,
) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
    """The two terms of J, 1/2 ||grad E||^2 and tr Hess E, per sample; as :func:`fisher_score`."""
    if probes is not None and not is_whole(probes, 1, MOST_STEPS):
        raise SettingError(
            f"Hutchinson's estimate takes at least 1 probe and at most 1e9, got "
            f"probes={quoted(probes)}"
        )
    x = check_pixels(x)
    with autocast("fp32", x.device), evaluating(net), twice_differentiable():
        if probes is None and is_piecewise_linear(net, x):
            terms = _closed_form(net, x, y)
        else:
            terms = _by_products(finite_energy_of(net, y), x, probes)
    check_finite(torch.stack(terms, 1), DERIVATIVES)
    return terms


def _closed_form(net: nn.Module, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
    """Logits linear around x: with g_k = grad f_k, p = softmax f and m = sum_k p_k g_k,

    E(x, y) has gradient -g_y and no Hessian; E(x) has gradient -m and
    tr Hess = -(sum_k p_k ||g_k||^2 - ||m||^2).
    """
    x = leaf(x)
    if y is not None:
        (g,) = torch.autograd.grad(finite_energy_of(net, y)(x).sum(), x)
        return _half_square(g), x.new_zeros(len(x))
    logits = logits_of(net, x)
    p = logits.detach().softmax(1)
    m, mean_square = torch.zeros_like(x), x.new_zeros(len(x))
    for k in range(logits.shape[1]):
        (g,) = torch.autograd.grad(logits[:, k].sum(), x, retain_graph=True)
        m += p[:, k].view(-1, 1, 1, 1) * g
        mean_square += p[:, k] * 2 * _half_square(g)
    return _half_square(m), 2 * _half_square(m) - mean_square


def _by_products(E: Energy, x: Tensor, probes: int | None) -> tuple[Tensor, Tensor]:
    """Any energy: tr Hess as a sum over pixels, or over random probes v, of v^T Hess v."""
    x = leaf(x)
    (g,) = torch.autograd.grad(E(x).sum(), x, create_graph=True)
    trace = x.new_zeros(len(x))
    if g.requires_grad:  # else E is linear in x
        for v in _shown(_directions(x, probes), x, probes):
            (Hv,) = torch.autograd.grad(
                g, x, v, retain_graph=True, allow_unused=True, materialize_grads=True,
                is_grads_batched=True,
            )  # fmt: skip
            trace += (v * Hv).flatten(2).sum((0, 2)).detach()
    return _half_square(g.detach()), trace / (probes or 1)


def _directions(x: Tensor, probes: int | None) -> Iterator[Tensor]:
    """Directions (m, B, C, H, W): each pixel's in turn, or ``probes`` of random signs."""
    d = x[0].numel()
    for some in torch.arange(probes or d, device=x.device).split(_at_once(x)):
        if probes is None:
            v = F.one_hot(some, d).to(x.dtype).view(-1, 1, *x.shape[1:])
            yield v.expand(-1, *x.shape)
        else:
            yield torch.randint(2, (len(some), *x.shape), device=x.device).to(x.dtype) * 2 - 1


def _shown(directions: Iterator[Tensor], x: Tensor, probes: int | None) -> Iterator[Tensor]:
    """The directions; where they are each of many pixels, with a warning before and a bar."""
    d = x[0].numel()
    if probes is not None or d <= MANY:
        return directions
    warnings.warn(
        f"the net is not known to be piecewise linear: its exact Fisher score takes {d} "
        f"Hessian-vector products an image, {d * len(x)} in all; probes=10 estimates it by 10",
        stacklevel=1,
    )
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    seen = console.is_terminal or console.is_jupyter
    total = -(-d // _at_once(x))
    return iter(track(directions, "Fisher score", total, console=console, disable=not seen))


def _at_once(x: Tensor) -> int:
    """How many directions: with all images about 128 products, enough to fill a machine, little
    enough for its caches.
    """
    return max(1, 128 // len(x))


def _half_square(g: Tensor) -> Tensor:
    return g.flatten(1).square().sum(1) / 2


def mean_terms(
    net: nn.Module, x: Tensor, y: Tensor, *, probes: int | None
) -> tuple[dict[str, tuple[float, float]], int]:
    """Mean terms of the joint (``jfs``) and the marginal score (``mfs``), and how many probes, 0
    for exact scores; ``probes`` as of :func:`measure`.
    """
    with evaluating(net):
        many = x.shape[1:].numel() > MANY
        if probes is None and many and not is_piecewise_linear(net, x[:1]):
            probes = 10
    found = {}
    for name, joint in (("jfs", True), ("mfs", False)):
        terms, done = [], 0 if joint else len(y)
        for a, b in pieces(x, y, 100):
            terms.append(fisher_terms(net, a, b if joint else None, probes=probes))
            done += len(b)
            tell("Fisher scores", done, 2 * len(y))
        gradient, trace = (float(torch.cat(part).mean()) for part in zip(*terms, strict=True))
        found[name] = gradient, trace
    return found, probes or 0


def measure(subject: Subject, *, probes: int | None = None) -> dict[str, float]:
    """Mean joint and marginal Fisher score over (image, true label), and their terms.

    ``fisher_probes`` is the number of Hutchinson probes, 0 for exact scores.

    Args:
        probes: Hutchinson probes; null is exact for piecewise linear nets and images of up to 1000
            values, and 10 probes where an exact score would take more products than that.
    """
    terms, taken = mean_terms(subject.net, subject.x, subject.y, probes=probes)
    figures: dict[str, float] = {"fisher_probes": float(taken)}
    for name, (gradient, trace) in terms.items():
        figures |= {name: gradient - trace, f"{name}_gradient": gradient, f"{name}_trace": trace}
    return figures
