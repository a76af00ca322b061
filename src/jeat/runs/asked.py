"""What a run is asked for, whole: every setting, one commit of the data, whole paths."""

from dataclasses import replace
from pathlib import Path

from jeat._support.checks import SettingError, check_kind, quoted
from jeat._support.files import check_not_home, expanded
from jeat._support.words import joined, parted
from jeat.data import absolute, name_of_object, settled
from jeat.nets import net_settings
from jeat.objectives import complete
from jeat.runs.folder import check_place, read_plan
from jeat.runs.rollbacks import check_recovery
from jeat.runs.tracking import check_tracker
from jeat.training.followed import step_followed
from jeat.training.plan import Plan

__all__ = ["check_run", "usual", "with_data"]


def with_data(plan: Plan, data: object) -> Plan:
    """The plan with the name of the data that are given beside it, if some are."""
    check_kind("plan", plan, Plan)
    if data is None:
        return plan
    return replace(plan, data=str(data) if isinstance(data, str | Path) else name_of_object(data))


def check_run(
    plan: Plan, out: str | Path, *, resume: bool, longer: bool = False
) -> tuple[Plan, Path]:
    """What :func:`jeat.fit` refuses before it reads data; the plan with all settings, and ``out``.

    A data set of the hub without a commit is at its newest one, or that of the run to be resumed.

    Raises:
        FileExistsError, FileNotFoundError, ValueError: as :func:`jeat.fit`.
    """
    check_kind("plan", plan, Plan)
    check_kind("resume", resume, bool)
    check_kind("longer", longer, bool)
    if not isinstance(out, str | Path) or not str(out) or "\0" in str(out):
        raise SettingError(f"out must name a folder, got {quoted(out)}")
    check_not_home("out", out)
    out, plan = expanded(out), _completed(plan)
    check_tracker(plan.optimisation.track)
    begun = read_plan(out)["data"] if resume and (out / "run.json").is_file() else None
    data = settled(plan.data, before=begun)
    plan = replace(plan, data=data if data == begun else absolute(data))
    check_place(out, plan, resume=resume, longer=longer)
    return plan, out


def usual(method: str, net: str) -> Plan:
    """The plan of a method and a net that nothing else is said of, with all settings."""
    return _completed(Plan(method, net=net))


def _completed(plan: Plan) -> Plan:
    """A plan with all settings of its net and objective, and the whole path of its first weights.

    Raises:
        SettingError: a setting that the net, the objective or its recovery does not take.
    """
    plan = replace(
        plan,
        architecture=net_settings(plan.net, plan.architecture),
        objective=complete(plan.method, plan.objective),
        optimisation=replace(
            plan.optimisation, step=step_followed(plan.method, plan.optimisation.step)
        ),
    )
    check_recovery(plan)
    unlabelled = plan.objective.get("unlabelled")  # a method's other data set
    if isinstance(unlabelled, str):
        plan = replace(plan, objective={**plan.objective, "unlabelled": absolute(unlabelled)})
    if plan.init is not None:
        check_not_home("init", plan.init)
        name, said = parted(plan.init)
        if (place := expanded(name)).exists():
            plan = replace(plan, init=joined(str(place.resolve()), said))
    return plan
