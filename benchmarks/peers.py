"""PGD-20 beside torchattacks, foolbox and ART, as their documentation runs them."""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks._measure import Row, interleaved, ratio
from benchmarks.hot_paths import CPU, NETS, STEPS, batch_of, net_of
from jeat.attacks import pgd
from jeat.metrics import robust_accuracy
from jeat.nets import autocast, evaluating

__all__ = ["PEERS", "accuracies", "measure", "precision"]

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

    model = PyTorchModel(net, bounds=(0, 1), device="cpu")
    attack = LinfPGD(abs_stepsize=STEP, steps=steps, random_start=True)
    return lambda x, y: attack(model, x, y, epsilons=EPS)[1]


def art(net: nn.Module, steps: int) -> Attack:
    """ProjectedGradientDescent of the Adversarial Robustness Toolbox."""
    from art.attacks.evasion import ProjectedGradientDescentPyTorch
    from art.estimators.classification import PyTorchClassifier

    model = PyTorchClassifier(
        net, loss=nn.CrossEntropyLoss(), input_shape=(3, 32, 32), nb_classes=10,
        clip_values=(0, 1), device_type="cpu",
    )  # fmt: skip
    attack = ProjectedGradientDescentPyTorch(
        model, eps=EPS, eps_step=STEP, max_iter=steps, num_random_init=1, batch_size=128,
        verbose=False,
    )  # fmt: skip
    return lambda x, y: torch.from_numpy(attack.generate(x.numpy(), y.numpy()))


def pyautoattack(net: nn.Module, steps: int) -> Attack:
    """APGD on cross-entropy of pyautoattack, as many steps."""
    from pyautoattack.autopgd_base import APGDAttack

    attack = APGDAttack(net, n_iter=steps, eps=EPS, norm="Linf", seed=0, device="cpu", loss="ce")
    return lambda x, y: attack.perturb(x, y)  # type: ignore[no-any-return]


PEERS = {"torchattacks": 3.0, "foolbox": 4.0, "art": 4.0, "pyautoattack": None}


def ours(net: nn.Module, steps: int, *, early_exit: bool = False) -> Attack:
    """PGD in bf16; the caller predicts in fp32."""

    def attack(x: Tensor, y: Tensor) -> Tensor:
        with autocast("bf16", CPU), evaluating(net):
            return pgd(net, x, y, eps=EPS, steps=steps, step_size=STEP, early_exit=early_exit)

    return attack


def peers_of(net: nn.Module, steps: int) -> tuple[dict[str, Attack], list[Row]]:
    """The peers that can be set up, and a row for each that cannot."""
    found, missing = {}, []
    for name, goal in PEERS.items():
        try:
            found[name] = globals()[name](net, steps)
        except Exception as error:  # whatever a peer raises where it is not at home
            what, note = f"{name}: PGD-20", f"not to be had: {str(error).splitlines()[0]}"
            missing.append(Row.missing("peers", what, note, at_least=goal))
    return found, missing


def measure(trained: nn.Module, images: tuple[Tensor, Tensor]) -> Iterator[Row]:
    """Time of each peer over ours, which takes as many steps; early exit is a row of its own."""
    for name, n in NETS.items():
        net, (x, _) = net_of(name).eval(), batch_of(n)
        default = _default_layout(net)
        y = default(x.contiguous()).detach().argmax(1)  # APGD leaves out what is classified wrong
        yield from compare(f"{name}, batch {n}", default, net, x, y, STEPS[name])
    x, y = images[0][:128], images[1][:128]
    quick = ours(trained, 20, early_exit=True)
    t = interleaved({"all": partial(ours(trained, 20), x, y), "exit": partial(quick, x, y)}, 5)
    what = "PGD-20 without / with early exit, trained wrn-10-2, batch 128"
    yield Row("peers", what, *ratio(t["all"], t["exit"]), 5)


def compare(
    where: str, default: nn.Module, net: nn.Module, x: Tensor, y: Tensor, steps: int
) -> Iterator[Row]:
    """Rows of each peer's time over ours, peers in fp32 and the default layout."""
    found, missing = peers_of(default, steps)
    yield from missing
    plain, rounds = x.contiguous(), 3
    runs = {k: partial(attack, plain, y) for k, attack in found.items()}
    t = interleaved({"ours": partial(ours(net, steps), x, y)} | runs, rounds)
    for name in found:
        what = f"{name} / ours: PGD-{steps} time, {where}"
        yield Row("peers", what, *ratio(t[name], t["ours"]), rounds, at_least=PEERS[name])


def accuracies(trained: nn.Module, x: Tensor, y: Tensor) -> Iterator[Row]:
    """Robust accuracy on the same images, predictions in fp32: ours less each peer's, in points."""
    default = _default_layout(trained)

    def robust(attack: Attack) -> float:
        right = 0
        for a, b in zip(x.split(128), y.split(128), strict=True):
            x_adv = attack(a.contiguous(), b)
            with torch.no_grad():
                right += int((default(x_adv).argmax(1) == b).sum())
        return 100 * right / len(y)

    torch.manual_seed(0)
    own = robust(ours(trained, 20))
    quick = robust(ours(trained, 20, early_exit=True))
    others = {name: robust(attack) for name, attack in peers_of(default, 20)[0].items()}
    for name, theirs in (others | {"our early exit": quick}).items():
        note = f"ours {own:.1f} %, {name} {theirs:.1f} % of {len(y)} images"
        goal = None if name == "pyautoattack" else 1.0
        gap = abs(own - theirs)
        what = f"robust accuracy, ours against {name}'s: points apart"
        yield Row("peers", what, gap, gap, gap, 1, at_most=goal, note=note)


def precision(trained: nn.Module, x: Tensor, y: Tensor, seeds: int = 2) -> Iterator[Row]:
    """Robust accuracy with gradients in bf16 against that with gradients in fp32, by seeds."""
    found: dict[str, list[float]] = {"fp32": [], "bf16": []}
    for seed in range(seeds):
        for kind in found:
            torch.manual_seed(seed)
            found[kind].append(100 * robust_accuracy(trained, x, y, precision=kind))  # type: ignore[arg-type]
    means = {k: sum(v) / seeds for k, v in found.items()}
    gap = abs(means["bf16"] - means["fp32"])
    note = "; ".join(f"{k} {', '.join(f'{a:.1f}' for a in v)} %" for k, v in found.items())
    what = f"robust accuracy, bf16 against fp32 gradients: points apart ({len(y)} images)"
    yield Row("numerics", what, gap, gap, gap, seeds, at_most=1.0, note=f"a seed each: {note}")


def _default_layout(net: nn.Module) -> nn.Module:
    from copy import deepcopy

    return deepcopy(net).to(memory_format=torch.contiguous_format).eval()
