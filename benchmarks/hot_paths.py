"""PGD, Langevin and JEAT against the bare network passes they need."""

import time
from collections.abc import Iterator
from contextlib import nullcontext
from copy import deepcopy
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from benchmarks._measure import Row, interleaved, ratio
from jeat.attacks import pgd
from jeat.data import Batch, Images
from jeat.energy import energy_of
from jeat.nets import Precision, Spec, autocast, build, evaluating, in_bf16
from jeat.objectives import make
from jeat.samplers import langevin, last
from jeat.training.iteration import Training, iterate, prepare
from jeat.training.loop import train
from jeat.training.plan import Optimisation

__all__ = [
    "NETS",
    "STEPS",
    "bare_gradients",
    "bare_training_passes",
    "batch_of",
    "compiled",
    "folded",
    "jeat_iteration",
    "loop",
    "measure",
    "net_of",
]

NETS = {"wrn-10-2": 128, "wrn-16-2": 128}
STEPS = {"wrn-10-2": 20, "wrn-16-2": 10}  # of attacks and chains, bare or not
CLASSES = tuple("0123456789")
CPU = torch.device("cpu")


def net_of(name: str, activation: str = "leaky_relu", size: int = 32) -> nn.Module:
    """A freshly initialised net in the layout that training and loading give it."""
    torch.manual_seed(0)
    net = build(Spec(name, 3, size, CLASSES, {"norm": "none", "activation": activation}))
    return net.to(memory_format=torch.channels_last)


def batch_of(n: int, size: int = 32) -> tuple[Tensor, Tensor]:
    """Random images and labels; what they show does not change what a pass costs."""
    x = torch.rand(n, 3, size, size).contiguous(memory_format=torch.channels_last)
    return x, torch.randint(10, (n,))


def bare_gradients(
    net: nn.Module, x: Tensor, passes: int, precision: Precision | None = "bf16"
) -> None:
    """``passes`` input gradients and nothing else: channels_last, frozen weights.

    Without a ``precision`` it is that which is around it.
    """
    with autocast(precision, x.device) if precision else nullcontext(), evaluating(net):
        for _ in range(passes):
            z = x.detach().requires_grad_()
            torch.autograd.grad(net(z).float().logsumexp(1).sum(), z)


def bare_training_passes(net: nn.Module, x: Tensor, precision: Precision = "bf16") -> None:
    """One forward and one backward pass of two batches, with gradients on the weights."""
    with autocast(precision, x.device):
        loss = net(x).float().mean() + net(x).float().mean()
    net.zero_grad()
    loss.backward()


def jeat_iteration(
    name: str,
    n: int,
    method: str = "jeat",
    steps: int = 10,
    slots: int = 10_000,
    precision: Precision = "bf16",
) -> Training:
    """A training, ready for its next iteration."""
    net = net_of(name)
    settings = {"steps": steps, "buffer_size": slots, "clamp": True}
    objective = make(method, lambda k: torch.rand(k, 3, 32, 32), settings)
    return prepare(net, objective, Optimisation(precision=precision, batch_size=n), images=n)


ROUNDS = 5


def measure() -> Iterator[Row]:
    """PGD-20, Langevin-20 and a JEAT iteration over their bare passes."""
    for name, n in NETS.items():
        net, (x, y) = net_of(name), batch_of(n)
        training = jeat_iteration(name, n)
        batch, steps, rounds = Batch(x, y, logged=False), STEPS[name], ROUNDS

        def attack(net: nn.Module = net, x: Tensor = x, y: Tensor = y, steps: int = steps) -> None:
            with autocast("bf16", CPU), evaluating(net):
                pgd(net, x, y, eps=8 / 255, steps=steps, step_size=2 / 255)

        def chain(net: nn.Module = net, x: Tensor = x, steps: int = steps) -> None:
            with autocast("bf16", CPU), evaluating(net):
                last(langevin(energy_of(net), x, steps=steps, step_size=0.25, noise=0.005))

        def bare_iteration(net: nn.Module = training.state.net, x: Tensor = x) -> None:
            bare_gradients(net, x, 11)
            bare_training_passes(net, x)

        t = interleaved(
            {
                "bare": lambda net=net, x=x, steps=steps: bare_gradients(net, x, steps),
                "PGD": attack,
                "Langevin": chain,
                "bare iteration": bare_iteration,
                "JEAT iteration (K=10)": lambda t=training, b=batch: iterate(t, b),
            },
            rounds,
        )
        for what, below in (
            ("PGD", "bare"), ("Langevin", "bare"), ("JEAT iteration (K=10)", "bare iteration"),
        ):  # fmt: skip
            long = what if below == "bare iteration" else f"{what}-{steps}"
            yield Row(
                "hot paths", f"{long} / bare passes, bf16, {name}, batch {n}",
                *ratio(t[what], t[below]), rounds, at_most=1.05,
            )  # fmt: skip


