"""The table of ``joint/``, a row a method and seed, and one of means: ``python joint.py``."""

import json
from pathlib import Path

from jeat.report import summarise, table

COLUMNS = {
    "accuracy": "clean", "robust_accuracy": "PGD-20", "jfs_gradient": "JFS gradient",
    "mfs_gradient": "MFS gradient", "judge_fid": "judge-FID", "judge_is": "judge-IS",
    "judge_accuracy": "judge accuracy",
}  # fmt: skip

records = []
for file in sorted((Path(__file__).parent / "joint").glob("*.json")):
    method, seed = file.stem.split("-")
    found = json.loads(file.read_text())
    for column in COLUMNS:
        value = {"value": found["figures"][column], "command": found["command"]}
        records.append({"method": method, "seed": seed, "column": column} | value)
rows = []
for method, cells in summarise(records).items():
    for seed in cells["accuracy"].values:
        values = {COLUMNS[c]: f"{cells[c].values[seed]:.4g}" for c in COLUMNS}
        rows.append({"method": method, "seed": str(seed)} | values)
    means = {COLUMNS[c]: str(cells[c]) for c in COLUMNS}
    rows.append({"method": f"**{method}**", "seed": f"all {len(cells['accuracy'].values)}"} | means)
print(table(rows))
