"""The table of ``switches/``, beside the three seeds of ``joint/``: ``python switches.py``."""

import json
import re

from joint import HERE, row, seeds

from jeat.report import table

SCRIPT = (HERE / "switches.sh").read_text()
CHANGED = dict(re.findall(r'^    ([\w-]+)\) .*changed="(.*?)"', SCRIPT, re.M))

cells = seeds()["jeat"]
rows = [{"changed": "nothing, three seeds"} | row(lambda c: str(cells[c]))]
for switch, changed in CHANGED.items():
    words = changed.replace("objective.", "").removeprefix("--")
    if switch == "from-scratch":
        words += ", no --init"
    found = HERE / f"switches/{switch}.json"
    if found.exists():
        figures = json.loads(found.read_text())["figures"]
        told = row(lambda c, figures=figures: f"{figures[c]:.4g}")
    else:
        said = (HERE / f"switches/{switch}.diverged").read_text()
        at = re.search(r"at iteration (\d+)", said)[1]
        told = row(lambda _: "") | {"clean": f"diverged at {at}"}
    rows.append({"changed": f"`{words}`"} | told)
print(table(rows))
