"""Tables 1-3 beside the paper's, its orderings, and the files a reader opens."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jeat.recipes._figures import figures
from jeat.recipes._suite import Suite, records
from jeat.recipes._tables import ORDERINGS, TABLES
from jeat.report import markdown, ordering, page, provenance, summarise, write_csv

__all__ = ["write"]


def write(suite: Suite, out: Path, *, seeds: int) -> None:
    """``report.html``, ``results.json``, ``tables.csv``, ``.md``, ``figures/*.png`` in ``out``."""
    found = records(suite, out, seeds=seeds)
    summary = summarise(found)
    orderings = [
        (f"{column}: {claim}", *seen)
        for column, claim in ORDERINGS
        if (seen := ordering(summary, column, claim)) is not None
    ]
    how = protocol(suite, seeds=seeds)
    how["judge"] += f", accuracy {summary['judge']['accuracy']}"
    (out / "report.html").write_text(
        page(
            title=f"{suite.title}: the paper's tables and figures", about=suite.about, protocol=how,
            summary=summary, tables=TABLES, orderings=orderings, figures=figures(suite, out),
            made_with=provenance(),
        )
    )  # fmt: skip
    kept: dict[str, Any] = {
        "suite": suite.title, "protocol": how, "made_with": provenance(), "records": found,
        "orderings": [{"claim": c, "held": h, "seeds": n} for c, h, n in orderings],
        "summary": {m: {c: asdict(v) for c, v in row.items()} for m, row in summary.items()},
    }  # fmt: skip
    for row in kept["summary"].values():
        for cell in row.values():
            cell.pop("commands")
            cell["std"] = None if len(cell["values"]) == 1 else cell["std"]
    (out / "results.json").write_text(json.dumps(kept, indent=1) + "\n")
    write_csv(out / "tables.csv", TABLES, summary)
    claims = [f"{claim}: held in {held} of {of} seeds" for claim, held, of in orderings]
    parts = {"The paper's orderings": claims, "Protocol": [f"{k}: {v}" for k, v in how.items()]}
    lists = [f"## {title}\n\n" + "\n".join(f"- {v}" for v in p) for title, p in parts.items()]
    text = "\n".join([markdown(TABLES, summary), *(f"{part}\n" for part in lists)])
    (out / "tables.md").write_text(text)


def protocol(suite: Suite, *, seeds: int) -> dict[str, str]:
    """How every number was obtained, in words."""
    chain = ", ".join(f"{k} {v}" for k, v in suite.chain.items())
    classes = f"{suite.per_class} of each class"
    attacks = suite.attacks or "AutoAttack's standard set"
    return {
        "data": suite.data,
        "seeds": f"{seeds} (0 to {seeds - 1}): of training, attacks, probes, starts and noise; "
        "means and sample standard deviations over seeds",
        "accuracy, PGD, ECE": f"{suite.images} test images, spread evenly; fp32",
        "Fisher scores, curvature, AUROC": f"{suite.scored} test images, spread evenly",
        "AutoAttack": f"{attacks} on {suite.attacked} test images, {suite.attacked_seeds} seed(s)",
        "eps": f"{suite.eps:.4g} in [0, 1] pixels, linf",
        "generated images": f"{classes}, fresh chains, unselected; {chain}; compared with the "
        "training split",
        "judge": f"{suite.judge.net}, {suite.judge.method} training on the same data, seed "
        f"{suite.judge.optimisation.seed}",
    }
