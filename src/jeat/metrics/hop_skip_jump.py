"""HopSkipJump (Chen et al. 2020), a black box by labels alone, by foolbox."""

import importlib.util
import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from jeat._support.checks import NotFiniteError, SettingError, quoted
from jeat._support.passes import normal
from jeat._support.progress import tell
from jeat.attacks import check_ball, length
from jeat.metrics._column import Column
from jeat.metrics._subject import Subject, checked, logits_of, pieces, right, spread
from jeat.nets import autocast, evaluating

__all__ = ["hop_skip_jump", "measure"]

Ball = Literal["linf", "l2"]  # that foolbox has it for

columns = (
    Column(
        "hop_skip_jump", "HopSkipJump", "a black box by labels, few images", "higher", share=True
    ),
    Column("hop_skip_jump_distance", "distance of flip", "median, by HopSkipJump", "higher"),
)

expensive = True
counted_in = "hop_skip_jump_images"

_FIRST_PASSES = 100  # of the first estimate of a gradient; of the k-th, times the root of k
_SEARCH = 20  # passes of a step besides, to find its length and the boundary, about
_STARTS = 200  # test images among which a start is looked for
_DRAWN = 64  # images of noise to start from, and as many of one colour
_VALUES = 2**25  # of noise that an estimate holds, over all images of a batch


class Labels(nn.Module):
    """The label that a net gives, as one-hot logits: no score and no gradient comes through.

    Attributes:
        passes: images that were asked about.
        expected: about how many will be, for those who wait.
    """

    def __init__(self, net: nn.Module, like: Tensor) -> None:
        super().__init__()
        self._ask: Callable[[Tensor], Tensor] = lambda x: logits_of(net, x.to(like.dtype))
        self.training = False  # the net's mode is its user's to choose
        self.passes, self.expected = 0, 0

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        self.passes += len(x)
        if self.expected:
            tell("HopSkipJump", min(self.passes, self.expected), self.expected)
        logits = self._ask(x.detach())
        return nn.functional.one_hot(logits.argmax(1), logits.shape[1]).float()


def check(settings: Mapping[str, Any]) -> None:
    """Check that foolbox is installed, before any work.

    Raises:
        SettingError: it is not.
    """
    if importlib.util.find_spec("foolbox") is None:
        raise SettingError("HopSkipJump needs foolbox: pip install 'jeat[attacks]'")


