"""Going back: which checkpoint a diverged run goes on from, and what changes (``rollbacks.jsonl``).

One line each: its number, the iteration that was reached, why it was given up, the checkpoint gone
back to (0 is the start), the settings from there on, and the SHA-256 of all these.
"""

import json
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from jeat._support.checks import SettingError, check_kind, check_not_negative
from jeat._support.files import contents, rewritten
from jeat._support.plugins import constant_of
from jeat._support.sealed import summed, unsummed
from jeat.nets.places import checkpoints
from jeat.training.health import DivergenceError
from jeat.training.plan import Plan

__all__ = ["Rollback", "changed", "check_recovery", "roll_back", "rollbacks_of"]

_RULES: dict[str, Callable[[Any, Any], Any]] = {"add": operator.add, "raise": max}


@dataclass(frozen=True)
class Rollback:
    """A run that diverged and went back.

    Attributes:
        number: counting from 1.
        iteration: that it had reached.
        why: what was seen.
        to: the iteration of the checkpoint it went back to; 0 is the start.
        settings: from there on: ``seed``, ``lr``, and those of the objective that recovery changes.
    """

    number: int
    iteration: int
    why: str
    to: int
    settings: Mapping[str, Any]

    def __post_init__(self) -> None:
        seed, lr = self.settings["seed"], self.settings["lr"]
        for name, value in {"to": self.to, "seed": seed}.items():
            check_kind(name, value, int)
        check_not_negative(to=self.to, **self.settings)
        if not (seed < 2**63 and 0 < lr <= 1e9):
            raise ValueError(f"no run goes on with {dict(self.settings)}")
        if self.to > self.iteration:
            raise ValueError("it went back to an iteration that was not reached")

    def __str__(self) -> str:
        settings = ", ".join(f"{k} {v}" for k, v in self.settings.items())
        return f"{self.why}: back to iteration {self.to} with {settings}"


def rollbacks_of(out: Path) -> list[Rollback]:
    """The rollbacks of a run so far.

    Raises:
        ValueError: an unreadable record.
    """
    file = out / "rollbacks.jsonl"
    lines = contents(file).splitlines()
    try:
        records = [Rollback(**unsummed(json.loads(line))) for line in lines]
        if [r.number for r in records] != [*range(1, len(records) + 1)]:
            raise ValueError("a record before it is lost")
        return records
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(
            f"{file} is damaged ({type(error).__name__}: {error}): mend it, or begin anew elsewhere"
        ) from error


def changed(plan: Plan, rollbacks: Sequence[Rollback]) -> Plan:
    """The plan as it is after those rollbacks.

    Raises:
        ValueError: a setting that no rollback leads to, which only adds to settings or raises them.
    """
    if not rollbacks:
        return plan
    settings = rollbacks[-1].settings
    for name in _recovered(plan):
        if name in settings and settings[name] < plan.objective[name]:
            raise ValueError(
                f"rollbacks.jsonl is damaged: no run goes on with {name} {settings[name]}: mend "
                "it, or begin anew elsewhere"
            )
    o = replace(plan.optimisation, seed=settings["seed"], lr=settings["lr"])
    own = {k: v for k, v in settings.items() if k in plan.objective}
    return replace(plan, optimisation=o, objective=plan.objective | own)


def check_recovery(plan: Plan) -> None:
    """Check that a plan's recovery changes settings that its method lets it change.

    Raises:
        SettingError: it names another.
    """
    known = _recovered(plan)
    if unknown := [k for k, v in plan.recovery.objective.items() if k not in known and v]:
        raise SettingError(
            f"recovery cannot change {unknown[0]} of {plan.method}: it can change "
            f"{', '.join(known) or 'none of its settings'}"
        )


def _recovered(plan: Plan) -> dict[str, str]:
    """The settings that recovery may change, each with its rule."""
    return dict(constant_of("objectives", plan.method, "recovery") or {})


def roll_back(
    out: Path,
    plan: Plan,
    why: DivergenceError,
    iteration: int,
    past: Sequence[Rollback],
    *,
    write: bool,
) -> None:
    """Record that a run goes back.

    It goes back to the newest checkpoint, or to the one before where it has been there already.

    Args:
        out: its directory.
        plan: as it was begun.
        why: what was seen.
        iteration: finished iterations.
        past: the rollbacks before.
        write: whether this process writes the record.

    Raises:
        DivergenceError: it went back ``plan.recovery.tries`` times already.
    """
    found = checkpoints(out)
    if found and past and int(found[-1].name) == past[-1].to and len(found) > 1:
        found.pop()
    to = int(found[-1].name) if found else 0
    if len(past) >= plan.recovery.tries:
        kept = f"{out} keeps its checkpoint of iteration {to}" if to else "it has no checkpoint"
        own = constant_of("objectives", plan.method, "remedies") or ()
        remedies = ", ".join(["a lower lr", "clip", *own])
        raise DivergenceError(
            f"training diverged: {why}; gave up after going back {len(past)} times, {kept}: try "
            f"{remedies}"
        )
    now, r = changed(plan, past), plan.recovery
    settings: dict[str, Any] = {
        "seed": (plan.optimisation.seed + 1_000_003 * (len(past) + 1)) % 2**63,
        "lr": now.optimisation.lr * r.lr,
    }
    for name, rule in _recovered(plan).items():
        settings[name] = _RULES[rule](now.objective[name], r.objective.get(name, 0))
    record = Rollback(len(past) + 1, iteration, str(why), to, settings)
    if write:
        records = [asdict(rollback) for rollback in [*past, record]]
        lines = "".join(json.dumps(summed(line)) + "\n" for line in records)
        rewritten(out / "rollbacks.jsonl", lines)
