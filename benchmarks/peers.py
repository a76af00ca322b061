"""PGD-20 beside torchattacks, foolbox and ART, as their documentation runs them."""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks._measure import Row, interleaved, ratio
from benchmarks.hot_paths import CPU, NETS, batch_of, net_of
from jeat.attacks import pgd
from jeat.metrics import robust_accuracy
from jeat.nets import autocast, evaluating

__all__ = ["PEERS", "accuracies", "measure", "precision"]

EPS, STEP, STEPS = 8 / 255, 2 / 255, 20
Attack = Callable[[Tensor, Tensor], Tensor]


def torchattacks(net: nn.Module) -> Attack:
    """PGD of torchattacks."""
    from torchattacks import PGD

    return PGD(net, eps=EPS, alpha=STEP, steps=STEPS, random_start=True)  # type: ignore[no-any-return]


def foolbox(net: nn.Module) -> Attack:
    """LinfPGD of foolbox."""
    from foolbox import PyTorchModel
    from foolbox.attacks import LinfPGD

    model = PyTorchModel(net, bounds=(0, 1), device="cpu")
    attack = LinfPGD(abs_stepsize=STEP, steps=STEPS, random_start=True)
    return lambda x, y: attack(model, x, y, epsilons=EPS)[1]


def art(net: nn.Module) -> Attack:
    """ProjectedGradientDescent of the Adversarial Robustness Toolbox."""
    from art.attacks.evasion import ProjectedGradientDescentPyTorch
    from art.estimators.classification import PyTorchClassifier

    model = PyTorchClassifier(
        net, loss=nn.CrossEntropyLoss(), input_shape=(3, 32, 32), nb_classes=10,
        clip_values=(0, 1), device_type="cpu",
    )  # fmt: skip
    attack = ProjectedGradientDescentPyTorch(
        model, eps=EPS, eps_step=STEP, max_iter=STEPS, num_random_init=1, batch_size=128,
        verbose=False,
    )  # fmt: skip
    return lambda x, y: torch.from_numpy(attack.generate(x.numpy(), y.numpy()))


def pyautoattack(net: nn.Module) -> Attack:
    """APGD on cross-entropy of pyautoattack, as many steps."""
    from pyautoattack.autopgd_base import APGDAttack

    attack = APGDAttack(net, n_iter=STEPS, eps=EPS, norm="Linf", seed=0, device="cpu", loss="ce")
    return lambda x, y: attack.perturb(x, y)  # type: ignore[no-any-return]


PEERS = {"torchattacks": 3.0, "foolbox": 4.0, "art": 4.0, "pyautoattack": None}


def ours(net: nn.Module, *, early_exit: bool) -> Attack:
    """PGD in bf16; the caller predicts in fp32."""

    def attack(x: Tensor, y: Tensor) -> Tensor:
        with evaluating(net), autocast("bf16", CPU):
            return pgd(net, x, y, eps=EPS, steps=STEPS, step_size=STEP, early_exit=early_exit)

    return attack


def peers_of(net: nn.Module) -> tuple[dict[str, Attack], list[Row]]:
    """The peers that can be imported, and a row for each that cannot."""
    found, missing = {}, []
    for name in PEERS:
        try:
            found[name] = globals()[name](net)
        except ImportError as error:
            row = Row("peers", name, float("nan"), float("nan"), float("nan"), 0, note=str(error))
            missing.append(row)
    return found, missing


def measure(trained: nn.Module | None, images: tuple[Tensor, Tensor] | None) -> Iterator[Row]:
    """Images a second over each peer's: ours without early exit, and with it on a trained net."""
    for name, n in NETS.items():
        net = net_of(name).eval()
        default = net_of(name).to(memory_format=torch.contiguous_format).eval()
        x, y = batch_of(n)
        rounds = 5 if name != "wrn-28-10" else 1
        runs = {"ours": partial(ours(net, early_exit=False), x, y)}
        yield from compare(f"{name}, batch {n}", default, runs, x.contiguous(), y, rounds)
    if trained is not None and images is not None:
        x, y = images[0][:128], images[1][:128]
        default = _default_layout(trained)
        runs = {"ours, early exit": partial(ours(trained, early_exit=True), x, y)}
        yield from compare("trained net, batch 128", default, runs, x.contiguous(), y, 5)


def compare(
    where: str, net: nn.Module, runs: dict[str, Callable[[], object]], x: Tensor, y: Tensor,
    rounds: int,
) -> Iterator[Row]:  # fmt: skip
    """Rows of each peer's time over each of our runs'."""
    found, missing = peers_of(net)
    yield from missing
    ours = list(runs)
    t = interleaved(runs | {k: partial(attack, x, y) for k, attack in found.items()}, rounds)
    for own in ours:
        for name in found:
            yield Row(
                "peers", f"{name} / {own}: PGD-20 time, {where}", *ratio(t[name], t[own]), rounds,
                at_least=PEERS[name],
            )  # fmt: skip


def accuracies(trained: nn.Module, x: Tensor, y: Tensor) -> Iterator[Row]:
    """Robust accuracy on the same images, predictions in fp32: ours less each peer's, in points."""
    default = _default_layout(trained)

    def robust(attack: Attack) -> float:
        pieces = zip(x.split(128), y.split(128), strict=True)
        with torch.no_grad():
            hits = [default(attack(a.contiguous(), b)).argmax(1) == b for a, b in pieces]
        return 100 * float(torch.cat(hits).float().mean())

    torch.manual_seed(0)
    own = robust(ours(trained, early_exit=True))
    for name, attack in peers_of(default)[0].items():
        theirs = robust(attack)
        note = f"ours {own:.1f} %, theirs {theirs:.1f} % of {len(y)} images"
        goal = None if name == "pyautoattack" else 1.0
        gap = abs(own - theirs)
        what = f"robust accuracy, ours against {name}'s: points apart"
        yield Row("peers", what, gap, gap, gap, 1, at_most=goal, note=note)


def precision(trained: nn.Module, x: Tensor, y: Tensor, seeds: int = 3) -> Iterator[Row]:
    """Robust accuracy in bf16 less that in fp32, over the spread of seeds."""
    found: dict[str, list[float]] = {"fp32": [], "bf16": []}
    for seed in range(seeds):
        for kind in found:
            torch.manual_seed(seed)
            found[kind].append(100 * robust_accuracy(trained, x, y, precision=kind))  # type: ignore[arg-type]
    means = {k: sum(v) / seeds for k, v in found.items()}
    gap = abs(means["bf16"] - means["fp32"])
    spread = max(max(v) - min(v) for v in found.values())
    note = f"seeds differ by up to {spread:.2f} points; " + ", ".join(
        f"{k} {m:.2f} %" for k, m in means.items()
    )
    what = f"robust accuracy, bf16 against fp32 gradients: points apart ({len(y)} images)"
    yield Row("numerics", what, gap, gap, gap, seeds, at_most=max(spread, 0.5), note=note)


def _default_layout(net: nn.Module) -> nn.Module:
    from copy import deepcopy

    return deepcopy(net).to(memory_format=torch.contiguous_format).eval()
