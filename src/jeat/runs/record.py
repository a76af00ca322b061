"""``run.json``, what a run is, and ``config.yaml``, its plan as flags of ``jeat train``."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jeat._support.files import rewritten
from jeat._support.provenance import provenance
from jeat._support.reading import reading_of
from jeat.runs.asked import usual
from jeat.runs.log import last_evaluation, rows
from jeat.training.flags import command_of, config_of, flags_of, longer_command
from jeat.training.plan import Plan

__all__ = ["note", "reached", "recorded_epochs"]

_RECORD, _CONFIG = "run.json", "config.yaml"


def note(out: Path, plan: Plan, made: Mapping[str, Any], *, at: int, named: bool) -> None:
    """Write what is not there yet: where a run begins, or goes on by a plan of more epochs.

    ``run.json`` is first, as it says that the run is begun.

    Args:
        out: folder of the run.
        plan: with all settings.
        made: what else is recorded of a run that begins, beside versions and machine.
        at: the iteration that it is at.
        named: whether a command can train the same, as all of it has a name.
    """
    before, settings = recorded_epochs(out), asdict(plan)
    if before is None:
        # the folder before the record: a run that lost its checkpoints is refused
        (out / "checkpoints").mkdir(exist_ok=True)
        record = {"plan": settings, **made, **provenance()}
        if named:
            record["command"] = command_of(settings, _usual(settings), str(out))
        rewritten(out / _RECORD, json.dumps(record, indent=1))
    elif before != plan.optimisation.epochs:
        record = json.loads((out / _RECORD).read_text()) | {"plan": settings}
        record["raised"] = [*record.get("raised", ()), {"epochs": before, "finished_at": at}]
        if named and "command" in record:
            record["command"] += f" && {longer_command(plan.optimisation.epochs, str(out))}"
        rewritten(out / _RECORD, json.dumps(record, indent=1))
    if named and (before != plan.optimisation.epochs or not (out / _CONFIG).exists()):
        rewritten(out / _CONFIG, config_of(settings))


def _usual(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The plan of the same method and net that nothing else is said of."""
    return asdict(usual(settings["method"], flags_of(settings)["net"]))


def recorded_epochs(out: Path) -> float | None:
    """The epochs of the run in a folder, as it is recorded; None where there is none."""
    file = out / _RECORD
    if not file.exists():
        return None
    epochs: float = json.loads(file.read_text())["plan"]["optimisation"]["epochs"]
    return epochs


def reached(out: Path) -> str:
    """The accuracies of a run's last evaluation, in words; "" where there was none."""
    if not (last := last_evaluation(rows(out))):
        return ""
    plan = json.loads((out / _RECORD).read_text())["plan"]
    validated = reading_of(plan["data"])[1].validation is not None
    what = "validation accuracy" if validated else "test accuracy"
    norm = "" if plan["eps_norm"] == "linf" else f" in {plan['eps_norm']}"
    most = plan["optimisation"]["evaluate_images"]
    return (
        f"{what} {last['test_accuracy']:.3g}, {last['test_robust_accuracy']:.3g} under "
        f"PGD-20 at eps {plan['eps']:.3g}{norm}, on at most {most} images"
    )
