"""``make soak``: runs are killed, disks filled, files damaged at random; what survives is counted.

Writes ``results/soak.json``. A run is forked from one process that has everything imported, so that
a kill costs about a second. Every claim is an assertion: the script stops at the first that fails.
"""

import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

import jeat
from jeat._support.provenance import provenance
from jeat._support.sealed import bytes_sum
from jeat.nets.places import checkpoints, newest
from jeat.runs.checkpoints import manifest_of
from jeat.runs.fit import fit
from jeat.runs.rollbacks import rollbacks_of
from jeat.training.health import DivergenceError
from jeat.training.plan import Optimisation, Plan, Recovery

SAVE_EVERY = 3
PLAN = Plan(
    "jeat", net="convnet-4", start="gaussian",
    objective={"steps": 2, "buffer_size": 300},
    optimisation=Optimisation(
        epochs=1.8, log_every=1, save_every=SAVE_EVERY, ema=0.9, evaluate_images=20
    ),
)  # fmt: skip
WILD = replace(  # runs away, once
    PLAN,
    optimisation=replace(PLAN.optimisation, lr=100.0, warmup=6),
    recovery=Recovery(lr=1e-5, tries=2, patience=2, max_energy=100.0),
)


def main(kills: int = 200, full: int = 20, damaged: int = 100) -> None:
    """Count and write."""
    random.seed(0)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        whole, wild = place / "whole", place / "wild"
        train(PLAN, whole)
        train(WILD, wild)
        assert len(rollbacks_of(wild)) == 1, "the run that should diverge once does not"
        found = {
            "kill -9": killed(place, PLAN, whole, kills, signal.SIGKILL),
            "SIGTERM": killed(place, PLAN, whole, full, signal.SIGTERM),
            "SIGINT": killed(place, PLAN, whole, full, signal.SIGINT),
            "kill -9 of a run that diverges": killed(place, WILD, wild, full, signal.SIGKILL),
            "full disk": filled(place, whole, full),
            "damaged files": refused(place, wild, damaged),
            "divergence": diverged(place),
        }
    os.environ["JEAT_EVERY_CRASH"] = "1"
    found["death and a full disk at every change to the file system"] = counted(
        "crash", "tests passed", "test_"
    )
    found["bad inputs"] = counted("bad_input", "refused in one line", "test_a_bad_")
    found["made_with"] = provenance() | {"minutes": f"{(time.monotonic() - began) / 60:.1f}"}
    for what, figures in found.items():
        print(f"{what}: " + ", ".join(f"{k} {v}" for k, v in figures.items()))
    Path("results/soak.json").write_text(json.dumps(found, indent=1) + "\n")


def train(plan: Plan, out: Path) -> None:
    """Begin the run in ``out``, or go on with it, to its end."""
    for _ in fit(plan, out, resume=True):
        pass


