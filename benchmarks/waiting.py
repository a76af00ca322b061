"""What it costs and gains that threads which wait for others sleep rather than spin."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks._measure import Row, interleaved, ratio

__all__ = ["measure"]

WORK = """
import sys, torch
from jeat.energy import energy_of, score
from jeat.nets import Spec, build
torch.manual_seed(0)
torch.set_num_threads(2)
name, channels, size, passes = sys.argv[1], *map(int, sys.argv[2:])
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

    def __init__(self, net: tuple[object, ...], policy: str | None) -> None:
        env = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
        env |= {} if policy is None else {"OMP_WAIT_POLICY": policy}
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORK, *map(str, net)],
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
def busy() -> Iterator[None]:
    """Beside a process that never waits."""
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
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
