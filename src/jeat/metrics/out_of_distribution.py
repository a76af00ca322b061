"""Telling test images from images of none of the classes, by the scores of JEM."""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from jeat._support.checks import quoted
from jeat._support.passes import differentiable, leaf
from jeat._support.tensors import check_finite, check_pixels
from jeat.energy import marginal_energy
from jeat.metrics._column import Column
from jeat.metrics._subject import Subject, logits_of, pieces
from jeat.nets import autocast, evaluating

__all__ = ["Outside", "auroc", "inside_scores", "measure", "out_of_distribution", "outside_of"]

columns = (
    Column("ood_auroc_energy", "AUROC energy", "of -E(x), against interpolated images", "higher"),
    Column("ood_auroc_confidence", "AUROC confidence", "of max p(y|x)", "higher"),
    Column("ood_auroc_gradient", "AUROC gradient", "of -|grad E(x)|", "higher"),
)

needs = ("outside",)
NO_RANK = "scores are NaN or infinite at {} images, which have no rank among others"

Outside = Literal["uniform", "interpolated", "inverted"]


def out_of_distribution(
    net: nn.Module, x: Float[Tensor, "b c h w"], outside: Float[Tensor, "n c h w"]
) -> dict[str, float]:
    """AUROC of each of :func:`inside_scores`: the chance that an image of ``x`` scores higher.

    1 is perfect, 0.5 is chance, below 0.5 the score takes ``outside`` for more typical than ``x``.

    Raises:
        ValueError: no image on one side, images of another shape or outside of [0, 1], logits or
            gradients that are NaN or infinite.
    """
    if not (len(x) and len(outside)) or x.shape[1:] != outside.shape[1:]:
        raise ValueError(
            f"two sets of images of one shape are told apart, got {tuple(x.shape)} and "
            f"{tuple(outside.shape)}"
        )
    x, outside = check_pixels(x), check_pixels(outside).to(x)
    inner, outer = inside_scores(net, x), inside_scores(net, outside)
    return {f"ood_auroc_{name}": auroc(inner[name], outer[name]) for name in inner}


def inside_scores(net: nn.Module, x: Float[Tensor, "b c h w"]) -> dict[str, Float[Tensor, " b"]]:
    r"""Three scores (B,) that are high where images are typical (Grathwohl et al. 2020).

    - ``energy``: log p(x) up to a constant, -E(x).
    - ``confidence``: max_k p(k|x), as its log odds: they have the same order, and do not all
      round to 1 when logits are large.
    - ``gradient``: :math:`-\|\nabla_x E(x)\|_2`, which is 0 at a mode.

    Net in eval mode, fp32.

    Raises:
        ValueError: images outside of [0, 1], logits or gradients that are NaN or infinite.
    """
    x = check_pixels(x)
    found: dict[str, list[Tensor]] = {"energy": [], "confidence": [], "gradient": []}
    with autocast("fp32", x.device), evaluating(net), differentiable():
        for a in torch.split(x, 250):
            a = leaf(a)
            logits = logits_of(net, a)
            E = marginal_energy(logits)
            (g,) = torch.autograd.grad(E.sum(), a)
            top, others = _top_and_others(logits.detach())
            found["energy"].append(-E.detach())
            found["confidence"].append(top - others.logsumexp(1))
            found["gradient"].append(-g.flatten(1).norm(dim=1))
    scores = {name: torch.cat(parts) for name, parts in found.items()}
    check_finite(torch.stack([*scores.values()], 1), NO_RANK)
    return scores


def _top_and_others(logits: Tensor) -> tuple[Tensor, Tensor]:
    top, k = logits.max(1)
    return top, logits.scatter(1, k[:, None], -torch.inf)


def auroc(inside: Float[Tensor, " b"], outside: Float[Tensor, " n"]) -> float:
    """P(a score of ``inside`` > one of ``outside``), a tie counting half, by torchmetrics.

    Raises:
        ValueError: a score that is NaN or infinite: it would count as above all others.
    """
    check_finite(torch.cat([inside, outside]), NO_RANK)
    from torchmetrics.functional.classification import binary_auroc

    # Ranks in [0, 1]: torchmetrics puts other scores through a sigmoid, which makes ties of them.
    levels, ranks = torch.cat([inside, outside]).unique(return_inverse=True)
    is_inside = torch.arange(len(ranks), device=ranks.device) < len(inside)
    return float(binary_auroc(ranks.double() / len(levels), is_inside.long()))


def outside_of(
    x: Float[Tensor, "b c h w"], y: Int[Tensor, " b"], *, kind: Outside
) -> Float[Tensor, "b c h w"]:
    """A stand-in for a second data set: as many images that are of none of the classes.

    - ``"uniform"``: independent U(0, 1) in every pixel. Easy: far from any image.
    - ``"interpolated"``: each image averaged with a random one of another class, as JEM's
      interpolated CIFAR-10. Hard: near to images.
    - ``"inverted"``: 1 - x. Keeps edges and shapes, so a class may still be seen in it.

    Figures against such a set are of that set; they do not say how another data set would do.

    Raises:
        ValueError: an unknown kind, images outside of [0, 1], or of only one class to interpolate.
    """
    x = check_pixels(x)
    if kind == "uniform":
        return torch.rand_like(x)
    if kind == "inverted":
        return 1 - x
    if kind != "interpolated":
        raise ValueError(
            f"unknown kind {quoted(kind)}: use 'uniform', 'interpolated' or 'inverted'"
        )
    if (y == y[:1]).all():
        raise ValueError("interpolated images are of two classes, got images of one")
    other = torch.randint(len(y), y.shape, device=y.device)
    while (same := y[other] == y).any():
        other[same] = torch.randint(len(y), (int(same.sum()),), device=y.device)
    return (x + x[other]) / 2


def measure(subject: Subject) -> dict[str, float]:
    """AUROC of telling test images from ``subject.outside`` by energy, confidence and gradient.

    Raises:
        ValueError: the subject has no images outside.
    """
    if subject.outside is None:
        raise ValueError(
            "out_of_distribution needs images of none of the classes: give Subject(outside=...), "
            "such as of jeat.metrics.outside_of"
        )
    pieces(subject.x, subject.y, 250)
    return out_of_distribution(subject.net, subject.x, subject.outside)
