"""PGD-20 beside torchattacks, foolbox and ART, as their documentation runs them."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import asdict
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks._measure import Row, interleaved, ratio
from benchmarks.hot_paths import CPU, NETS, batch_of, net_of
from jeat.attacks import pgd
from jeat.metrics import robust_accuracy
from jeat.nets import autocast, evaluating, spec_of

__all__ = ["PEERS", "arithmetic", "measure", "trained_net"]

EPS, STEP = 8 / 255, 2 / 255
Attack = Callable[[Tensor, Tensor], Tensor]


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


PEERS = {"torchattacks": 3.0, "foolbox": 4.0, "art": 4.0, "pyautoattack": None}


def ours(net: nn.Module, steps: int) -> Attack:
    """PGD in bf16; the caller predicts in fp32."""

    def attack(x: Tensor, y: Tensor) -> Tensor:
        with autocast("bf16", CPU), evaluating(net):
            return pgd(net, x, y, eps=EPS, steps=steps, step_size=STEP)

    return attack


def peers_of(
    net: nn.Module, steps: int, x: Tensor, y: Tensor
) -> tuple[dict[str, Attack], list[Row]]:
    """The peers that can be set up and that attack these images, and a row for each that cannot.

    One step of each warms it up.
    """
    found, missing = {}, []
    for name, goal in PEERS.items():
        try:
            globals()[name](net, 2)(x, y)
            found[name] = globals()[name](net, steps)
        except Exception as error:  # whatever a peer raises where it is not at home
            what, note = f"{name}: PGD-{steps}", f"not to be had: {str(error).splitlines()[0]}"
            missing.append(Row.missing("peers", what, note, at_least=goal))
    return found, missing


def measure() -> Iterator[Row]:
    """Time of each peer over ours on untrained nets, the peers in fp32 and the default layout.

    Each net has an interpreter of its own, as a script that attacks it would: what a process did
    before changes how its memory is handed out, and so the ratios.
    """
    for name, steps, rounds in (("wrn-10-2", 20, 3), ("wrn-16-2", 10, 3), ("wrn-28-10", 5, 1)):
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
    ours(net, 1)(x, y)
    t = interleaved({"ours": partial(ours(net, steps), x, y)} | runs, rounds, warm=True)
    for peer in found:
        what = f"{peer} / ours: PGD-{steps} time, untrained {name}, batch {NETS[name]}"
        rows.append(Row("peers", what, *ratio(t[peer], t["ours"]), rounds, at_least=PEERS[peer]))
    return rows


def trained_net(trained: nn.Module, x: Tensor, y: Tensor) -> Iterator[Row]:
    """PGD-20 on test images of a trained net, batches of 128 in turn: time and robust accuracy.

    All attack the images that the net classifies right; the others count as not robust. Ours is
    timed twice: as many steps for every image as its peers take, and as `robust_accuracy`
    evaluates, with early exit and its own predictions. All predictions are in fp32.
    """
    trained = trained.to(memory_format=torch.channels_last)
    default = _default_layout(trained)
    n = len(y)
    with torch.no_grad():
        known = torch.cat([default(a.contiguous()).argmax(1) for a in x.split(250)]) == y
    x, y = x[known], y[known]
    found, missing = peers_of(default, 20, x[:128].contiguous(), y[:128])
    yield from missing
    found.pop("pyautoattack", None)  # it leaves out the images that are classified wrong
    same, evaluation = ours(trained, 20), "our evaluation"
    same(x[:128], y[:128])
    attacks = {"ours": same} | found
    right = dict.fromkeys([*attacks, evaluation], 0.0)
    seconds: dict[str, list[float]] = {name: [] for name in right}
    torch.manual_seed(0)
    for i, (a, b) in enumerate(zip(x.split(128), y.split(128), strict=True)):
        plain, fast = a.contiguous(), a.contiguous(memory_format=torch.channels_last)
        for name in list(right)[:: 1 if i % 2 else -1]:
            began = time.perf_counter()
            if name == evaluation:
                share = robust_accuracy(trained, fast, b, eps=EPS, step_size=STEP, precision="bf16")
                right[name] += share * len(b)
            else:
                x_adv = attacks[name](fast if name == "ours" else plain, b)
            seconds[name].append(time.perf_counter() - began)
            if name != evaluation:
                with torch.no_grad():
                    right[name] += int((default(x_adv.contiguous()).argmax(1) == b).sum())
    spec = spec_of(trained)
    where, rounds = f"trained {spec.name} ({spec.activation}), batch 128", len(seconds["ours"])
    for name in found:
        for mine, goal in (("ours", PEERS[name]), (evaluation, None)):
            what = f"{name} / {mine}: PGD-20 time, {where}"
            yield Row("peers", what, *ratio(seconds[name], seconds[mine]), rounds, at_least=goal)
    accuracy = {name: 100 * robust / n for name, robust in right.items()}
    for name in [*found, evaluation]:
        gap = abs(accuracy["ours"] - accuracy[name])
        yield Row(
            "peers", f"robust accuracy, ours against {name}: points apart", gap, gap, gap, 1,
            at_most=1.0,
            note=f"ours {accuracy['ours']:.1f} %, {name} {accuracy[name]:.1f} % of {n} images",
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
