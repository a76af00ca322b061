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
from collections.abc import Sequence

from jeat._support import processes
from jeat._support.checks import plain
from jeat._support.files import expanded
from jeat._support.plugins import brought_parts, known_parts
from jeat._support.signatures import signature_of
from jeat.cli._show import bar
from jeat.cli._training import asked_for, parser_of, plan_of
from jeat.training.plan import Plan

__all__ = ["main"]


def main(words: Sequence[str]) -> int:
    """Train into a run directory, with a bar and the latest figures."""
    if not words or words[0] in ("-h", "--help"):
        if processes.rank() == 0:
            _print_methods()
        return 0 if words else 2
    method, words, before = asked_for(words)
    parser = parser_of(method, words, before)
    args = parser.parse(words)
    parser.check_out(args.out)
    plan = plan_of(method, parser, args)

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
        on = f"jeat train --resume --out {shlex.quote(args.out)}"
        said = f"{stop}: go on with {on}" if str(stop) else "stopped; nothing new was saved"
        if processes.rank() == 0:
            print(f"jeat train: {said}", file=sys.stderr)
        return 130
    if processes.rank() == 0:
        sample = f"jeat sample {shlex.quote(args.out)} grid.png"
        found = f" ({said})" if (said := reached(out)) else ""
        print(plain(f"{out} holds the trained net{found}: {sample}"))
    return 0


def _print_methods() -> None:
    print(f"usage: jeat train METHOD --out FOLDER [flags]\n\n{__doc__}\nmethods:")
    for name in known_parts("objectives"):
        print(f"  {name:<8} {signature_of('objectives', name).summary}")
    for name, theirs in brought_parts("objectives").items():  # not imported for a list
        print(f"  {name:<8} of {theirs.package}")


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
