"""What several objectives do: report energies, train on adversarial examples, advance chains."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from jeat._support.checks import SettingError, quoted
from jeat._support.plugins import Part
from jeat._support.tensors import full
from jeat.attacks import Attack
from jeat.data import Batch, Branch
from jeat.energy import cross_entropy, energy_of, joint_energy, marginal_energy
from jeat.nets import evaluating
from jeat.samplers import ReplayBuffer, Sampler, last, sampler_of

__all__ = [
    "Cost", "Loss", "Metrics", "TwoParts", "at_adversarial", "chains", "check_unlabelled", "clean",
    "cross_entropy_at", "divergence", "energy_difference", "fixed_statistics", "gap",
    "negatives", "negatives_count", "noisy", "positives", "report", "unlabelled_branch",
    "without_gradient",
]  # fmt: skip

Metrics = dict[str, Tensor]
Loss = Callable[[nn.Module], tuple[Tensor, Metrics]]
"""A net -> the loss at points that are held still, and its metrics."""


@dataclass(frozen=True)
class Cost:
    """What an iteration takes for each image of its batch, and what is stored.

    Attributes:
        input_gradients: gradients with respect to images, in chains and attacks.
        training_passes: passes with a gradient for the weights.
        stored: images that are kept between iterations, in a replay buffer.
    """

    input_gradients: int = 0
    training_passes: int = 1
    stored: int = 0


class TwoParts(nn.Module):
    """An objective of two parts: it finds points at the net, and has a loss at these points."""

    def points(self, net: nn.Module, batch: Batch) -> Loss:
        """Find x_adv, x_neg and the like: the loss at them, as a function of the net."""
        raise SettingError(f"{type(self).__name__} must define points(net, batch), or forward")

    def forward(self, net: nn.Module, batch: Batch) -> tuple[Tensor, Metrics]:
        """The loss at the points of this net, and its metrics."""
        loss_of: object = self.points(net, batch)
        if not callable(loss_of):
            raise SettingError(
                f"points of {type(self).__name__} must return a function, net -> (loss, metrics), "
                f"got {quoted(loss_of)}"
            )
        found: tuple[Tensor, Metrics] = loss_of(net)
        return found


def report(logits: Tensor, y: Tensor, of: str) -> Metrics:
    """Accuracy and mean energies of a labelled batch: ``accuracy_of``, ``E_of``, ``E_y_of``."""
    logits = logits.detach()
    return {
        f"accuracy_{of}": (logits.argmax(1) == y).float().mean(),
        f"E_{of}": marginal_energy(logits).mean(),
        f"E_y_{of}": joint_energy(logits, y).mean(),
    }


def clean(net: nn.Module, batch: Batch) -> Metrics:
    """:func:`report` of the clean batch where it is logged: a pass only the log needs."""
    if not batch.logged:
        return {}
    with evaluating(net), torch.no_grad():
        return report(net(batch.x), batch.y, "clean")


def at_adversarial(net: nn.Module, batch: Batch, attack: Attack) -> Loss:
    """Mean L(x_adv, y) (Eq. 1 with ``attack`` for the inner maximum), at x_adv of this net."""
    with evaluating(net):
        x_adv = attack(net, batch.x, batch.y)
    return cross_entropy_at(x_adv, batch, "adv")


def without_gradient(net: nn.Module, x: Tensor) -> Tensor:
    """The logits of images, held still."""
    with torch.no_grad():
        logits: Tensor = net(x)
    return logits


def divergence(logits: Tensor, others: Tensor) -> Tensor:
    """KL(p || q) per image, p and q being the softmax of ``logits`` and of ``others``; 0 or more.

    With gradients through both; at p = q they are 0.
    """
    log_p, log_q = full(logits).log_softmax(1), full(others).log_softmax(1)
    return (log_p.exp() * (log_p - log_q)).sum(1)


def cross_entropy_at(x: Tensor, batch: Batch, of: str) -> Loss:
    """Mean L(x, y) at images ``x`` made of a batch's, reported as ``of`` beside the clean ones."""

    def loss_of(net: nn.Module) -> tuple[Tensor, Metrics]:
        metrics = clean(net, batch)
        logits = net(x)
        loss = cross_entropy(logits, batch.y).mean()
        metrics |= {"loss": loss.detach()} | report(logits, batch.y, of)
        return loss, metrics | gap(metrics, f"E_y_{of}", "E_y_clean")

    return loss_of