def hop_skip_jump(
    net: nn.Module,
    x: Float[Tensor, "b c h w"],
    y: Int[Tensor, " b"],
    *,
    norm: Ball = "linf",
    steps: int = 32,
    starts: Float[Tensor, "n c h w"] | None = None,
) -> tuple[Float[Tensor, " b"], float]:
    r"""How far from each image the nearest point is that the attack finds of another label.

    From a point of another label it goes to the boundary by bisection, estimates the boundary's
    normal there by labels of points around it,

    .. math:: \hat g = \frac{1}{n} \sum_i \phi(x' + \delta u_i)\, u_i, \quad \phi = \pm 1,

    takes a step along it, or its sign in linf, and bisects again. A distance is an upper bound of
    the true one. The point counts where the net, in fp32, gives another label than y. foolbox
    scales estimates by all images of a batch together: here each is scaled by itself.

    Args:
        net: takes images in [0, 1], gives logits, of which the attack sees the largest's place.
        x, y: images and their labels. Net in eval mode, fp32; it must not be random.
        norm: of distances, ``"linf"`` or ``"l2"``.
        steps: estimates. The k-th takes 100 sqrt(k) passes an image.
        starts: images among which the start lies, the nearest of another label; by default ``x``.
            Their negatives, noise and single colours are tried, too.

    Returns:
        Distances, 0 where the image is wrong as it is, and how many passes were made an image that
        was right.

    Raises:
        SettingError: foolbox is not installed, an unknown norm, ``steps`` below 1.
        ValueError: images or labels that do not fit; a net that gives one label whatever it sees,
            or that is random.
        NotFiniteError: logits that are NaN or infinite; a ValueError.
    """
    check({})
    if norm not in ("linf", "l2"):
        raise SettingError(f"unknown norm {quoted(norm)}: use 'linf' or 'l2'")
    if steps < 1:
        raise SettingError(f"HopSkipJump takes at least 1 step, got steps={quoted(steps)}")
    ((x, y),) = pieces(x, y)
    x32, y = normal(x).float().contiguous(), normal(y).long()
    labels = Labels(net, x)
    distances = torch.zeros(len(x), device=x.device)
    with autocast("fp32", x.device), evaluating(net), torch.no_grad():
        parts = zip(x.split(500), y.split(500), strict=True)
        at = torch.cat([right(net, *part) for part in parts]).nonzero().squeeze(1)
        pool = _pool(labels, x32 if starts is None else starts.to(x32))
        passes = [int(_FIRST_PASSES * math.sqrt(k + 1)) for k in range(steps)]
        labels.passes, labels.expected = 0, len(at) * sum(n + _SEARCH for n in passes)
        largest = passes[-1] * x[0].numel()
        for part in at.split(max(1, _VALUES // largest)) if len(at) else ():
            begun = _begin(x32[part], y[part], *pool)
            found = _attack(labels, x32[part], y[part], begun, norm, steps)
            fooled = ~right(net, found.to(x.dtype), y[part])
            reach = length(found.to(x.dtype).float() - x32[part], norm)
            distances[part] = reach.where(fooled, torch.inf)
    return distances, labels.passes / max(1, len(at))


def _pool(labels: Labels, x: Tensor) -> tuple[Tensor, Tensor]:
    """Images to start from, and the labels that the net gives them."""
    channels, *size = x.shape[1:]
    noise = x.new_empty(_DRAWN, channels, *size).uniform_()
    flat = x.new_empty(_DRAWN, channels, 1, 1).uniform_().expand_as(noise)
    pool = torch.cat([x, 1 - x, noise, flat])
    return pool, torch.cat([labels(part).argmax(1) for part in pool.split(500)])


def _begin(x: Tensor, y: Tensor, pool: Tensor, given: Tensor) -> Tensor:
    """For each image, the nearest of the pool that the net gives another label."""
    far = torch.cdist(x.flatten(1), pool.flatten(1)).where(given != y[:, None], torch.inf)
    nearest = far.min(1)
    if not nearest.values.isfinite().all():
        raise ValueError(
            "HopSkipJump has nowhere to start from: the net gives the same label to all images, "
            "their negatives, noise and single colours"
        )
    return pool[nearest.indices]


def _attack(labels: Labels, x: Tensor, y: Tensor, begun: Tensor, norm: Ball, steps: int) -> Tensor:
    """What foolbox's attack finds."""
    from eagerpy.astensor import astensor
    from foolbox.attacks.hop_skip_jump import HopSkipJumpAttack
    from foolbox.models.pytorch import PyTorchModel

    class Attack(HopSkipJumpAttack):
        """Whose estimates have length 1 each."""

        def approximate_gradients(self, *given: Any) -> Any:
            g = super().approximate_gradients(*given).raw
            return astensor(nn.functional.normalize(g.flatten(1)).view_as(g))

    model = PyTorchModel(labels, bounds=(0, 1), device=x.device)
    attack = Attack(steps=steps, initial_gradient_eval_steps=_FIRST_PASSES, constraint=norm)
    try:
        found: Tensor = attack.run(model, x, y, starting_points=begun)
    except NotFiniteError:
        raise
    except (AssertionError, ValueError) as error:  # of its own checks that a point stays found
        raise ValueError(
            "HopSkipJump sees the net give the same image different labels: make it repeat itself"
        ) from error
    return found.clamp(0, 1)


def measure(
    subject: Subject,
    *,
    eps: float = 8 / 255,
    norm: Ball = "linf",
    steps: int = 32,
    images: int = 20,
) -> dict[str, float]:
    """Accuracy under HopSkipJump, and the median distance at which the label flips.

    ``hop_skip_jump`` is the share of images that are right and whose flip lies beyond eps,
    ``hop_skip_jump_distance`` the median over all images, 0 for those that are wrong as they are:
    the eps at which the accuracy falls to one half. ``hop_skip_jump_queries`` says how many passes
    an image took.

    Args:
        eps: radius of the ball, in [0, 1] pixels.
        norm: linf or l2.
        steps: of the attack; the k-th takes 100 sqrt(k) passes an image, and some 20 besides.
        images: largest number of test images, spread evenly.
    """
    check_ball(eps, norm)
    x, y = spread(subject.x, subject.y, images)
    starts = spread(subject.x, subject.y, _STARTS)[0]
    distances, passes = hop_skip_jump(subject.net, x, y, norm=norm, steps=steps, starts=starts)
    figures = {
        "hop_skip_jump": int((distances > eps).sum()) / len(x),
        "hop_skip_jump_distance": float(distances.quantile(0.5)),
        "hop_skip_jump_queries": passes,
        "hop_skip_jump_images": float(len(x)),
    }
    return checked(figures, "no point of another label holds in fp32")
