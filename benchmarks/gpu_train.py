"""Train as large a net as some minutes allow, AT then JEAT, and measure both: ``make gpu-train``.

The protocol is that of ``jeat reproduce cifar10-cpu``; the judge is the package's. A second call
goes on where the first was stopped. ``--smoke`` trains a tiny net for a few iterations.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import jeat
from benchmarks.gpu._bench import FEW, OverError, about, limited
from jeat._support import processes
from jeat._support.files import rewritten
from jeat.data import Data, load_data
from jeat.jobs.image_files import draw_to
from jeat.jobs.measurement import Measurement, measure_to
from jeat.recipes.cifar10_cpu import suite as of_cpu
from jeat.report import table
from jeat.suites import Suite
from jeat.suites.smoke import smoke
from jeat.training.begin import begin
from jeat.training.loop import train
from jeat.training.plan import Optimisation, Plan

ROOT = Path(__file__).parents[1]
NETS = ("wrn-28-10", "wrn-34-5", "wrn-28-4", "wrn-16-4")  # the first that has time to learn
LEAST, MOST = 15, 60  # epochs of AT
AT, JEAT = 0.5, 0.08  # shares of the time; the rest is for measuring
FIRST = ("clean", "pgd_20", "eq17", "pgd_20_few", "auto_attack", "fisher")


def main(words: Sequence[str] | None = None) -> None:
    """Choose, train, draw and measure, writing the record after each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_train", description=__doc__)
    parser.add_argument("--minutes", type=float, default=25, help="of training and measuring")
    parser.add_argument("--data", type=Path, help="CIFAR-10 (default: $JEAT_DATA/cifar10)")
    parser.add_argument("--net", help="instead of the largest that learns in time")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu-train"))
    parser.add_argument("--record", type=Path, help="default: results/gpu-train.json")
    parser.add_argument("--smoke", action="store_true", help="tiny, on any device")
    args = parser.parse_args(words)
    end, device = time.monotonic() + 60 * args.minutes, processes.device()
    if device.type != "cuda" and not args.smoke:
        parser.error("there is no GPU here: --smoke trains a tiny net for a few iterations")
    place = args.data or Path(os.environ.get("JEAT_DATA", "/nowhere")) / "cifar10"
    if not args.smoke and not place.exists():
        parser.error(f"no CIFAR-10 in {place}: give --data, or put it into $JEAT_DATA/cifar10")
    source = FEW if args.smoke else str(place)
    data = load_data(source)
    args.out.mkdir(parents=True, exist_ok=True)
    suite = chosen(args, source, data)
    file = args.record or (args.out if args.smoke else ROOT / "results") / "gpu-train.json"
    record = about(device, data, smoke=args.smoke)
    record |= {"minutes": args.minutes, "stages": {}, "figures": {}, "not reached": []}
    for stage, figures in stages(suite, args.out, end):
        for kind, found in figures.items():
            if isinstance(found, list):
                record[kind] += found
            else:
                record[kind].setdefault(stage, {}).update(found)
        rewritten(file, json.dumps(record, indent=1) + "\n")
        print(stage, figures, flush=True)
    print(table([{"net": k} | v for k, v in record["figures"].items()]))
    print(f"{file} was written")


def chosen(args: argparse.Namespace, source: str, data: Data) -> Suite:
    """The suite of this run: of the net and epochs that an earlier call chose, or by trial."""
    file = args.out / "chosen.json"
    if not file.exists():
        file.write_text(json.dumps(_by_trial(args, source, data)))
    how = json.loads(file.read_text())
    print(f"chosen: {how}", flush=True)
    whole = _suite(source, how["net"], how["at_epochs"], how["jeat_epochs"])
    return smoke(whole) if args.smoke else whole


