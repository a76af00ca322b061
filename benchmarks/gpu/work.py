"""Whole work: an epoch of AT, iterations of JEAT, sampling, AutoAttack."""

import math
import time
from collections.abc import Iterator
from functools import partial

import torch
from torch import nn

import jeat
from benchmarks._measure import Row, spread
from benchmarks.gpu._bench import Bench
from benchmarks.hot_paths import net_of
from jeat.metrics._ensemble import STANDARD, left_by_ensemble
from jeat.nets import Precision, Spec, build
from jeat.objectives import make
from jeat.samplers import Restart, start_of
from jeat.training.iteration import Training, prepare
from jeat.training.loop import train
from jeat.training.plan import Optimisation

__all__ = ["adversarial_epoch", "autoattack", "joint_iterations", "sampling"]


def adversarial_epoch(bench: Bench) -> Iterator[Row]:
    """An epoch of fast AT of a WRN-28-10 with batch normalisation, as `cifar10` has it."""
    name, n = bench.pick(("wrn-28-10", 128), ("wrn-10-1", 8))
    o = Optimisation(
        epochs=1, batch_size=n, optimizer="sgd", lr=0.1, weight_decay=5e-4, precision=bench.fast,
        pad=4, flip=True, log_every=1 if bench.smoke else 20, warmup=100,
    )  # fmt: skip
    net = build(Spec(name, 3, 32, bench.data.classes, {"norm": "batch"}))
    training = prepare(net, make("at", lambda k: None, {}), o, images=len(bench.data.train))
    yield _trained(bench, training, f"AT, one epoch of {len(bench.data.train)}, {name}, batch {n}")


def joint_iterations(bench: Bench) -> Iterator[Row]:
    """200 iterations of JEAT of a WRN-28-10 from random weights, K = 20."""
    name, n, steps = bench.pick(("wrn-28-10", 64, 20), ("wrn-10-1", 8, 2))
    total, images = bench.pick(200, 2), len(bench.data.train)
    o = Optimisation(
        epochs=total / (images // n), batch_size=n, optimizer="adamw", lr=1e-4, weight_decay=0.0,
        precision=bench.fast, clip=1.0, log_every=1 if bench.smoke else 10, warmup=100,
    )  # fmt: skip
    torch.manual_seed(0)
    restart = Restart(start_of("gaussian", bench.data), len(bench.data.classes))
    settings = {"steps": steps, "buffer_size": bench.pick(10_000, 16), "clamp": True, "w_l2": 0.01}
    objective = make("jeat", restart, settings)
    training = prepare(net_of(name), objective, o, images=images)
    yield _trained(bench, training, f"JEAT (K={steps}), {total} iterations, {name}, batch {n}")


def _trained(bench: Bench, training: Training, what: str) -> Row:
    """Images a second of a training, after ten iterations, until its end or that of the time."""
    n, began, first, losses = training.o.batch_size, time.perf_counter(), 0, []
    warm, done = bench.pick(10, 1), 0
    for log in train(training, bench.data.train):
        done = log.iteration
        if log.metrics:
            losses.append(log.metrics["loss"])
        if done == warm:
            bench.sync()
            began, first = time.perf_counter(), done
        if bench.left() < 1:
            break
    bench.sync()
    took = time.perf_counter() - began
    assert all(map(math.isfinite, losses))
    speed = n * (done - first) / took
    note = f"{done} of {training.total} iterations, {training.o.precision}; "
    note += f"loss {losses[0]:.3g} to {losses[-1]:.3g}"
    return Row("training", f"{what}: images a second", speed, speed, speed, 1, note=note)


def sampling(bench: Bench) -> Iterator[Row]:
    """Images a second, drawn by `jeat.sample`."""
    small = jeat.load("cifar10-jeat").to(bench.device).eval()
    name, steps = bench.pick("wrn-28-10", "wrn-10-1"), bench.pick(150, 1)
    large = bench.net(name)
    whole: list[tuple[str, nn.Module, int, int, Precision]] = [
        ("cifar10-jeat", small, 1000, 40, bench.fast),
        ("cifar10-jeat", small, 1000, 40, "fp32"),
        (name, large, 256, steps, bench.fast),
    ]
    for what, net, n, steps, precision in whole:
        n, steps = bench.pick((n, steps), (2, 1))
        labels = torch.arange(n, device=bench.device) % 10
        draw = partial(jeat.sample, net, labels, steps=steps, precision=precision)
        seconds = bench.timed({"draw": draw}, seconds=3.0, most=5)["draw"]
        row = f"images a second, {what}, {steps} steps, {precision}, batch {n}"
        yield Row("sampling", row, *spread([n / s for s in seconds]), len(seconds))


def autoattack(bench: Bench) -> Iterator[Row]:
    """Standard AutoAttack of shipped nets on test images: seconds of each of its parts, and all.

    What one attack fools is not given to the next, as in the whole.
    """
    x, y = (t.to(bench.device) for t in bench.data.test.floats(bench.pick(1000, 2)))
    for name in bench.pick(("cifar10-at", "cifar10-jeat"), ("cifar10-at",)):
        net, stay, whole = jeat.load(name).to(bench.device).eval(), torch.arange(len(y)), 0.0
        for part in bench.pick(STANDARD, STANDARD[:1]):
            began = time.perf_counter()
            a, b = x[stay], y[stay]
            left = left_by_ensemble(
                net, a, b, eps=8 / 255, norm="linf", attacks=(part,), batch_size=1000, seed=0
            )
            stay = stay[left.cpu()]
            took = time.perf_counter() - began
            whole += took
            note = f"{len(stay)} of {len(y)} images are left; fp32"
            what = f"seconds of {part} of AutoAttack, {name}, {len(b)} images"
            yield Row("AutoAttack", what, took, took, took, 1, note=note)
            if not len(stay):
                break
        what = f"seconds of AutoAttack (standard), {name}, {len(y)} images"
        yield Row("AutoAttack", what, whole, whole, whole, 1, note=note)
