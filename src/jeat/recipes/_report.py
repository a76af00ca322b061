"""The files that a reader of a suite opens."""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jeat.metrics import signs_of_masking
from jeat.plan import Plan
from jeat.recipes._figures import figures
from jeat.recipes._suite import Suite, kept, minutes, records, runs
from jeat.recipes._tables import CLAIMS, TABLES
from jeat.report import markdown, ordering, page, summarise, write_csv

__all__ = ["write"]

PAPER = {
    "cifar10": "WRN-28-10 on CIFAR-10, eps 8/255",
    "cifar100": "WRN-28-10 on CIFAR-100, eps 8/255",
}


def write(suite: Suite, out: Path, *, seeds: int) -> None:
    """``report.html``, ``results.json``, ``tables.csv``, ``.md``, ``figures/*.png`` in ``out``."""
    measured = kept(suite, out, seeds=seeds)
    found = records(measured, out)
    summary = summarise(found)
    claims = {
        f"{what}: {order}": seen
        for column, order, what in CLAIMS
        if (seen := ordering(summary, column, order)) is not None
    }
    warnings = [
        f"{file.parents[1].name}, seed {m['seed']}: {sign}"
        for file, m in measured.items()
        for sign in signs_of_masking(m["figures"])
    ]
    spent = sum(minutes(out / name) for name in runs(suite, out, seeds=seeds))
    how = protocol(suite, measured, seeds=seeds)
    how["time"] = f"{spent:.3g} minutes of training in all, with the judge"
    made_with = joined(m["made_with"] for m in measured.values())
    (out / "report.html").write_text(
        page(
            title=f"{suite.title}: the paper's tables and figures", about=suite.about, protocol=how,
            summary=summary, data=suite.paper, tables=TABLES, claims=claims,
            warnings=warnings, figures=figures(suite, out), made_with=made_with,
        )
    )  # fmt: skip
    results: dict[str, Any] = {
        "suite": suite.title, "protocol": how, "made_with": made_with,
        "warnings": warnings,
        "claims": {claim: {"held": held, "seeds": of} for claim, (held, of) in claims.items()},
        "summary": {
            method: {
                column: {"mean": cell.mean, "std": None if math.isnan(cell.std) else cell.std}
                for column, cell in row.items()
            }
            for method, row in summary.items()
        },
        "records": found,
    }  # fmt: skip
    (out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    write_csv(out / "tables.csv", TABLES, summary, suite.paper)
    said = [f"{claim}: held in {held} of {of} seeds" for claim, (held, of) in claims.items()]
    parts = {
        "Warnings": warnings or ["none: no net shows signs of gradient masking"],
        "The paper's orderings": said,
        "Protocol": [f"{k}: {v}" for k, v in how.items()],
    }
    lists = [
        f"## {title}\n\n" + "\n".join(f"- {v}" for v in p) + "\n" for title, p in parts.items()
    ]
    (out / "tables.md").write_text("\n".join([markdown(TABLES, summary, suite.paper), *lists]))


def joined(machines: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Versions and machines of all measurements, each different one once."""
    found: dict[str, dict[str, None]] = {}
    for machine in machines:
        for name, value in machine.items():
            found.setdefault(name, {})[value] = None
    return {name: " and ".join(values) for name, values in found.items()}


def protocol(
    suite: Suite, measured: Mapping[Path, dict[str, Any]], *, seeds: int
) -> dict[str, str]:
    """How every number was obtained, in words."""
    by_name = {file.stem: m for file, m in measured.items()}
    probes = int(by_name["fisher"]["figures"]["fisher_probes"])
    images = {name: m["images"] for name, m in by_name.items()}
    judge = next(m for file, m in measured.items() if file.parents[1].name == "judge")
    starts = {p.start for p in suite.plans(Path(), 0).values()}
    inception = suite.settings.get("sample_quality", {}).get("inception")
    return {
        "data": suite.data,
        "training": "; ".join(_told(m, p) for m, p in suite.plans(Path(), 0).items()),
        "paper": f"numbers marked paper are of a {PAPER[suite.paper]}",
        "seeds": f"{seeds} (0 to {seeds - 1}): of training, attacks, probes, starts and noise; "
        "means and sample standard deviations over seeds",
        "accuracy, PGD, ECE": f"{images['pgd_20']} test images, spread evenly; fp32; "
        f"eps {suite.eps:.4g} (linf, [0, 1] pixels), PGD-20 in steps of eps / 4",
        "Fisher scores": f"{images['fisher']} test images; "
        + (f"Hutchinson's estimate with {probes} probes" if probes else "exact"),
        "curvature, AUROC": f"{images['fisher']} test images; outside: {suite.outside} images",
        "AutoAttack": f"{suite.attacks or 'the standard set'}, {images['auto_attack']} test "
        f"images, seeds 0 to {min(seeds, suite.attacked_seeds) - 1}; zero gradients are counted "
        "at the test images",
        "gradient masking": f"{images['masking']} test images; a share above 0.01 by more than "
        "three standard errors is a sign of it",
        "generated images": f"{by_name['eq17']['samples']} a method and seed, "
        f"{suite.per_class} of each class, fresh chains, unselected; "
        + _chains(suite)
        + f"; start {', '.join(sorted(starts))}; "
        f"compared with {suite.compared or 'all'} training images",
        "extractor": "torch-fidelity's Inception" if inception else "the judge",
        "judge": f"{suite.judge.net} ({suite.judge.activation}), {suite.judge.method} training on "
        f"the same data, seed {suite.judge.optimisation.seed}, accuracy "
        f"{judge['figures']['accuracy']:.4f} on {judge['images']} test images "
        f"({judge['command']})",
    }


def _chains(suite: Suite) -> str:
    told = [", ".join(f"{k} {v}" for k, v in suite.chain.items())]
    told += [f"of {m} {k} {v}" for m, how in suite.chains.items() for k, v in how.items()]
    return ", ".join(told)


def _told(method: str, plan: Plan) -> str:
    """A run in words: what it starts from, how long, with which settings of its own."""
    o = plan.optimisation
    began = f"from the trained {Path(plan.init).name}" if plan.init else "from scratch"
    how = {"epochs": o.epochs, "optimizer": o.optimizer, "lr": o.lr} | plan.objective
    told = [f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in how.items()]
    return f"{method} {began} ({', '.join(told)})"
