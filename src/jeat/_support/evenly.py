"""Which images stand for all of them: spread evenly, with the classes in their shares."""

import torch
from jaxtyping import Int
from torch import Tensor

__all__ = ["evenly", "rounded"]


def evenly(y: Int[Tensor, " n"], n: int) -> Int[Tensor, " m"]:
    r"""Rows of ``n`` of N labelled images, in order: spread evenly over all, or within each class.

    Evenly over all is :math:`\lfloor iN/n \rfloor` for i = 0, ..., n - 1. Of a set that is sorted
    by class these have each class in its share, :math:`np` of it where a share p of all images
    is of the class; of one in random order they nearly have. Of labels that come in turn they may
    be of one class. So they are taken where the set is sorted by class, and where both hold:

    - of each class their number is within 3 standard errors of :math:`np`, or within 1,
      :math:`\sqrt{np(1 - p)(N - n)/(N - 1)}` being the error of a draw at random;
    - they are of more than half of the classes that the other selection is of.

    Else :math:`np` of each class are taken, rounded by largest remainders (of equal ones that of
    the lower class), and spread evenly over the images of the class.

    Args:
        y: labels.
        n: how many rows, 1 to N.
    """
    total = len(y)
    at = torch.arange(n, device=y.device) * total // n
    of, counts = y.cpu().unique(return_inverse=True, return_counts=True)[1:]
    runs = 1 + int((of[1:] != of[:-1]).sum())
    if n == total or runs == len(counts):
        return at
    due = n * counts.double() / total
    error = (due * (1 - due / n) * (total - n) / (total - 1)).sqrt()
    found, wanted = of[at.cpu()].bincount(minlength=len(counts)), rounded(counts, n)
    near = (found - due).abs() <= (3 * error).clamp(min=1)
    if near.all() and 2 * int((found > 0).sum()) > int((wanted > 0).sum()):
        return at
    rows = [
        (of == k).nonzero()[:, 0][torch.arange(m) * count // m]
        for k, (m, count) in enumerate(zip(wanted.tolist(), counts.tolist(), strict=True))
        if m
    ]
    return torch.cat(rows).sort().values.to(y.device)


def rounded(counts: Tensor, n: int) -> Tensor:
    """``n`` shared out in the proportions of ``counts``, by largest remainders."""
    shares, total = n * counts, int(counts.sum())
    whole = shares // total
    order = (shares % total).argsort(descending=True, stable=True)
    whole[order[: n - int(whole.sum())]] += 1
    return whole
