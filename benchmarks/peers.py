"""PGD-20 beside adv-lib, torchattacks, foolbox and ART, as their documentation runs them."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import asdict
from functools import partial
from types import ModuleType

import torch
from torch import Tensor, nn

from benchmarks._measure import Row, interleaved, ratio
from benchmarks.hot_paths import CPU, NETS, batch_of, net_of
from jeat.attacks import pgd
from jeat.metrics import robust_accuracy
from jeat.nets import Precision, autocast, evaluating, in_bf16

__all__ = ["PEERS", "arithmetic", "measure", "precisions", "trained_net"]

EPS, STEP = 8 / 255, 2 / 255
Attack = Callable[[Tensor, Tensor], Tensor]


def adv_lib(net: nn.Module, steps: int) -> Attack:
    """pgd_linf of adv-lib."""
    # its logger, which attacks do not use, imports visdom, which is not to be had everywhere
    sys.modules.setdefault("visdom", ModuleType("visdom"))
    from adv_lib.attacks import pgd_linf

    return lambda x, y: pgd_linf(  # type: ignore[no-any-return]
        net, x, y, ε=EPS, steps=steps, absolute_step_size=STEP
    )


def torchattacks(net: nn.Module, steps: int) -> Attack:
    """PGD of torchattacks."""
    from torchattacks import PGD

    return PGD(net, eps=EPS, alpha=STEP, steps=steps, random_start=True)  # type: ignore[no-any-return]


def foolbox(net: nn.Module, steps: int) -> Attack:
    """LinfPGD of foolbox."""
    from foolbox import PyTorchModel
    from foolbox.attacks import LinfPGD

    model = PyTorchModel(net, bounds=(0, 1), device=_device(net))
    attack = LinfPGD(abs_stepsize=STEP, steps=steps, random_start=True)
    return lambda x, y: attack(model, x, y, epsilons=EPS)[1]


def art(net: nn.Module, steps: int) -> Attack:
    """ProjectedGradientDescent of the Adversarial Robustness Toolbox."""
    from art.attacks.evasion import ProjectedGradientDescentPyTorch
    from art.estimators.classification import PyTorchClassifier

    model = PyTorchClassifier(
        net, loss=nn.CrossEntropyLoss(), input_shape=(3, 32, 32), nb_classes=10,
        clip_values=(0, 1), device_type="cpu" if _device(net).type == "cpu" else "gpu",
    )  # fmt: skip
    attack = ProjectedGradientDescentPyTorch(
        model, eps=EPS, eps_step=STEP, max_iter=steps, num_random_init=1, batch_size=128,
        verbose=False,
    )  # fmt: skip
    return lambda x, y: torch.from_numpy(attack.generate(x.cpu().numpy(), y.cpu().numpy())).to(x)


def pyautoattack(net: nn.Module, steps: int) -> Attack:
    """APGD on cross-entropy of pyautoattack, as many steps."""
    from pyautoattack.autopgd_base import APGDAttack

    attack = APGDAttack(
        net, n_iter=steps, eps=EPS, norm="Linf", seed=0, device=_device(net), loss="ce"
    )
    return lambda x, y: attack.perturb(x, y)  # type: ignore[no-any-return]


PEERS: dict[str, Callable[[nn.Module, int], Attack]] = {
    "adv-lib": adv_lib, "torchattacks": torchattacks, "foolbox": foolbox, "art": art,
    "pyautoattack": pyautoattack,
}  # fmt: skip
GOALS: dict[Precision, dict[str, float]] = {
    "bf16": {"adv-lib": 1.8, "torchattacks": 3.0, "foolbox": 4.0, "art": 4.0},
    "fp32": {"adv-lib": 1.05, "torchattacks": 1.3, "foolbox": 2.0, "art": 2.0},
}
EVALUATION = 3.0  # times faster than adv-lib, which takes every step for every image


def precisions() -> list[Precision]:
    """What this CPU multiplies in without emulation."""
    return ["bf16", "fp32"] if in_bf16("auto", CPU) else ["fp32"]


def ours(net: nn.Module, steps: int, precision: Precision) -> Attack:
    """PGD; the caller predicts in fp32."""

    def attack(x: Tensor, y: Tensor) -> Tensor:
        with autocast(precision, CPU), evaluating(net):
            return pgd(net, x, y, eps=EPS, steps=steps, step_size=STEP)

    return attack


def peers_of(
    net: nn.Module, steps: int, x: Tensor, y: Tensor
) -> tuple[dict[str, Attack], list[Row]]:
    """The peers that can be set up and that attack these images, and a row for each that cannot.

    One step of each warms it up.
    """
    found, missing = {}, []
    for name, peer in PEERS.items():
        try:
            peer(net, 2)(x, y)
            found[name] = peer(net, steps)
        except Exception as error:  # whatever a peer raises where it is not at home
            what, note = f"{name}: PGD-{steps}", f"not to be had: {str(error).splitlines()[0]}"
            missing.append(Row.missing("peers", what, note, at_least=GOALS["bf16"].get(name)))
    return found, missing


def measure() -> Iterator[Row]:
    """Time of each peer over ours on untrained nets, the peers in fp32 and the default layout.

    Ours is in bf16, where the CPU has it, and in fp32.

    Each net has an interpreter of its own, as a script that attacks it would: what a process did
    before changes how its memory is handed out, and so the ratios.
    """
    for name, steps, rounds in (("wrn-10-2", 20, 3), ("wrn-16-2", 10, 3)):
        words = [sys.executable, "-m", "benchmarks.peers", name, str(steps), str(rounds)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["no message"])[-1]
            yield Row.missing("peers", f"PGD-{steps} time, untrained {name}", f"failed: {said}")
            continue
        for row in json.loads(done.stdout.splitlines()[-1]):
            yield Row(**row)


def untrained(name: str, steps: int, rounds: int) -> list[Row]:
    """Rows of one net."""
    net, (x, _) = net_of(name).eval(), batch_of(NETS[name])
    default, plain = _default_layout(net), x.contiguous()
    y = default(plain).detach().argmax(1)  # APGD leaves out what is classified wrong
    found, rows = peers_of(default, steps, plain, y)
    if name != "wrn-10-2":
        found.pop("pyautoattack", None)
    runs = {k: partial(attack, plain, y) for k, attack in found.items()}
    for precision in precisions():
        ours(net, 1, precision)(x, y)
        runs[precision] = partial(ours(net, steps, precision), x, y)
    t = interleaved(runs, rounds, warm=True)
    for precision in precisions():
        for peer in found:
            what = f"{peer} / ours in {precision}: PGD-{steps} time, untrained {name}, batch 128"
            goal = GOALS[precision].get(peer)
            rows.append(Row("peers", what, *ratio(t[peer], t[precision]), rounds, at_least=goal))
    return rows


def trained_net(named: str, trained: nn.Module, x: Tensor, y: Tensor) -> Iterator[Row]:
    """PGD-20 on test images of a trained net, batches of 128 in turn: time and robust accuracy.

    All attack the images that the net classifies right; the others count as not robust. Ours is
    timed twice: as many steps for every image as its peers take, and as `robust_accuracy`
    evaluates, with early exit and its own predictions. All predictions are in fp32.
    """
    trained = trained.to(memory_format=torch.channels_last)
    default, n = _default_layout(trained), len(y)
    with torch.no_grad():
        known = torch.cat([default(a.contiguous()).argmax(1) for a in x.split(250)]) == y
    x, y = x[known], y[known]
    found, missing = peers_of(default, 20, x[:128].contiguous(), y[:128])
    yield from missing
    found.pop("pyautoattack", None)  # it leaves out the images that are classified wrong
    for precision in precisions():
        same, evaluation = f"ours in {precision}", f"our evaluation in {precision}"
        attacks = {same: ours(trained, 20, precision)} | found
        attacks[same](x[:128], y[:128])
        right = dict.fromkeys([*attacks, evaluation], 0.0)
        seconds: dict[str, list[float]] = {name: [] for name in right}
        torch.manual_seed(0)
        for i, (a, b) in enumerate(zip(x.split(128), y.split(128), strict=True)):
            plain, fast = a.contiguous(), a.contiguous(memory_format=torch.channels_last)
            for name in list(right)[:: 1 if i % 2 else -1]:
                began = time.perf_counter()
                if name == evaluation:
                    how = {"eps": EPS, "step_size": STEP, "precision": precision}
                    right[name] += robust_accuracy(trained, fast, b, **how) * len(b)
                else:
                    x_adv = attacks[name](fast if name == same else plain, b)
                seconds[name].append(time.perf_counter() - began)
                if name != evaluation:
                    with torch.no_grad():
                        right[name] += int((default(x_adv.contiguous()).argmax(1) == b).sum())
        yield from _rows(named, precision, seconds, {k: 100 * v / n for k, v in right.items()}, n)


def _rows(
    named: str,
    precision: Precision,
    seconds: dict[str, list[float]],
    accuracy: dict[str, float],
    n: int,
) -> Iterator[Row]:
    """Ratios of times, and how far the robust accuracies are apart."""
    same, evaluation = f"ours in {precision}", f"our evaluation in {precision}"
    rounds = len(seconds[same])
    for name in [k for k in seconds if k in PEERS]:
        for mine, goal in (
            (same, GOALS[precision][name]),
            (evaluation, EVALUATION if name == "adv-lib" else None),
        ):
            what = f"{name} / {mine}: PGD-20 time, {named}, batch 128"
            yield Row("peers", what, *ratio(seconds[name], seconds[mine]), rounds, at_least=goal)
    for name, most in ((same, 1.0), (evaluation, 0.3)):
        peer = "adv-lib" if "adv-lib" in accuracy else next(k for k in accuracy if k in PEERS)
        gap = abs(accuracy[name] - accuracy[peer])
        yield Row(
            "peers", f"robust accuracy, {name} against {peer}, {named}: points apart",
            gap, gap, gap,
            1, at_most=most,
            note=f"{name} {accuracy[name]:.1f} %, {peer} {accuracy[peer]:.1f} % of {n} images",
        )  # fmt: skip


def arithmetic(rounds: int = 9) -> Iterator[Row]:
    """What bf16 arithmetic alone gains here: a matrix product of a WRN-28-10 convolution's size."""
    a, b = torch.randn(512, 5760), torch.randn(5760, 640)
    a16, b16 = a.bfloat16(), b.bfloat16()
    t = interleaved({"fp32": lambda: a @ b, "bf16": lambda: a16 @ b16}, rounds)
    yield Row(
        "peers", "fp32 / bf16: product of 512 x 5760 and 5760 x 640", *ratio(t["fp32"], t["bf16"]),
        rounds, note="what bf16 arithmetic alone gains over fp32",
    )  # fmt: skip


def _device(net: nn.Module) -> torch.device:
    return next(net.parameters()).device


def _default_layout(net: nn.Module) -> nn.Module:
    return deepcopy(net).to(memory_format=torch.contiguous_format).eval()


if __name__ == "__main__":
    torch.set_num_threads(2)
    print(json.dumps([asdict(row) for row in untrained(sys.argv[1], *map(int, sys.argv[2:]))]))