def forked(work: Callable[[], None]) -> int:
    """The process of a child that does it, and leaves with 0, or with 1 after an error."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    except (KeyboardInterrupt, OSError):
        pass
    finally:
        os._exit(code)


def contents(out: Path) -> dict[str, bytes]:
    """What makes two runs the same: every file of the last checkpoint, the log, the rollbacks."""
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    log = [{k: v for k, v in row.items() if k != "seconds"} for row in rows]
    last = checkpoints(out)[-1]
    files = {f.name: f.read_bytes() for f in last.glob("*.safetensors")}
    kept = {k: v for k, v in manifest_of(last).items() if k != "log"}  # that has the seconds, too
    return files | {"log": json.dumps([log, rollbacks_of(out), kept]).encode()}


def killed(
    place: Path, plan: Plan, whole: Path, times: int, kind: signal.Signals
) -> dict[str, int]:
    """Runs that get a signal at random moments until they end."""
    lost_bytes = 0
    began = time.monotonic()
    train(plan, place / "timed")
    lasts = time.monotonic() - began
    shutil.rmtree(place / "timed")
    done, runs, lost = 0, 0, 0
    while done < times:
        out = place / "run"
        while True:
            child = forked(partial(train, plan, out))
            time.sleep(random.uniform(0, 1.1 * lasts))
            os.kill(child, kind)
            _, status = os.waitpid(child, 0)
            if status == 0:
                break
            done += 1
            repeated, gone = check_left(out)
            lost, lost_bytes = max(lost, repeated), lost_bytes + gone
        assert contents(out) == contents(whole)
        shutil.rmtree(out)
        runs += 1
    assert lost <= SAVE_EVERY or plan is WILD
    return {
        "signals survived": done, "runs of these, equal to the whole": runs,
        "iterations lost at most": lost, "bytes of checkpoints lost": lost_bytes,
    }  # fmt: skip


def check_left(out: Path) -> tuple[int, int]:
    """Of what a dead run left: logged iterations to be repeated; bytes of damaged checkpoints."""
    log = out / "log.jsonl"
    rows = log.read_text().splitlines() if log.exists() else []
    last = newest(out) if out.exists() else None
    if last is not None:
        jeat.load(out)
    saved = int(last.name) if last else 0
    gone = 0
    for folder in checkpoints(out):
        for name, digest in manifest_of(folder)["sha256"].items():
            held = (folder / name).read_bytes()
            gone += len(held) * (bytes_sum(held) != digest)
    return max(0, len(rows) - saved), gone


def filled(place: Path, whole: Path, times: int) -> dict[str, int]:
    """Runs that may write no file beyond a random size from some iteration on, until later."""
    failed, kept, lost_bytes = 0, 0, 0
    for _ in range(times):
        out, first, most = place / "run", random.randrange(1, 15), random.randrange(60_000)

        def work(out: Path, first: int, most: int) -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            for log in fit(PLAN, out):
                if log.iteration == first:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

        _, status = os.waitpid(forked(partial(work, out, first, most)), 0)
        failed += status != 0
        lost_bytes += check_left(out)[1]
        kept += newest(out) is not None
        train(PLAN, out)
        assert contents(out) == contents(whole)
        shutil.rmtree(out)
    assert failed, "no disk was full"
    return {
        "disks full": failed, "runs, equal to the whole": times, "had a checkpoint": kept,
        "bytes of checkpoints lost": lost_bytes,
    }  # fmt: skip


def refused(place: Path, wild: Path, times: int) -> dict[str, int]:
    """Files of a run that went back, with a flipped bit, or cut short, somewhere."""
    named = 0
    for i in range(times):
        out = place / "run"
        shutil.copytree(wild, out)
        last, newer = checkpoints(out)
        shutil.rmtree(newer)
        records = [out / "log.jsonl", out / "rollbacks.jsonl"]
        file = random.choice([*sorted(last.iterdir()), *records])
        held = bytearray(file.read_bytes())
        logged = manifest_of(last)["log"][0]  # what follows is dropped
        at = random.randrange(logged if file.name == "log.jsonl" else len(held) - 1)
        held[at] ^= 1 << random.randrange(8)
        file.write_bytes(held[:at] if i % 2 else held)
        for use in (partial(train, WILD), jeat.load):
            if use is jeat.load and file.name != "net.safetensors":
                continue
            named_by = last if file.name == "manifest.json" else file
            with pytest.raises(ValueError, match=named_by.name):
                use(out)
        named += 1
        shutil.rmtree(out)
    return {"files damaged": times, "refused by name": named}


def diverged(place: Path) -> dict[str, int]:
    """Runs at a hundred thousand times the learning rate: saved by the policy, and given up."""
    back, gave_up, seeds = 0, 0, 10
    for seed in range(seeds):
        for factor in (1e-5, 1.0):
            out = place / f"wild-{seed}-{factor}"
            o = replace(WILD.optimisation, seed=seed)
            recovery = replace(WILD.recovery, lr=factor)
            wild = replace(WILD, optimisation=o, recovery=recovery)
            try:
                train(wild, out)
            except DivergenceError:
                gave_up += 1
            went = len(rollbacks_of(out))
            assert went == (1 if factor < 1 else 2), f"it went back {went} times"
            back += went
            if newest(out) is not None:
                jeat.load(out)
    assert gave_up == seeds
    return {"runs": 2 * seeds, "went back": back, "gave up": gave_up}


def counted(what: str, named: str, of: str) -> dict[str, int]:
    """A file of the tests, those counted that are named ``of``."""

    class Count:
        passed = 0

        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            self.passed += report.when == "call" and report.passed and of in report.nodeid

    count = Count()
    code = pytest.main(["-q", f"tests/test_{what}.py"], plugins=[count])
    assert code == 0, f"a test of {what} failed"
    return {named: count.passed}


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
