"""train a classifier by a method: normal, noise, at, prejeat, jem, jeat

    jeat train METHOD --out FOLDER [flags]

``jeat train METHOD --help`` shows the method's own flags (--objective.*) and those of the run.
The same command with --resume goes on where a stopped run was.
"""

import sys
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from jeat import shards
from jeat._files import expanded
from jeat._signature import files_of, signature_of
from jeat.cli._parser import Parser
from jeat.cli._show import bar
from jeat.plan import Optimisation, Plan, Recovery

__all__ = ["main"]

GROUPS = ("objective", "recovery")


def main(words: Sequence[str]) -> int:
    """Train into a run directory, with a bar and the latest figures."""
    methods = files_of("objectives")
    if not words or words[0] in ("-h", "--help"):
        if shards.rank():
            return 0 if words else 2
        print(f"usage: jeat train METHOD --out FOLDER [flags]\n\n{__doc__}\nmethods:")
        for name in methods:
            print(f"  {name:<8} {signature_of('objectives', name).summary}")
        return 0 if words else 2
    if words[0] not in methods:
        if shards.first_failure():
            said = f"jeat train: unknown method {words[0]!r}: {', '.join(methods)}"
            print(said, file=sys.stderr)
        return 2
    method = words[0]
    parser = _parser(method)
    args = parser.parse(words[1:])
    parser.check_out(args.out)
    plan = Plan(
        method=method,
        objective=parser.group(args, "objective"),
        recovery=Recovery(**parser.group(args, "recovery")),
        optimisation=Optimisation(**{f.name: args[f.name] for f in fields(Optimisation)}),
        **{f.name: args[f.name] for f in fields(Plan) if f.name in args and f.name not in GROUPS},
    )
    from jeat.rollbacks import rollbacks_of
    from jeat.run import fit

    out = expanded(args.out)
    known = len(rollbacks_of(out))
    try:
        with bar() as show:
            for log in fit(plan, out, resume=args.resume):
                past = rollbacks_of(out) if shards.rank() == 0 else []
                for rollback in past[known:]:
                    print(f"jeat train: {_told(rollback)}", file=sys.stderr)
                known = max(known, len(past))
                show(method, log.iteration, log.total, _note(log.metrics))
    except KeyboardInterrupt as stop:
        said = f"{stop}: go on with --resume" if str(stop) else "stopped; nothing new was saved"
        if shards.rank() == 0:
            print(f"jeat train: {said}", file=sys.stderr)
        return 130
    if shards.rank() == 0:
        print(f"{out} holds the trained net: jeat sample {args.out} grid.png")
    return 0


def _parser(method: str) -> Parser:
    signature = signature_of("objectives", method)
    parser = Parser(f"jeat train {method}", signature.summary)
    parser.add_argument("--out", type=str, required=True, help="run directory to write")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with the run in --out; start it if there is none",
    )
    parser.add_class_arguments(Plan, skip={"method", "optimisation", *GROUPS})
    parser.add_class_arguments(Optimisation)
    parser.add_class_arguments(Recovery, "recovery")
    parser.add_flags(signature.flags, "objective")
    return parser


def _told(rollback: dict[str, Any]) -> str:
    settings = ", ".join(f"{k} {v}" for k, v in rollback["settings"].items())
    return f"{rollback['why']}: back to iteration {rollback['to']} with {settings}"


def _note(metrics: dict[str, float]) -> str:
    names = {
        "loss": "loss",
        "accuracy_clean": "clean",
        "accuracy_adv": "adv",
        "E_neg-E_clean": "gap",
    }
    return " ".join(f"{names[k]} {metrics[k]:.2f}" for k in names if k in metrics)
