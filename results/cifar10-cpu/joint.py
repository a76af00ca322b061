"""The table of ``joint/``, a row a method and seed, and one of means: ``python joint.py``."""

import json
from pathlib import Path

from jeat.report import summarise, table

HERE = Path(__file__).parent
COLUMNS = {
    "accuracy": "clean", "robust_accuracy": "PGD-20", "jfs_gradient": "JFS gradient",
    "mfs_gradient": "MFS gradient", "judge_fid": "judge-FID", "judge_is": "judge-IS",
    "judge_accuracy": "judge accuracy",
}  # fmt: skip


def row(value):
    """The cells of a row: what ``value`` makes of each figure's name."""
    return {shown: value(figure) for figure, shown in COLUMNS.items()}


def seeds():
    """Method -> figure -> its cell, over the seeds of ``joint/``."""
    records = []
    for file in sorted((HERE / "joint").glob("*.json")):
        method, seed = file.stem.split("-")
        found = json.loads(file.read_text())
        for column in COLUMNS:
            value = {"value": found["figures"][column], "command": found["command"]}
            records.append({"method": method, "seed": seed, "column": column} | value)
    return summarise(records)


def main():
    """Print it."""
    rows = []
    for method, cells in seeds().items():
        of_seeds = cells["accuracy"].values
        for seed in of_seeds:
            values = row(lambda c, cells=cells, seed=seed: f"{cells[c].values[seed]:.4g}")
            rows.append({"method": method, "seed": str(seed)} | values)
        means = row(lambda c, cells=cells: str(cells[c]))
        rows.append({"method": f"**{method}**", "seed": f"all {len(of_seeds)}"} | means)
    print(table(rows))


if __name__ == "__main__":
    main()
