"""Accuracy on common corruptions (Hendrycks and Dietterich 2019)."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from jeat._support.checks import DoubtWarning, SettingError, quoted
from jeat._support.progress import tell
from jeat._support.tensors import check_pixels
from jeat.data.corruptions import (
    KINDS,
    SEVERITIES,
    check_kinds,
    check_seed,
    corrupted,
    possible_kinds,
)
from jeat.metrics._column import Column
from jeat.metrics._subject import Subject, pieces, right, spread
from jeat.nets import autocast, evaluating

__all__ = ["corruption_accuracy", "measure"]

columns = (
    Column("corruption_accuracy", "corruptions", "mean of fifteen, five severities", "higher"),
    *(
        Column(f"corruption_{kind}", kind.replace("_", " "), "mean over severities", "higher")
        for kind in KINDS
    ),
)

expensive = True
counted_in = "corruption_images"


def check(settings: Mapping[str, Any]) -> None:
    """Check which kinds, severities and seed are asked for, before any work.

    Raises:
        SettingError: unknown ones, frost without its photographs, or a seed below 0.
    """
    _kinds(settings.get("kinds"))
    _severities(settings.get("severities", "+".join(map(str, SEVERITIES))))
    check_seed(settings.get("seed", 0))


def corruption_accuracy(
    net: nn.Module,
    x: Float[Tensor, "b c h w"],
    y: Int[Tensor, " b"],
    *,
    kinds: Sequence[str] | None = None,
    severities: Sequence[int] = SEVERITIES,
    seed: int = 0,
) -> dict[str, float]:
    r"""Accuracy under each corruption, a mean over severities: :math:`\frac{1}{S} \sum_s a_{k, s}`.

    The images are those of :func:`jeat.data.corruptions.corrupted`. Net in eval mode, fp32.

    Args:
        net, x, y: as :func:`jeat.metrics.accuracy`.
        kinds: names of :data:`jeat.data.corruptions.KINDS`; by default all, without frost where
            its photographs are not installed.
        severities: of 1 to 5.
        seed: of what corruptions draw.

    Raises:
        ValueError: as :func:`jeat.metrics.accuracy` and :func:`jeat.data.corruptions.corrupted`.
    """
    kinds = possible_kinds() if kinds is None else kinds
    check_kinds(kinds)
    x, found = check_pixels(x), {}
    with torch.no_grad(), autocast("fp32", x.device), evaluating(net):
        for i, kind in enumerate(kinds):
            tell("corruptions", i, len(kinds), kind)
            counts = [
                int(right(net, a, b).sum())
                for s in severities
                for a, b in pieces(corrupted(x, kind, s, seed=seed), y, 500)
            ]
            found[kind] = sum(counts) / (len(y) * len(severities))
        tell("corruptions", len(kinds), len(kinds))
    return found


def measure(
    subject: Subject,
    *,
    kinds: str | None = None,
    severities: str = "1+2+3+4+5",
    images: int = 1000,
    seed: int = 0,
) -> dict[str, float]:
    """Accuracy under each common corruption, ``corruption_KIND``, and the mean over them.

    The mean is ``corruption_accuracy`` where it is that of the fifteen at five severities, else
    ``corruption_accuracy_of_N``, N corruptions. Frost needs photographs: it is left out, and a
    warning says so, where the extra jeat[corruptions] is not installed.

    Args:
        kinds: such as fog+gaussian_noise; null is all of them.
        severities: such as 1+3+5.
        images: largest number of test images, spread evenly; each costs 75 passes.
        seed: of what corruptions draw; the same for every net, whatever the measurement's seed.
    """
    names, levels = _kinds(kinds), _severities(severities)
    if kinds is None and names != KINDS:
        left = ", ".join(kind for kind in KINDS if kind not in names)
        warnings.warn(
            f"corruptions are {len(names)} of the {len(KINDS)}, without {left}, whose photographs "
            "are not installed: pip install 'jeat[corruptions]'",
            DoubtWarning,
            stacklevel=1,
        )
    x, y = spread(subject.x, subject.y, images)
    found = corruption_accuracy(subject.net, x, y, kinds=names, severities=levels, seed=seed)
    whole = set(names) == set(KINDS) and set(levels) == set(SEVERITIES)
    mean = "corruption_accuracy" if whole else f"corruption_accuracy_of_{len(names)}"
    return {
        mean: sum(found.values()) / len(found),
        **{f"corruption_{kind}": value for kind, value in found.items()},
        "corruption_images": float(len(x)),
    }


def _kinds(kinds: str | None) -> tuple[str, ...]:
    """Names of kinds, each once."""
    if kinds is None:
        return possible_kinds()
    names = tuple(dict.fromkeys(kinds.split("+")))
    check_kinds(names)
    return names


def _severities(severities: str) -> tuple[int, ...]:
    """Severities, each once."""
    known = {str(s): s for s in SEVERITIES}
    words = dict.fromkeys(str(severities).split("+"))
    if any(word not in known for word in words):
        raise SettingError(f"severities are some of 1 to 5, as 1+3+5, got {quoted(severities)}")
    return tuple(known[word] for word in words)
