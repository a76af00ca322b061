"""The files that a reader of a suite opens."""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jeat.metrics import signs_of_masking
from jeat.report import Summary, markdown, ordering, page, summarise, write_csv
from jeat.runs.log import minutes
from jeat.suites.ended import why_diverged
from jeat.suites.records import divergences, logged, measured_in, records
from jeat.suites.suite import Suite, runs

__all__ = ["write"]

SHOWS_PAPER = ": the paper's tables and figures"


def write(suite: Suite, out: Path, *, seeds: int) -> None:
    """``report.html``, ``results.json``, ``tables.csv``, ``.md``, ``figures/*.png`` in ``out``."""
    measured = measured_in(suite, out, seeds=seeds)
    found = records(suite, measured, out) + divergences(suite, out, seeds=seeds)
    found += logged(suite, out, seeds=seeds)
    summary = summarise(found)
    tables = suite.comparison.tables(suite, summary)
    claims = {
        f"{what}: {order}": seen
        for column, order, what in suite.comparison.claims(suite)
        if (seen := ordering(summary, column, order)) is not None
    }
    warnings = _warnings(suite, measured, out, seeds=seeds)
    spent = sum(minutes(out / name) for name in runs(suite, out, seeds=seeds))
    how = suite.comparison.words(suite, measured, seeds=seeds)
    how["time"] = f"{spent:.3g} minutes of training in all, with the judge"
    made_with = joined(m["made_with"] for m in measured.values())
    (out / "report.html").write_text(
        page(
            title=f"{suite.title}{SHOWS_PAPER if claims else ''}", about=suite.about, protocol=how,
            summary=summary, tables=tables, claims=claims,
            warnings=warnings, figures=suite.comparison.figures(suite, out), made_with=made_with,
        )
    )  # fmt: skip
    results: dict[str, Any] = {
        "suite": suite.title, "protocol": how, "made_with": made_with,
        "warnings": warnings,
        "claims": {claim: {"held": held, "seeds": of} for claim, (held, of) in claims.items()},
        "summary": _plain(summary),
        "records": found,
    }  # fmt: skip
    (out / "results.json").write_text(json.dumps(results, indent=1, allow_nan=False) + "\n")
    write_csv(out / "tables.csv", tables, summary)
    said = [f"{claim}: held in {held} of {of} seeds" for claim, (held, of) in claims.items()]
    parts = {
        "Warnings": warnings or ["none: no net shows signs of gradient masking"],
        **({"The paper's orderings": said} if said else {}),
        "Protocol": [f"{k}: {v}" for k, v in how.items()],
    }
    lists = [
        f"## {title}\n\n" + "\n".join(f"- {v}" for v in p) + "\n" for title, p in parts.items()
    ]
    (out / "tables.md").write_text("\n".join([markdown(tables, summary), *lists]))


def _warnings(
    suite: Suite, measured: Mapping[Path, dict[str, Any]], out: Path, *, seeds: int
) -> list[str]:
    """What makes a figure doubtful, signs of gradient masking, and runs that diverged.

    What is said of several nets alike is said once, before it the nets.
    """
    said: dict[str, dict[str, list[int]]] = {}
    for file, m in measured.items():
        for sign in dict.fromkeys((*m.get("warnings", ()), *signs_of_masking(m["figures"]))):
            seeds_of = said.setdefault(sign, {}).setdefault(file.parents[1].name, [])
            seeds_of += [m["seed"]] * (m["seed"] not in seeds_of)
    warnings = [
        f"{'; '.join(_seeds_in_words(name, of) for name, of in nets.items())}: {sign}"
        for sign, nets in said.items()
    ]
    for name in runs(suite, out, seeds=seeds):
        if why := why_diverged(out / name):
            warnings.append(f"{name}: {why}")
    return warnings


def _seeds_in_words(name: str, seeds: list[int]) -> str:
    return f"{name}, seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"


def _plain(summary: Summary) -> dict[str, dict[str, dict[str, Any]]]:
    """Means and deviations as JSON has them: none for one seed, where JSON has no NaN."""
    return {
        method: {
            column: {
                "mean": cell.mean,
                "std": None if math.isnan(cell.std) else cell.std,
                "images": list(cell.images),
            }
            for column, cell in row.items()
        }
        for method, row in summary.items()
    }


def joined(machines: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Versions and machines of all measurements, each different one once."""
    found: dict[str, dict[str, None]] = {}
    for machine in machines:
        for name, value in machine.items():
            found.setdefault(name, {})[value] = None
    return {name: " and ".join(values) for name, values in found.items()}
