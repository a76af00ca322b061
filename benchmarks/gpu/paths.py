"""PGD, Langevin and JEAT against the bare passes they need, and where they wait for the device."""

import warnings
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks._measure import Row, ratio, spread
from benchmarks.gpu._bench import PRECISIONS, Bench, arithmetic
from benchmarks.hot_paths import bare_gradients, bare_training_passes, jeat_iteration
from jeat._support.tensors import known_labels
from jeat.attacks import pgd
from jeat.data import Batch
from jeat.energy import cross_entropy, energy_of
from jeat.nets import evaluating
from jeat.samplers import langevin, last
from jeat.training.iteration import iterate

__all__ = ["attack", "chain", "hot_paths", "sweeps", "waits"]

Run = Callable[[], object]


def attack(net: nn.Module, x: Tensor, y: Tensor, steps: int, precision: str, **how: object) -> Run:
    """PGD of as many steps for every image."""

    def run() -> Tensor:
        with arithmetic(precision, x.device), evaluating(net):
            return pgd(net, x, y, eps=8 / 255, steps=steps, step_size=2 / 255, **how)  # type: ignore[arg-type]

    return run


def chain(net: nn.Module, x: Tensor, y: Tensor | None, steps: int, precision: str) -> Run:
    """Langevin down E(x), or E(x, y) with labels, in [0, 1]."""

    def run() -> Tensor:
        with arithmetic(precision, x.device), evaluating(net):
            E = energy_of(net, y)
            states = langevin(E, x, steps=steps, step_size=0.25, noise=0.005, bounds=(0, 1))
            return last(states)

    return run


def hot_paths(bench: Bench) -> Iterator[Row]:
    """Ratios to bare passes, by net and precision; each bare pass with its images a second."""
    whole = {"wrn-28-10": (128, 10), "wrn-16-2": (512, 20), "wrn-10-2": (128, 20)}
    for name, (n, steps) in bench.pick(whole, {"wrn-10-1": (4, 2)}).items():
        net, (x, y) = bench.net(name), bench.batch(n)
        for precision in PRECISIONS:

            def bare(net: nn.Module = net, x: Tensor = x, how: str = precision) -> None:
                with arithmetic(how, x.device):
                    bare_gradients(net, x, steps, precision=None)  # noqa: B023

            t = bench.timed(
                {
                    "bare": bare,
                    "PGD": attack(net, x, y, steps, precision),
                    "Langevin": chain(net, x, None, steps, precision),
                },
                seconds=2.5,
            )
            rounds, where = len(t["bare"]), f"{precision}, {name}, batch {n}"
            speed = spread([n * steps / s for s in t["bare"]])
            yield Row("hot paths", f"input gradients a second, images, {where}", *speed, rounds)
            for what in ("PGD", "Langevin"):
                yield Row(
                    "hot paths", f"{what}-{steps} / bare passes, {where}",
                    *ratio(t[what], t["bare"]), rounds, at_most=1.05,
                )  # fmt: skip
        yield _iteration(bench, name, bench.pick(128 if n < 512 else 256, 4))


def _iteration(bench: Bench, name: str, n: int) -> Row:
    """A JEAT iteration over its bare passes."""
    steps = bench.pick(10, 2)
    training = jeat_iteration(
        name, n, steps=steps, slots=bench.pick(10_000, 8), precision=bench.fast
    )
    x, y = bench.batch(n)
    net, batch = training.state.net, Batch(x, y, logged=False)

    def bare() -> None:
        bare_gradients(net, x, steps + 1, bench.fast)
        bare_training_passes(net, x, bench.fast)

    t = bench.timed({"bare": bare, "JEAT": lambda: iterate(training, batch)}, seconds=2.5)
    what = f"JEAT iteration (K={steps}) / bare passes, bf16, {name}, batch {n}"
    speed = spread([n / s for s in t["JEAT"]])[0]
    return Row(
        "hot paths", what, *ratio(t["JEAT"], t["bare"]), len(t["bare"]), at_most=1.05,
        note=f"{speed:,.0f} images a second",
    )  # fmt: skip


def waits(bench: Bench) -> Iterator[Row]:
    """How often a step waits for the device, and what a look at labels in every step costs."""
    name, n = bench.pick(("wrn-16-2", 128), ("wrn-10-1", 4))
    net, (x, y) = bench.net(name), bench.batch(n)
    made: dict[str, Callable[[int], Run]] = {
        "PGD": lambda steps: attack(net, x, y, steps, "bf16"),
        "PGD with early exit": lambda steps: attack(net, x, y, steps, "bf16", early_exit=True),
        "Langevin down E(x)": lambda steps: chain(net, x, None, steps, "bf16"),
        "Langevin down E(x, y)": lambda steps: chain(net, x, y, steps, "bf16"),
    }
    for what, of in made.items():
        if bench.device.type != "cuda":
            note = "torch counts them on a GPU only"
            yield Row.missing("waits", f"{what}: waits a step", note)
            continue
        few, many = waits_of(of(10)), waits_of(of(30))
        each = (many - few) / 20
        note = f"{few} in 10 steps, {many} in 30"
        yield Row("waits", f"{what}: waits a step", each, each, each, 1, note=note)
    steps = bench.pick(20, 2)

    def looking(logits: Tensor, y: Tensor) -> Tensor:
        with known_labels(False):
            return cross_entropy(logits, y)

    t = bench.timed(
        {
            "each": attack(net, x, y, steps, "bf16", loss=looking),
            "once": attack(net, x, y, steps, "bf16"),
        }
    )
    what = f"PGD-{steps}, labels looked at in each step / once, bf16, {name}, batch {n}"
    yield Row("waits", what, *ratio(t["each"], t["once"]), len(t["once"]))


def waits_of(run: Run) -> int:
    """How often torch says that the host waits for the device."""
    run()
    mode = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            run()
        finally:
            torch.cuda.set_sync_debug_mode(mode)
    return sum("synchronizing" in str(w.message) for w in said)


def sweeps(bench: Bench) -> Iterator[Row]:
    """PGD's images a second over batch, and its time over steps, in bf16."""
    for name in bench.pick(("wrn-16-2", "wrn-28-10"), ("wrn-10-1",)):
        net = bench.net(name)
        for n in bench.pick((32, 128, 512, 2048), (2, 4)):
            x, y = bench.batch(n)
            steps = bench.pick(5, 1)
            t = bench.timed({"PGD": attack(net, x, y, steps, "bf16")}, seconds=1.0, most=9)
            speed = spread([n * steps / s for s in t["PGD"]])
            what = f"PGD-{steps}: images x steps a second, bf16, {name}, batch {n}"
            yield Row("sweeps", what, *speed, len(t["PGD"]))
    name, n = bench.pick(("wrn-16-2", 128), ("wrn-10-1", 2))
    net, (x, y) = bench.net(name), bench.batch(n)
    for what, of in (("PGD", attack), ("Langevin", chain)):
        lengths = bench.pick((5, 20, 80), (1, 2))
        runs = {str(k): partial(of, net, x, y, k, "bf16")() for k in lengths}
        t = bench.timed(runs, seconds=2.0, most=9)
        for k in lengths:
            each = spread([1000 * s / k for s in t[str(k)]])
            row = f"{what}-{k}: milliseconds a step, bf16, {name}, batch {n}"
            yield Row("sweeps", row, *each, len(t[str(k)]))
