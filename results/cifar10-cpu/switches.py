"""The table of ``switches/``, beside the three seeds of ``joint/``: ``python switches.py``."""

import json
import re
from pathlib import Path

from jeat.report import summarise, table

HERE = Path(__file__).parent
COLUMNS = {
    "accuracy": "clean", "robust_accuracy": "PGD-20", "jfs_gradient": "JFS gradient",
    "mfs_gradient": "MFS gradient", "judge_fid": "judge-FID", "judge_is": "judge-IS",
    "judge_accuracy": "judge accuracy",
}  # fmt: skip
SCRIPT = (HERE / "switches.sh").read_text()
CHANGED = dict(re.findall(r'^    ([\w-]+)\) .*changed="(.*?)"', SCRIPT, re.M))

records = []
for file in sorted((HERE / "joint").glob("jeat-*.json")):
    figures = json.loads(file.read_text())["figures"]
    seed = file.stem.removeprefix("jeat-")
    records += [
        {"method": "jeat", "seed": seed, "column": c, "value": figures[c], "command": ""}
        for c in COLUMNS
    ]
cells = summarise(records)["jeat"]
rows = [{"changed": "nothing, three seeds"} | {COLUMNS[c]: str(cells[c]) for c in COLUMNS}]
for switch, changed in CHANGED.items():
    words = changed.replace("objective.", "").removeprefix("--")
    if switch == "from-scratch":
        words += ", no --init"
    found = HERE / f"switches/{switch}.json"
    if found.exists():
        figures = json.loads(found.read_text())["figures"]
        told = {COLUMNS[c]: f"{figures[c]:.4g}" for c in COLUMNS}
    else:
        said = (HERE / f"switches/{switch}.diverged").read_text()
        at = re.search(r"at iteration (\d+)", said)[1]
        told = {"clean": f"diverged at {at}"}
    rows.append({"changed": f"`{words}`"} | dict.fromkeys(COLUMNS.values(), "") | told)
print(table(rows))
