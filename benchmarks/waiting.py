"""What it costs and gains that threads which wait for others sleep rather than spin."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks._measure import Row, interleaved, ratio

__all__ = ["beside", "measure"]

WORK = """
import sys, torch
from jeat.energy import energy_of, score
from jeat.nets import Spec, build
torch.manual_seed(0)
name, channels, size, passes, threads = sys.argv[1], *map(int, sys.argv[2:])
torch.set_num_threads(threads)
net = build(Spec(name, channels, size, tuple("0123456789"), activation="silu"))
E = energy_of(net.eval().requires_grad_(False))
x = torch.rand(64, channels, size, size)
for line in sys.stdin:
    for _ in range(passes):
        score(E, x)
    print("done", flush=True)
"""
NETS = {"convnet-32, 8 x 8": ("convnet-32", 1, 8, 30), "wrn-10-2, 32 x 32": ("wrn-10-2", 3, 32, 4)}


class Worker:
    """A process that takes input gradients when it is called; how its threads wait is given."""

    def __init__(self, net: tuple[object, ...], policy: str | None, threads: int = 2) -> None:
        env = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
        env |= {} if policy is None else {"OMP_WAIT_POLICY": policy}
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORK, *map(str, net), str(threads)],
            env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip

    def __call__(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        print("go", file=self.process.stdin)
        self.process.stdout.readline()

    def leave(self) -> None:
        """End it, and wait until it has."""
        self.process.communicate()


@contextmanager
def busy(processes: int = 1) -> Iterator[None]:
    """Beside processes that never wait."""
    words = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(words) for _ in range(processes)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def measure(rounds: int = 5) -> Iterator[Row]:
    """Times of two threads that spin, as torch's do where nobody says, over those that sleep."""
    for name, net in NETS.items():
        workers = {"spin": Worker(net, None), "sleep": Worker(net, "passive")}
        try:
            alone = interleaved(workers, rounds)
            load = f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
            with busy():
                beside = interleaved(workers, rounds, warm=True)
        finally:
            for worker in workers.values():
                worker.leave()
        what = f"input gradients by 2 threads, {name}: "
        found = ratio(alone["sleep"], alone["spin"])
        yield Row("waiting", f"{what}waiting asleep / spinning, alone", *found, rounds, note=load)
        found = ratio(beside["spin"], beside["sleep"])
        yield Row(
            "waiting", f"{what}spinning / asleep, beside a busy process", *found, rounds, note=load
        )


def beside(rounds: int = 5) -> Iterator[Row]:
    """Two threads beside a job on every core, over one thread alone: half of two cores."""
    for name, net in NETS.items():
        shared, alone = Worker(net, "passive"), Worker(net, "passive", 1)
        try:
            seconds: dict[str, list[float]] = {"beside": [], "alone": []}
            for _ in range(rounds):
                seconds["alone"] += interleaved({"a": alone}, 1)["a"]
                with busy(2):
                    seconds["beside"] += interleaved({"b": shared}, 1)["b"]
        finally:
            shared.leave()
            alone.leave()
        what = f"input gradients, {name}: 2 threads beside a busy machine / 1 thread alone"
        load = f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
        found = ratio(seconds["beside"], seconds["alone"])
        yield Row("waiting", what, *found, rounds, at_most=1.25, note=load)
