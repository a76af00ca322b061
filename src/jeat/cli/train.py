"""train a classifier by a method, such as at, jem or jeat

    jeat train METHOD --out FOLDER [flags]

``jeat train METHOD --help`` shows the method's own flags (--objective.*) and those of the run.
METHOD, --net, --start, --step and --objective.sampler may be package.module:Name, too: code of your
own, which is imported.

    jeat train --resume --out FOLDER              goes on where a stopped run was
    jeat train --resume --out FOLDER --epochs 40  goes on with one that is finished, for longer
    jeat train --config RUN --out FOLDER [flags]  begins one by the settings of another
"""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from jeat._support import processes
from jeat._support.checks import SettingError, plain
from jeat._support.files import expanded
from jeat._support.libraries import holder_of
from jeat._support.plugins import (
    brought_parts,
    constant_of,
    known_parts,
    name_of,
    settings_of,
)
from jeat._support.signatures import Flag, folder_of, signature_of
from jeat.cli._flags import READING, add_reading, data_named
from jeat.cli._parser import Parser
from jeat.cli._show import bar
from jeat.cli._yaml import by_flag
from jeat.training.flags import flags_of, leaves
from jeat.training.followed import step_followed
from jeat.training.plan import Optimisation, Plan, Recovery

__all__ = ["main"]

UNLABELLED = "unlabelled"  # a setting of objectives that is a flag by its own name, beside --data
GROUPS = ("architecture", "objective", "recovery")


def main(words: Sequence[str]) -> int:
    """Train into a run directory, with a bar and the latest figures."""
    if not words or words[0] in ("-h", "--help"):
        if processes.rank() == 0:
            _print_methods()
        return 0 if words else 2
    method, words, before = _asked(words)
    parser = _parser(method, words, before)
    args = parser.parse(words)
    parser.check_out(args.out)
    plan = _plan(method, parser, args)

    from jeat.runs.fit import fit
    from jeat.runs.record import reached

    out, said_first = expanded(args.out), _two_radii(plan)
    try:
        with bar() as show:
            for log in fit(plan, out, resume=args.resume, longer=args.resume):
                while said_first and processes.rank() == 0:
                    print(f"jeat train: {said_first.pop()}", file=sys.stderr)
                for said in log.went_back if processes.rank() == 0 else ():
                    print(f"jeat train: {said}", file=sys.stderr)
                show(method, log.iteration, log.total, _note(log.metrics))
    except KeyboardInterrupt as stop:
        said = f"{stop}: go on with --resume" if str(stop) else "stopped; nothing new was saved"
        if processes.rank() == 0:
            print(f"jeat train: {said}", file=sys.stderr)
        return 130
    if processes.rank() == 0:
        sample = f"jeat sample {shlex.quote(args.out)} grid.png"
        found = f" ({said})" if (said := reached(out)) else ""
        print(plain(f"{out} holds the trained net{found}: {sample}"))
    return 0


def _asked(words: Sequence[str]) -> tuple[str, list[str], dict[str, Any]]:
    """The method, the other words, and the settings of the run that they name, by their flags.

    ``--config RUN`` names one, and so does ``--resume`` with the ``--out`` of a run.

    Raises:
        SettingError: neither does, and there is no method; or it is not the run's.
    """
    method, rest = ("", [*words]) if words[0].startswith("-") else (words[0], [*words[1:]])
    given = by_flag(rest)
    run = next((file for file in given.get("config", ())[:1] if _is_run(file)), None)
    if run is not None:
        rest = _without_config(rest)
    elif "resume" in given:
        run = next((out for out in given.get("out", ())[:1] if _is_run(out)), None)
    if run is None:
        if not method:
            raise SettingError(
                "name a METHOD, as in jeat train at --out FOLDER, or a run, by --config RUN or by "
                "--resume --out RUN"
            )
        return method, rest, {}

    from jeat.runs.folder import read_plan

    plan = read_plan(expanded(run))
    if method not in ("", plan["method"]):
        raise SettingError(f"{run} is a run of {plan['method']}, not of {method}: name no other")
    return plan["method"], rest, flags_of(plan)


def _is_run(folder: str) -> bool:
    return (expanded(folder) / "run.json").is_file()


def _without_config(words: Sequence[str]) -> list[str]:
    """The words but for ``--config`` and its value."""
    pairs = zip(["", *words], words, strict=False)
    kept = [word for before, word in pairs if before != "--config" and word != "--config"]
    return [word for word in kept if not word.startswith("--config=")]


def _print_methods() -> None:
    print(f"usage: jeat train METHOD --out FOLDER [flags]\n\n{__doc__}\nmethods:")
    for name in known_parts("objectives"):
        print(f"  {name:<8} {signature_of('objectives', name).summary}")
    for name, theirs in brought_parts("objectives").items():  # not imported for a list
        print(f"  {name:<8} of {theirs.package}")


def _parser(method: str, words: Sequence[str], before: Mapping[str, Any]) -> Parser:
    """The flags of a method; their defaults are the settings of the run ``before``, if one is."""
    signature = signature_of("objectives", method, "method")
    parser = Parser(f"jeat train {method}", _about(method, signature.summary))
    parser.add_argument("--out", type=str, required=True, help="run directory to write")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with the run in --out; start it if there is none",
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


def _plan(method: str, parser: Parser, args: Any) -> Plan:
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


def _two_radii(plan: Plan) -> list[str]:
    """What is said of a run that trains at one radius and is evaluated at another."""
    own = plan.objective.get("eps", plan.eps), plan.objective.get("norm", plan.eps_norm)
    if own == (plan.eps, plan.eps_norm):
        return []
    eps, norm = own
    if norm == plan.eps_norm:
        return [f"trains at --objective.eps {eps:.4g}, is evaluated at --eps {plan.eps:.4g}"]
    return [
        f"trains at --objective.eps {eps:.4g} in {norm}, is evaluated at --eps {plan.eps:.4g} in "
        f"--eps_norm {plan.eps_norm}"
    ]


def _note(metrics: dict[str, float]) -> str:
    names = {
        "loss": "loss",
        "accuracy_clean": "clean",
        "accuracy_adv": "adv",
        "E_neg-E_clean": "gap",
    }
    return " ".join(f"{names[k]} {metrics[k]:.2f}" for k in names if k in metrics)
