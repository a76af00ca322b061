"""PGD-20 beside adv-lib, torchattacks, foolbox and ART, as their documentation runs them."""

from collections.abc import Callable, Iterator
from copy import deepcopy

import torch
from torch import Tensor, nn

import jeat
from benchmarks import peers
from benchmarks._measure import Row, ratio, spread
from benchmarks.gpu._bench import Bench
from benchmarks.gpu.paths import attack
from jeat.metrics import robust_accuracy

__all__ = ["rivals"]

Attack = Callable[[Tensor, Tensor], Tensor]


PEERS = {k: peer for k, peer in peers.PEERS.items() if k != "pyautoattack"}


def rivals(bench: Bench) -> Iterator[Row]:
    """Time of each over ours: a trained small net with its robust accuracy, and a WRN-28-10."""
    n = bench.pick(512, 4)
    images, labels = (t.to(bench.device) for t in bench.data.test.floats(bench.pick(1000, 16)))
    trained = jeat.load("cifar10-at").to(bench.device).eval()
    with torch.no_grad():
        known = trained(images).argmax(1) == labels if not bench.smoke else labels >= 0
    x, y = images[known][:n], labels[known][:n]
    yield from _beside(bench, trained, "cifar10-at", x, y, bench.pick(20, 2), judged=True)
    name, n, steps = bench.pick(("wrn-28-10", 128, 10), ("wrn-10-1", 2, 2))
    net, (x, _) = bench.net(name), bench.batch(n)
    with torch.no_grad():
        y = net(x).argmax(1)
    yield from _beside(bench, net, f"untrained {name}", x, y, steps, judged=False)


def _beside(
    bench: Bench, net: nn.Module, named: str, x: Tensor, y: Tensor, steps: int, *, judged: bool
) -> Iterator[Row]:
    """Times in turn, on the same images; ``judged`` adds robust accuracies."""
    default = deepcopy(net).to(memory_format=torch.contiguous_format)
    net, fast = net.to(memory_format=torch.channels_last), _channels_last(x)
    plain, found = x.contiguous(), {}
    for name, make in PEERS.items():
        try:
            make(default, 2)(plain[:2], y[:2])
            found[name] = make(default, steps)
        except Exception as error:  # whatever a peer raises where it is not at home
            said = (str(error) or type(error).__name__).splitlines()[0]
            what = f"{name} / ours: PGD-{steps} time, {named}"
            yield Row.missing("peers", what, f"not to be had: {said}")
    ours = {f"ours in {p}": attack(net, fast, y, steps, p) for p in ("bf16", "tf32", "fp32")}
    theirs = {k: (lambda a=a: a(plain, y)) for k, a in found.items()}  # type: ignore[misc]
    runs = ours | theirs
    if judged:
        runs["our evaluation"] = lambda: robust_accuracy(
            net, fast, y, eps=peers.EPS, steps=steps, step_size=peers.STEP, precision=bench.fast
        )
    t = bench.timed(runs, seconds=8.0, most=7)
    rounds, where = len(t["ours in bf16"]), f"{named}, {len(y)} images"
    for name in runs:
        speed = spread([len(y) / s for s in t[name]])
        yield Row("peers", f"{name}: PGD-{steps}, images a second, {where}", *speed, rounds)
    for name in found:
        for mine in ("ours in bf16", "ours in tf32", "ours in fp32"):
            yield Row(
                "peers", f"{name} / {mine}: PGD-{steps} time, {where}",
                *ratio(t[name], t[mine]), rounds,
                note="they as they come: torch's default, TF32 in convolutions",
            )  # fmt: skip
    for name in (*ours, *found) if judged else ():
        x_adv = runs[name]()
        with torch.no_grad():
            right = 100 * float((default(x_adv.contiguous()).argmax(1) == y).float().mean())
        note = "of images classified right"
        yield Row(
            "peers", f"{name}: accuracy under PGD-{steps}, %, {where}", right, right, right, 1,
            note=note,
        )  # fmt: skip


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
