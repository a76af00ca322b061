"""Lay the nets of the package out as finished runs of ``jeat reproduce cifar10-cpu``.

``python results/cifar10-cpu/restore.py RUNS`` makes ``RUNS/judge`` and ``RUNS/seed0/METHOD`` with
what ``measured/`` holds of them; ``jeat reproduce cifar10-cpu --out RUNS --seeds 1`` then trains,
draws and measures the rest only. Nets of other seeds, ``seedN/METHOD/`` here, are laid out as well,
for ``--seeds 3``. Of a run whose log is not kept here the log has one line, its
length in seconds, from the net's card; JEAT's is of a repetition (README.md).
"""

import json
import re
import shutil
import sys
from dataclasses import asdict, replace
from pathlib import Path

import jeat
from jeat.nets import shipped
from jeat.recipes.cifar10_cpu import suite
from jeat.suites.suite import runs

HERE = Path(__file__).parent


def main(out: Path) -> None:
    """Lay out what is not there yet."""
    for folder, plan in runs(suite(), out, seeds=1).items():
        method, run = Path(folder).name, out / folder
        if (name := f"cifar10-{method}") not in shipped() or run.exists():
            continue
        net = jeat.load(name)
        if net.about["plan"]["optimisation"]["epochs"] != plan.optimisation.epochs:
            print(f"{run}: left out, as the net was trained by other settings")
            continue
        place = run / f"checkpoints/{net.about['iteration']:08d}"
        place.mkdir(parents=True)
        shutil.copy(shipped()[name], place / "net.safetensors")
        card = shipped()[name].with_suffix(".md").read_text()
        minutes, machine = re.search(r"([\d.]+) minutes \((.*?)\)\.", card).groups()
        made = dict(word.split(" ", 1) for word in re.split(r", (?=[a-z]+ )", machine))
        init = plan.init and str(Path(plan.init).resolve())
        kept = json.loads(json.dumps(asdict(replace(plan, init=init)))) | {
            "objective": net.about["plan"]["objective"]
        }
        (run / "run.json").write_text(json.dumps({"plan": kept} | made, indent=1))
        log = HERE / f"{method}.log.jsonl"
        row = {"iteration": net.about["iteration"], "seconds": 60 * float(minutes)}
        (run / "log.jsonl").write_text(log.read_text() if log.exists() else json.dumps(row) + "\n")
        if (HERE / "measured" / method).exists():
            shutil.copytree(HERE / "measured" / method, run / "figures")
        print(f"{run}: {minutes} minutes of training")
    for net in sorted(HERE.glob("seed[0-9]/*/net.safetensors")):
        run = out / net.parent.relative_to(HERE)
        if not run.exists():
            place = run / f"checkpoints/{jeat.load(net).about['iteration']:08d}"
            place.mkdir(parents=True)
            shutil.copy(net, place)
            for name in ("run.json", "log.jsonl"):
                shutil.copy(net.parent / name, run)
            print(f"{run}: trained already")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
