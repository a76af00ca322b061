"""The tables that pages show, from ``results/``: ``python -m docs.excerpts`` writes excerpts/.

A page includes one by ``{include} excerpts/NAME.md``.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from jeat.recipes.paper.tables import columns
from jeat.recipes.paper.variants import OWN, RULERS
from jeat.report import Table, summarise, table
from jeat.report.tables import filled

HERE = Path(__file__).parent
PLACE = HERE / "excerpts"
RESULTS = HERE.parent / "results"

EXCERPTS: dict[str, tuple[str, Sequence[str]]] = {
    "jem": (
        "cifar10-jem",
        ("accuracy", "ece", "jfs_calibrated", "mfs_calibrated", "lite0_kid", "judge_fid"),
    ),
}
"""{name: (suite, figures)}"""


def excerpt(suite: str, names: Sequence[str]) -> str:
    """Some figures of every run of a suite that has one, as a table."""
    summary = summarise(json.loads((RESULTS / suite / "results.json").read_text())["records"])
    rulers = [name for name in RULERS.values() if name in summary]
    rows = [*(name for name in summary if name not in rulers), *rulers]
    cut = Table("", "", columns(*names, own=OWN), rows)
    (shown,) = filled([cut], summary)
    return table([
        {"run": row["method"]}
        | {c.label: v["ours"] for c, v in zip(shown["columns"], row["cells"], strict=True)}
        for row in shown["rows"]
    ])  # fmt: skip


if __name__ == "__main__":
    PLACE.mkdir(exist_ok=True)
    for name, cut in EXCERPTS.items():
        (PLACE / f"{name}.md").write_text(excerpt(*cut) + "\n")