def fused(rounds: int = 9) -> Iterator[Row]:
    """Whether one pass over two batches pays; it is for reference, as jeat takes two."""
    net, (x, _) = net_of("wrn-10-2"), batch_of(256)
    halves = [half.contiguous(memory_format=torch.channels_last) for half in x.split(128)]
    t = interleaved(
        {
            "apart": lambda: [bare_gradients(net, half, 1) for half in halves],
            "together": lambda: bare_gradients(net, x, 1),
        },
        rounds,
    )
    what = "input gradients of 2 x 128 images, apart / in one pass, wrn-10-2"
    yield Row("hot paths", what, *ratio(t["apart"], t["together"]), rounds)


def folded(rounds: int = 7) -> Iterator[Row]:
    """Whether folding still batch normalisation pays; it is for reference, as jeat does not."""
    from torchvision.models import resnet18

    net = resnet18(num_classes=10).eval()
    net.conv1, net.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False).eval(), nn.Identity()
    fast = deepcopy(net)
    for m in fast.modules():
        pairs = [("conv1", "bn1"), ("conv2", "bn2")]
        if isinstance(m, nn.Sequential) and len(m) == 2 and isinstance(m[1], nn.BatchNorm2d):
            pairs = [("0", "1")]
        for conv, norm in pairs:
            if hasattr(m, conv) and hasattr(m, norm):
                setattr(m, conv, fuse_conv_bn_eval(getattr(m, conv), getattr(m, norm)))
                setattr(m, norm, nn.Identity())
    x, _ = batch_of(16)
    net, fast = (n.to(memory_format=torch.channels_last) for n in (net, fast))
    kinds: tuple[Precision, ...] = ("fp32", "bf16") if in_bf16("auto", CPU) else ("fp32",)
    for p in kinds:
        both = {"plain": net, "folded": fast}
        t = interleaved({k: partial(bare_gradients, n, x, 1, p) for k, n in both.items()}, rounds)
        what = f"input gradients, batch normalisation / folded, ResNet-18, {p}"
        yield Row("hot paths", what, *ratio(t["plain"], t["folded"]), rounds)


def compiled(rounds: int = 5) -> Iterator[Row]:
    """Whether torch.compile pays; it is for reference, as jeat does not use it."""
    net, (x, _) = net_of("wrn-10-2", "silu"), batch_of(128)
    fast = torch.compile(net, dynamic=False)
    began = time.perf_counter()
    try:
        bare_gradients(fast, x, 1)
    except Exception as error:  # no compiler, or one that fails
        note = f"not to be had here: {str(error).splitlines()[0]}"
        yield Row.missing("hot paths", "torch.compile", note)
        return
    note = f"after {time.perf_counter() - began:.0f} s of compiling"
    t = interleaved(
        {"eager": lambda: bare_gradients(net, x, 5), "fast": lambda: bare_gradients(fast, x, 5)},
        rounds,
    )
    what = "input gradients, eager / torch.compile, wrn-10-2 silu, batch 128"
    yield Row("hot paths", what, *ratio(t["eager"], t["fast"]), rounds, note=note)


def loop(rounds: int = 5) -> Iterator[Row]:
    """What the training loop adds to its iterations: batches, augmentation, logs."""
    n, batches = 128, 20
    net, (x, y) = net_of("wrn-10-2"), batch_of(n)
    o = Optimisation(precision="bf16", batch_size=n, epochs=1000, pad=4, flip=True, log_every=20)
    objective = make("at", lambda k: x, {})
    training = prepare(net, objective, o, images=n * batches)
    images = Images((torch.rand(n * batches, 3, 32, 32) * 255).byte(), y.repeat(batches))
    logs = train(training, images)

    def iterations() -> None:
        for _ in range(batches):
            iterate(training, Batch(x, y, logged=False))

    t = interleaved(
        {"bare": iterations, "loop": lambda: [next(logs) for _ in range(batches)]}, rounds
    )
    overhead = tuple(v - 1 for v in ratio(t["loop"], t["bare"]))
    yield Row(
        "hot paths", "loop overhead / iteration (AT, wrn-10-2)", *overhead, rounds, at_most=0.03
    )
