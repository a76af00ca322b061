"""Objectives: ``(net, batch) -> (loss, metrics)``, the loss to minimise and named figures to log.

One method a file; its name is the file's name, and the class's keyword-only arguments are its flags
(``--objective.*``). The contract, of which a class needs the first line only:

- ``forward(net, batch) -> (loss, metrics)``. It decides train/eval mode: attacks and chains run in
  eval mode, the pass of the loss in the mode it finds. Where ``batch.logged``, metrics also hold
  accuracies and mean energies (``E`` is E(x), ``E_y`` is E(x, y)) and their gaps.
- ``points(net, batch) -> loss_of``, with ``loss_of(net) -> (loss, metrics)``: the same in two
  parts, so that a step of two gradients takes both at the same x_adv and x_neg (:class:`TwoParts`).
- **State**: every tensor that is registered, in the objective or a module of it, is kept in
  checkpoints and restored, of each process its own. Parameters are optimised with the net's. A
  plain attribute that changes would be lost, and is refused, at the latest by the checkpoint that
  would lose it; what lies outside, in a global variable or a closure, is not seen.
- ``__init__`` may take ``restart`` (n -> n first states of chains; ``restart.of(labels)``) and
  ``net`` (the net to be trained, to copy from), by these names.
- ``attack``: what it attacks with, as an attribute; catastrophic overfitting is looked for then.
- ``branches``: further images of each iteration, ``{name: jeat.data.Branch}``; they come as
  ``batch.others[name]``.
- ``cost(settings)``: a static method that says what an iteration costs (:class:`Cost`).

Constants of the file, as literals: ``begins`` says what weights it begins from, ``weakness`` what
is known against it; ``recovery = {setting: "add" or "raise"}`` names the settings that a run which
diverged may change, by adding to them or by raising them to a least value; ``remedies`` are
settings to try by hand; ``smallest`` are those of a run that only shows that it works;
``step`` is the step that it is trained by where none is named, as
``{"name": ..., SETTING: VALUE}``;
``limits`` replaces defaults of the plan's recovery, such as ``{"max_energy": 1e6}`` for energies
that are log-likelihoods in nats.
"""

import inspect
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from jeat._support.checks import SettingError
from jeat._support.plugins import find
from jeat._support.signatures import GIVEN, check_takes
from jeat._support.signatures import complete as _complete
from jeat.objectives._parts import Cost, Loss, Metrics, TwoParts
from jeat.objectives.at import AT
from jeat.objectives.dat import DAT
from jeat.objectives.eb_jdat import EBJDAT
from jeat.objectives.glow import Glow
from jeat.objectives.igebm import IGEBM
from jeat.objectives.jeat import JEAT
from jeat.objectives.jem import JEM
from jeat.objectives.mart import MART
from jeat.objectives.noise import Noise
from jeat.objectives.normal import Normal
from jeat.objectives.prejeat import PreJEAT
from jeat.objectives.sada_jem import SADAJEM
from jeat.objectives.trades import TRADES

__all__ = [
    "AT", "DAT", "EBJDAT", "IGEBM", "JEAT", "JEM", "MART", "SADAJEM", "TRADES", "Cost", "Glow",
    "Loss", "Metrics", "Noise", "Normal", "PreJEAT", "TwoParts", "complete", "cost_of", "make",
]  # fmt: skip


def make(
    method: str,
    restart: Callable[[int], Tensor],
    settings: dict[str, Any],
    *,
    net: nn.Module | None = None,
) -> nn.Module:
    """The objective of the file ``method``, with ``settings`` for its keyword-only arguments.

    Args:
        method: name of a file, or ``package.module:Class``.
        restart, net: given to an objective that takes them.
        settings: by name.

    Raises:
        SettingError: an unknown method, or a setting it does not take.
    """
    cls = _class_of(method)
    given = {"restart": restart, "net": net}
    takes = inspect.signature(cls).parameters
    settings = {k: v for k, v in given.items() if k in takes} | complete(method, settings)
    check_takes(cls, f"method {method!r}, a class of torch.nn.Module,", **settings)
    objective: object = cls(**settings)
    if not isinstance(objective, nn.Module):
        raise SettingError(
            f"method {method!r} must be a torch.nn.Module, it makes a {type(objective).__name__}"
        )
    return objective


def complete(method: str, settings: dict[str, Any]) -> dict[str, Any]:
    """``settings`` of a method, with the defaults of those that are not given.

    Raises:
        SettingError: an unknown method, or a setting it does not take or of another kind.
    """
    return _complete(
        _class_of(method),
        settings,
        whose=f"method {method!r}",
        group="objective",
        given=GIVEN["objectives"],
    )


def cost_of(method: str, settings: dict[str, Any]) -> Cost | None:
    """What an iteration costs; None where the objective does not say.

    Raises:
        SettingError: as :func:`complete`.
    """
    cls = _class_of(method)
    return cls.cost(complete(method, settings)) if hasattr(cls, "cost") else None


def _class_of(method: str) -> Any:
    return find("objectives", method, "method")