def gap(metrics: Metrics, above: str, below: str) -> Metrics:
    """The difference of two reported energies, where both were reported."""
    if above not in metrics or below not in metrics:
        return {}
    return {f"{above}-{below}": metrics[above] - metrics[below]}


def energy_difference(
    net: nn.Module,
    logits: Tensor,
    y: Tensor,
    x_neg: Tensor | None,
    *,
    x_pos: Tensor | None = None,
    w_clf: float,
    w_px: float,
    w_l2: float,
) -> tuple[Tensor, Metrics]:
    """w_clf * mean [E(x, y) - E(x)] + w_px * [mean E(x) - mean E(x_neg)], ``logits`` being of x.

    And w_l2 * mean [E(x)^2 + E(x_neg)^2], the penalty of Du and Mordatch (2019) on large energies.
    Without x_neg the first term is all. With x_pos, E is of these where no label is, in place of x.
    """
    clf = cross_entropy(logits, y).mean()
    if x_neg is None:
        loss = w_clf * clf
        return loss, {"loss": loss.detach(), "loss_clf": clf.detach()}
    E = marginal_energy(logits if x_pos is None else net(x_pos))
    E_neg = marginal_energy(net(x_neg))
    px = E.mean() - E_neg.mean()
    loss = w_clf * clf + w_px * px + w_l2 * (E.square() + E_neg.square()).mean()
    parts = {
        "loss": loss, "loss_clf": clf, "loss_px": px, "E_neg": E_neg.mean(),
        "saturated": ((x_neg <= 0) | (x_neg >= 1)).float().mean(),
    }  # fmt: skip
    return loss, {name: value.detach() for name, value in parts.items()}


def chains(
    sampler: Part, *, steps: int, step_size: float, noise: float | None, clamp: bool
) -> Sampler:
    """Chains of a sampler, kept in [0, 1] where ``clamp``."""
    bounds = (0.0, 1.0) if clamp else None
    return sampler_of(sampler, steps=steps, step_size=step_size, noise=noise, bounds=bounds)


@contextmanager
def fixed_statistics(net: nn.Module) -> Iterator[None]:
    """Batch normalisation by the statistics that the net has: p(x) is of an image, not a batch."""
    training = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d) and m.training]
    for m in training:
        m.eval()
    try:
        yield
    finally:
        for m in training:
            m.train()


def noisy(x: Tensor, sigma: float) -> Tensor:
    """x + sigma N(0, I), in the memory format of x."""
    return x + sigma * torch.randn(x.shape, device=x.device, dtype=x.dtype)


def unlabelled_branch(source: str | None, *, w_px: float, w_l2: float) -> dict[str, Branch]:
    """The branch of an objective whose p(x) term is of the training images of ``source``.

    Where there is none, the term is of the labelled images.
    """
    check_unlabelled(source, w_px=w_px, w_l2=w_l2)
    return {} if source is None else {"unlabelled": Branch(data=source)}


def check_unlabelled(source: str | None, *, w_px: float, w_l2: float) -> None:
    """Refuse unlabelled images where no term of a loss would see them.

    Raises:
        SettingError: the weights of the p(x) term are 0.
    """
    if source is not None and not negatives_count(w_px, w_l2):
        raise SettingError(
            "unlabelled images are those of the p(x) term, and w_px and w_l2 are 0: leave them out"
        )


def positives(branches: Mapping[str, Branch], batch: Batch) -> Tensor | None:
    """The images of :func:`unlabelled_branch`; nothing of an objective sees their labels."""
    return batch.others["unlabelled"].x if branches else None


def negatives_count(w_px: float, w_l2: float) -> bool:
    """Whether :func:`energy_difference` depends on x_neg, so that chains are worth their cost."""
    return w_px > 0 or w_l2 > 0


def negatives(net: nn.Module, buffer: ReplayBuffer, n: int, sampler: Sampler) -> Tensor:
    """n states of E(x)'s chains: drawn from the buffer, advanced, written back (Algorithm 1)."""
    x0, slots = buffer.draw(n)
    with evaluating(net):
        x_neg = last(sampler(energy_of(net), x0), x0)
    buffer.put(slots, x_neg)
    return x_neg
