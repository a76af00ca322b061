"""Peak memory of chains, attacks and a JEAT iteration."""

from collections.abc import Callable, Iterator

from torch.profiler import ProfilerActivity, profile

from benchmarks._measure import Row
from benchmarks.hot_paths import CPU, batch_of, jeat_iteration, net_of
from jeat.attacks import pgd
from jeat.data import Batch
from jeat.energy import energy_of
from jeat.nets import autocast, evaluating
from jeat.objectives import make
from jeat.samplers import langevin, last
from jeat.training.iteration import iterate, prepare
from jeat.training.plan import Optimisation

__all__ = ["measure", "peak"]


def peak(run: Callable[[], object]) -> int:
    """Most bytes of tensors alive at once that ``run`` allocates."""
    run()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        run()
    held, most = 0, 0
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    for event in sorted(events, key=lambda e: e.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most


def measure() -> Iterator[Row]:
    """Ratios of peaks."""
    net, (x, y) = net_of("wrn-10-2"), batch_of(128)

    def attack(steps: int) -> None:
        with autocast("bf16", CPU), evaluating(net):
            pgd(net, x, y, eps=8 / 255, steps=steps, step_size=2 / 255)

    def chain(steps: int) -> None:
        with autocast("bf16", CPU), evaluating(net):
            last(langevin(energy_of(net), x, steps=steps, step_size=0.25))

    for what, run in (("PGD", attack), ("Langevin", chain)):
        value = peak(lambda run=run: run(16)) / peak(lambda run=run: run(4))
        yield Row(
            "memory", f"{what}: peak of 16 steps / of 4", value, value, value, 1, at_most=1.02
        )

    joint = jeat_iteration("wrn-10-2", 64)
    o = Optimisation(precision="bf16", batch_size=128)
    plain = prepare(net_of("wrn-10-2"), make("normal", lambda n: x, {}), o, images=128)
    above = peak(lambda: iterate(joint, Batch(x[:64], y[:64], logged=False)))
    below = peak(lambda: iterate(plain, Batch(x, y, logged=False)))
    value = above / below
    what = "JEAT of 64 images and 64 negatives / normal training of 128: peak"
    yield Row("memory", what, value, value, value, 1, at_most=1.2)
