"""A run as it is in its folder: how far it is, and its training, to go on with."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from jeat._support import processes
from jeat.data import Data
from jeat.nets import in_bf16
from jeat.nets.places import newest
from jeat.runs.record import recorded_epochs
from jeat.runs.rollbacks import Rollback, changed, rollbacks_of
from jeat.runs.save import holds_net
from jeat.training.begin import Begun, begin
from jeat.training.given import Given
from jeat.training.plan import Plan

__all__ = ["Run"]


@dataclass(frozen=True)
class Run:
    """A run as it is in its folder.

    Attributes:
        out: the folder.
        plan: as it was begun.
        data: what the plan names.
        past: how often it went back so far.
        newest: its last checkpoint.
        net: one that was given to it.
    """

    out: Path
    plan: Plan
    data: Data
    past: list[Rollback]
    newest: Path | None
    net: Given | None = None

    def read_again(self) -> "Run":
        """The same, as it is now."""
        return replace(self, past=rollbacks_of(self.out), newest=newest(self.out))

    def is_finished(self, epochs: float | None = None) -> bool:
        """Whether its last checkpoint is that of all (or these) epochs, and holds its net."""
        o = self.plan.optimisation
        total = replace(o, epochs=epochs or o.epochs).iterations(len(self.data.train))
        return self.newest is not None and int(self.newest.name) >= total and holds_net(self.newest)

    def check_epochs(self) -> None:
        """Refuse to raise the epochs of a run that is not finished."""
        before = recorded_epochs(self.out)
        if before not in (None, self.plan.optimisation.epochs) and not self.is_finished(before):
            raise ValueError(
                f"{self.out} is to be finished by its {before:g} epochs before they are raised"
            )

    def begin(self, *, fresh: bool) -> Begun:
        """The training at its beginning, by the plan as it is after its rollbacks.

        What ``auto`` chose when the run began is kept, where this machine can do it.
        """
        plan, file = changed(self.plan, self.past), self.out / "run.json"
        kept = json.loads(file.read_text()).get("precision") if file.exists() else None
        o, here = plan.optimisation, in_bf16("auto", processes.device())
        if o.precision == "auto" and (kept == "fp32" or (kept == "bf16" and here)):
            plan = replace(plan, optimisation=replace(o, precision=kept))
        return begin(plan, self.data, fresh=fresh, net=self.net)