def _by_trial(args: argparse.Namespace, source: str, data: Data) -> dict[str, Any]:
    """The largest net that learns in time, and its epochs, by the speed of a few iterations."""
    names = ("wrn-10-1",) if args.smoke else (args.net,) if args.net else NETS
    for name in names:
        plans = _suite(source, name, 1, 1).plans(args.out, 0)
        seconds = 60 * args.minutes * AT
        epochs = seconds * (1 if args.smoke else _speed(plans["at"], data)) / len(data.train)
        if epochs >= LEAST or name == names[-1]:
            break
    at = replace(plans["jeat"], init=None)
    seconds = 60 * args.minutes * JEAT
    joint = seconds * (1 if args.smoke else _speed(at, data)) / len(data.train)
    return {
        "net": name, "at_epochs": round(min(MOST, max(1, 0.95 * epochs)), 1),
        "jeat_epochs": round(min(2, max(0.2, 0.95 * joint)), 2),
    }  # fmt: skip


def _speed(plan: Plan, data: Data, iterations: int = 25) -> float:
    """Images a second of a training, after ten iterations."""
    training = begin(plan, data, fresh=True).training
    began = 0.0
    for log in train(training, data.train):
        if log.iteration == 10:
            torch.cuda.synchronize()
            began = time.perf_counter()
        if log.iteration == 10 + iterations:
            break
    torch.cuda.synchronize()
    return iterations * plan.optimisation.batch_size / (time.perf_counter() - began)


def _suite(source: str, net: str, at: float, joint: float) -> Suite:
    """The suite `cifar10-cpu` with AT and JEAT of another net."""
    small = of_cpu(data=source)

    def plans(out: Path, seed: int) -> dict[str, Plan]:
        found = small.plans(out, seed)
        return {k: _larger(found[k], net, at if k == "at" else joint) for k in ("at", "jeat")}

    return replace(small, plans=plans, models="")


def _larger(plan: Plan, net: str, epochs: float) -> Plan:
    """A plan for more weights and a faster machine: larger batches of AT, fewer checkpoints."""
    o: Optimisation = replace(
        plan.optimisation, epochs=epochs, deltas_every=0, save_every=2000, precision="auto"
    )
    if plan.method == "at":
        o = replace(o, batch_size=256, lr=0.2, warmup=200, ema=0.995)
    return replace(plan, net=net, optimisation=o)


def stages(suite: Suite, out: Path, end: float) -> Iterator[tuple[str, dict[str, Any]]]:
    """Train, then draw and measure in the order of what is told first; what time leaves out."""
    plans = suite.plans(out, 0)
    for name, plan in plans.items():
        began, done, found = time.monotonic(), 0, {}
        for log in jeat.fit(plan, out / name, resume=True):
            done += 1
            found = {k: v for k, v in log.metrics.items() if k.startswith("test_")}
            if log.went_back:
                yield name, {"stages": {"went back": list(log.went_back)}}
        images = plan.optimisation.evaluate_images
        yield name, {"figures": {f"{k} ({images} images)": v for k, v in found.items()}}
        took = {"seconds": round(time.monotonic() - began, 1), "iterations": done}
        o = plan.optimisation
        took |= {"net": plan.net, "epochs": o.epochs, "batch_size": o.batch_size}
        yield name, {"stages": took}
    for what in FIRST:
        for name in plans:
            began = time.monotonic()
            try:
                with limited(end - began):
                    figures = _measured(suite, name, out / name, what)
            except OverError:
                yield name, {"not reached": [f"{name}: {what}"]}
                continue
            spent = {f"seconds of {what}": round(time.monotonic() - began, 1)}
            yield name, {"figures": figures, "stages": spent}


def _measured(suite: Suite, method: str, folder: Path, what: str) -> dict[str, float]:
    """The figures of one measurement of the suite, whose images are drawn first."""
    judge = "cifar10-judge"
    m: Measurement = suite.comparison.measurements(suite, method, folder, judge, 0)[what]
    if m.samples is not None:
        draw_to(Path(m.samples), suite.comparison.drawings(suite, method, str(folder), 0)[what])
        kept = tuple(k for k in m.metrics if k != "nearest")  # looks at all training images
        m = replace(m, metrics=kept)
    found = measure_to(folder / f"figures/{what}.json", m)["figures"]
    return {suite.comparison.name(method, what, k)[1]: v for k, v in found.items()}


if __name__ == "__main__":
    main()
