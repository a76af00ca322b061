r"""What an attack and an optimiser step do to the energies (Eq. 15, Fig. 3 of Zhu et al. 2021).

.. math:: \Delta_x E(x, y) = E_\theta(x_{adv}, y) - E_\theta(x, y), \qquad
          \Delta_\theta E(x, y) = E_{\theta'}(x_{adv}, y) - E_\theta(x_{adv}, y),

theta' being the weights after the step; E(x) likewise, without y.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from jeat._support.passes import logits_of
from jeat.attacks import pgd
from jeat.attacks.balls import Norm
from jeat.data import Batch
from jeat.energy import joint_energy, marginal_energy
from jeat.nets import autocast, evaluating

__all__ = ["watch"]


def watch(
    net: nn.Module, batch: Batch, *, eps: float, norm: Norm = "linf"
) -> Callable[[], dict[str, float]]:
    """Measure Eq. 15 over one optimiser step: call it before, and the function it returns after.

    ``x_adv`` is FGSM from a random start on cross-entropy, the attack of fast adversarial training,
    whatever the objective is: the same ``x_adv`` before and after. The net is in eval mode and
    fp32; torch's random state is left as it was.

    Args:
        net: whose weights the step changes.
        batch: images in [0, 1] and labels.
        eps, norm: radius of the attack, in pixel units, and its norm.

    Returns:
        ``delta_x_E_y``, ``delta_theta_E_y``, ``delta_x_E``, ``delta_theta_E``: means over the
        batch, each with ``_std``, its standard deviation over the batch.
    """
    with torch.random.fork_rng(), autocast("fp32", batch.x.device), evaluating(net):
        x_adv = pgd(net, batch.x, batch.y, eps=eps, steps=1, step_size=1.25 * eps, norm=norm)
    clean, adversarial = _energies(net, batch.x, batch.y), _energies(net, x_adv, batch.y)

    def changes() -> dict[str, float]:
        updated = _energies(net, x_adv, batch.y)
        figures = {}
        for E in clean:
            for what, delta in (
                ("x", adversarial[E] - clean[E]), ("theta", updated[E] - adversarial[E]),
            ):  # fmt: skip
                figures[f"delta_{what}_{E}"] = float(delta.mean())
                figures[f"delta_{what}_{E}_std"] = float(delta.std(correction=0))
        return figures

    return changes


@torch.no_grad()
def _energies(net: nn.Module, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    with autocast("fp32", x.device), evaluating(net):
        logits = logits_of(net, x)
    return {"E_y": joint_energy(logits, y), "E": marginal_energy(logits)}
