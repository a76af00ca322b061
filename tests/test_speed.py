"""The hot paths cost their network passes and little else; ``make bench`` measures how little."""

import timeit
from contextlib import nullcontext

import pytest
import torch
from torch import nn
from torch.profiler import profile

from jeat.attacks import pgd
from jeat.data import Batch
from jeat.energy import energy_of
from jeat.nets import Spec, autocast, build, evaluating, in_bf16
from jeat.objectives import make
from jeat.samplers import langevin, last
from jeat.training.iteration import iterate, prepare
from jeat.training.plan import Optimisation

STEPS = 5


def bare(net, x, passes, precision="fp32"):
    with autocast(precision, x.device), evaluating(net):
        for _ in range(passes):
            z = x.detach().requires_grad_()
            torch.autograd.grad(net(z).float().logsumexp(1).sum(), z)


def attack(net, x, y, precision):
    with autocast(precision, x.device), evaluating(net):
        pgd(net, x, y, eps=8 / 255, steps=STEPS, step_size=2 / 255)


def chain(net, x, y, precision):
    with autocast(precision, x.device), evaluating(net):
        last(langevin(energy_of(net), x, steps=STEPS, step_size=0.25))


@pytest.fixture
def subject():
    net = build(Spec("wrn-10-1", 3, 32, tuple("0123456789"))).to(memory_format=torch.channels_last)
    x = torch.rand(32, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    return net, x, torch.arange(32) % 10


def over(run, below):
    """The least time of five over the least of the bare passes, in turns, each after a warm-up."""
    rounds = [[timeit.timeit(f, number=1) for f in (below, run)] for _ in range(6)]
    bare, whole = (min(times) for times in zip(*rounds[1:], strict=True))
    return whole / bare


EMULATED = pytest.mark.skipif(
    not in_bf16("auto", torch.device("cpu")), reason="this machine only emulates bf16"
)


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=EMULATED)])
@pytest.mark.parametrize("run", [attack, chain])
def test_an_attack_and_a_chain_cost_their_input_gradients(run, precision, subject):
    net, x, y = subject
    passes = over(lambda: run(net, x, y, precision), lambda: bare(net, x, STEPS, precision))
    assert passes < 1.6


def test_weights_are_cast_once_for_a_whole_attack():
    """Autocast alone would cast each of them at every step."""
    net = build(Spec("wrn-10-1", 3, 32, tuple("0123456789"))).eval().requires_grad_(False)
    x, y = torch.rand(2, 3, 32, 32), torch.arange(2)

    def casts(steps, around):
        with autocast("bf16", x.device), around, profile() as profiler:
            pgd(net, x, y, eps=8 / 255, steps=steps, step_size=2 / 255)
        return {e.key: e.count for e in profiler.key_averages()}["aten::_to_copy"]

    alone = casts(3, nullcontext()) - casts(1, nullcontext())
    ours = casts(3, evaluating(net)) - casts(1, evaluating(net))
    assert alone - ours == 2 * len(list(net.parameters()))


def test_an_iteration_of_jeat_costs_its_passes(subject):
    net, x, y = subject
    settings = {"steps": STEPS, "buffer_size": 64}
    objective = make("jeat", lambda n: torch.rand(n, 3, 32, 32), settings)
    training = prepare(net, objective, Optimisation(batch_size=32), images=32)
    batch = Batch(x, y, logged=False)

    def below():
        bare(net, x, STEPS + 1)
        (net(x).mean() + net(x).mean()).backward()

    assert over(lambda: iterate(training, batch), below) < 1.6


@pytest.mark.slow
@pytest.mark.parametrize("groups", [1, 2, 64])
@pytest.mark.parametrize("stride", [1, 2])
def test_auto_is_never_much_slower_than_fp32(groups, stride):
    """Depthwise with stride 2: 32 times, where it was bf16."""
    net = nn.Sequential(
        nn.Conv2d(3, 64, 1),
        nn.Conv2d(64, 64, 5, stride=stride, padding=2, groups=groups),
        nn.Flatten(),
        nn.LazyLinear(10),
    )
    x = torch.rand(16, 3, 32, 32)
    net(x)
    y = torch.zeros(16, dtype=torch.int64)

    def run(precision):
        with autocast(precision, x.device, net), evaluating(net):
            pgd(net, x, y, eps=8 / 255, steps=STEPS, step_size=2 / 255)

    assert over(lambda: run("auto"), lambda: run("fp32")) < 1.5
