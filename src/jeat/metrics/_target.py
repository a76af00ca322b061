"""Which class a targeted attack goes towards, by its name or by the image's own."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from jeat._support.checks import SettingError, quoted
from jeat._support.passes import normal
from jeat.metrics._subject import logits_of, pieces
from jeat.nets import autocast, evaluating

__all__ = ["aimed"]


@torch.no_grad()
def aimed(
    net: nn.Module, x: Tensor, y: Tensor, target: str, *, classes: Sequence[str] | None = None
) -> tuple[Tensor, Tensor]:
    """Which images can be attacked towards ``target``, (N,), and for each of these the class, (M,).

    Args:
        net: takes images in [0, 1], gives logits.
        x, y: images and their labels.
        target: ``"least-likely"``, the class of the smallest logit but the label's (Kurakin et al.
            2017); ``"next"``, the label's number and 1, and 0 after the last; or a class by its
            name, which its own images are not attacked towards.
        classes: names; without, numbers from 0.

    Raises:
        SettingError: no such class.
        ValueError: all images are of that class, or they and their labels do not fit.
    """
    parts = pieces(x, y, 500)
    with autocast("fp32", x.device), evaluating(net):
        logits = torch.cat([logits_of(net, a, b) for a, b in parts])
    y, every = normal(y).long(), torch.ones(len(y), dtype=torch.bool, device=y.device)
    if target == "least-likely":
        return every, logits.scatter(1, y[:, None], torch.inf).argmin(1)
    if target == "next":
        return every, (y + 1) % logits.shape[1]
    names = list(classes) if classes is not None else [str(k) for k in range(logits.shape[1])]
    if target not in names:
        raise SettingError(
            f"no class {quoted(target)} to attack towards: use least-likely, next or one of "
            f"{', '.join(names)}"
        )
    others = y != names.index(target)
    if not others.any():
        raise ValueError(f"all images are of class {target}: none can be attacked towards it")
    return others, torch.full_like(y[others], names.index(target))
