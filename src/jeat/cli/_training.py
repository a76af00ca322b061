"""The flags of a method, and the plan that they name: of ``jeat train`` and of ``jeat sweep``."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from jeat._support.checks import SettingError
from jeat._support.files import expanded
from jeat._support.libraries import holder_of
from jeat._support.plugins import constant_of, name_of, settings_of
from jeat._support.signatures import Flag, folder_of, signature_of
from jeat.cli._flags import READING, add_reading, data_named
from jeat.cli._parser import Parser
from jeat.cli._yaml import by_flag
from jeat.training.flags import flags_of, leaves
from jeat.training.followed import step_followed
from jeat.training.plan import Optimisation, Plan, Recovery

__all__ = ["asked_for", "is_run", "parser_of", "plan_of"]

UNLABELLED = "unlabelled"  # a setting of objectives that is a flag by its own name, beside --data
GROUPS = ("architecture", "objective", "recovery")


def asked_for(words: Sequence[str]) -> tuple[str, list[str], dict[str, Any]]:
    """The method, the other words, and the settings of the run that they name, by their flags.

    ``--config RUN`` names one, and so does ``--resume`` with the ``--out`` of a run.

    Raises:
        SettingError: neither does, and there is no method; or it is not the run's.
    """
    method, rest = ("", [*words]) if words[0].startswith("-") else (words[0], [*words[1:]])
    given = by_flag(rest)
    run = next((file for file in given.get("config", ())[:1] if is_run(file)), None)
    if run is not None:
        rest = _without_config(rest)
    elif "resume" in given:
        run = next((out for out in given.get("out", ())[:1] if is_run(out)), None)
    if run is None:
        if not method:
            places = given.get("config") or ("resume" in given and given.get("out")) or ()
            raise SettingError(
                "".join(f"{place} is no run: " for place in places[:1])
                + "name a METHOD, as in jeat train at --out FOLDER, or a run, by --config RUN or "
                "by --resume --out RUN"
            )
        return method, rest, {}

    from jeat.runs.folder import read_plan

    plan = read_plan(expanded(run))
    if method not in ("", plan["method"]):
        raise SettingError(f"{run} is a run of {plan['method']}, not of {method}: name no other")
    return plan["method"], rest, flags_of(plan)


def is_run(folder: str) -> bool:
    """Whether a folder is that of a run."""
    return (expanded(folder) / "run.json").is_file()


def _without_config(words: Sequence[str]) -> list[str]:
    """The words but for ``--config`` and its value."""
    pairs = zip(["", *words], words, strict=False)
    kept = [word for before, word in pairs if before != "--config" and word != "--config"]
    return [word for word in kept if not word.startswith("--config=")]


def parser_of(
    method: str, words: Sequence[str], before: Mapping[str, Any], *, command: str = "train"
) -> Parser:
    """The flags of a method; their defaults are the settings of the run ``before``, if one is."""
    signature = signature_of("objectives", method, "method")
    parser = Parser(f"jeat {command} {method}", _about(method, signature.summary))
    parser.add_argument("--out", type=str, required=True, help="folder to write")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with what is in --out; start it if there is nothing",
    )
    defaults = {f.name: f.default for f in (*fields(Plan), *fields(Optimisation))}
    shorts = {"norm", "activation", "std"}  # of Plan: flags are made of the net's own settings
    parser.add_class_arguments(Plan, skip={"method", "optimisation", *GROUPS, *shorts})
    add_reading(parser)
    net = parser.chosen(words, "net", str(before.get("net", defaults["net"])))
    for flag in signature_of("nets", holder_of(net) or net.partition("-")[0], "net").flags:
        parser.add_flags([flag], "architecture")
        if flag.name not in {*defaults, *READING, "out", "resume", "config"}:
            parser.add_short(flag.name, f"architecture.{flag.name}")
    parser.add_class_arguments(Optimisation, skip={"step"})
    asked = step_followed(method, before.get("step"))
    step = parser.chosen(words, "step", name_of(asked))
    parser.add_part("step", "steps", step, "which gradient the optimiser follows")
    if step == name_of(asked):
        parser.set_defaults({f"step.{k}": v for k, v in settings_of(asked).items()})
    own = {f.name: f for f in signature.flags}
    recovered = constant_of("objectives", method, "recovery") or {}
    parser.add_class_arguments(Recovery, "recovery", skip={"objective", "steps", "w_l2"})
    for name, rule in recovered.items():
        what = "added to it" if rule == "add" else "its least value"
        flag = Flag(
            name, own[name].type, own[name].type(0), f"of objective.{name}: {what}, every time"
        )
        parser.add_flags([flag], "recovery.objective")
        parser.add_short(f"recovery.{name}", f"recovery.objective.{name}")
    settings = before.get("objective", {})
    for flag in signature.flags:
        _add_setting(parser, replace(flag, default=settings.get(flag.name, flag.default)), words)
    parser.set_known_defaults(dict(leaves(before)))
    return parser


def _add_setting(parser: Parser, flag: Flag, words: Sequence[str]) -> None:
    """A setting of the objective; where it is a part, that part's settings, too."""
    if (folder := folder_of(flag)) is None:
        parser.add_flags([flag], "objective")
        if flag.name == UNLABELLED:
            parser.add_short(UNLABELLED, f"objective.{UNLABELLED}")
        return
    name = f"objective.{flag.name}"
    chosen = parser.chosen(words, name, name_of(flag.default))
    parser.add_part(name, folder, chosen, flag.help)
    if chosen == name_of(flag.default):
        parser.set_defaults({f"{name}.{k}": v for k, v in settings_of(flag.default).items()})


def _about(method: str, summary: str) -> str:
    """What a method is, what it begins from, and what is known against it."""
    told = {"Begins from": "begins", "Known weakness": "weakness"}
    said = {k: constant_of("objectives", method, v) for k, v in told.items()}
    return "\n\n".join([summary, *(f"{k}: {v}" for k, v in said.items() if v)])


def plan_of(method: str, parser: Parser, args: Any) -> Plan:
    """The plan that parsed flags name."""
    recovery = parser.group(args, "recovery")
    changes = recovery.pop("objective", {})
    o = {f.name: args[f.name] for f in fields(Optimisation) if f.name != "step"}
    return Plan(
        method=method,
        data=data_named(parser, args) or "",
        architecture=parser.group(args, "architecture"),
        objective=parser.group(args, "objective"),
        recovery=Recovery(objective=changes, **recovery),
        optimisation=Optimisation(step=parser.part(args.step, "step"), **o),
        **{
            f.name: args[f.name]
            for f in fields(Plan)
            if f.name in args and f.name not in (*GROUPS, "data", "optimisation")
        },
    )
