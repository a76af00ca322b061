"""CIFAR on two CPU cores: small nets, an hour or less each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from jeat.recipes.paper import Paper, Variants, inception_settings
from jeat.suites import Suite
from jeat.training.plan import Optimisation, Plan

__all__ = [
    "ADAM", "ATTACK", "CHAINS", "EPS", "LIGHT", "NET", "ROUGH", "SGD", "SLOW", "on_two_cores",
    "plans_of", "variants",
]  # fmt: skip

EPS = 8 / 255
NET: Mapping[str, Any] = {
    "net": "wrn-16-2-2", "norm": "batch", "activation": "leaky_relu", "std": 0.25,
    "start": "gaussian", "eps": EPS,
}  # fmt: skip
CHAIN = {"steps": 40, "step_size": 0.1, "noise": 0.001, "precision": "auto"}
OWN = {"at": 0.25, "prejeat": 4.0, "jem": 0.25, "jeat": 8.0}
SGD = Optimisation(
    epochs=20, batch_size=128, optimizer="sgd", lr=0.1, weight_decay=5e-4, warmup=400, ema=0.998,
    precision="auto", kept="fp16", pad=4, flip=True, save_every=390, deltas_every=20,
)  # fmt: skip
HALF = replace(SGD, epochs=10)
WATCHED = replace(SGD, evaluate_every=390, evaluate_images=1000)  # its accuracies by epoch
ADAM = replace(
    SGD, epochs=0.75, optimizer="adamw", lr=2e-4, weight_decay=0.0, warmup=50, clip=1.0, ema=0.99,
    pad=0, save_every=100, deltas_every=5,
)  # fmt: skip
ATTACK: Mapping[str, Any] = {  # one step is outgrown as lr falls to zero
    "eps": EPS,
    "steps": 2,
    "ratio": 0.75,
}
CHAINS: dict[str, Any] = {
    "steps": 10,
    "step_size": 4.0,
    "noise": 0.003,
    "clamp": True,
    "buffer_size": 10_000,
    "w_px": 0.75,
    "w_l2": 0.01,
}
SLOW = replace(ADAM, epochs=2, lr=1e-4)
LONG = replace(SLOW, epochs=4)
ROUGH = CHAINS | {"step_size": 0.1, "buffer_size": 1000, "w_px": 0.3, "w_l2": 0.02}
LIGHT = ROUGH | {"w_px": 0.1}  # what cifar10_jem.py chose, with LONG
ALL = ("normal", "noise-8", "noise-16", "noise-24", "at", "prejeat", "jem", "jeat")


def plans_of(
    out: Path, seed: int, *, data: str, methods: Sequence[str], classifiers: float, joint: float
) -> dict[str, Plan]:
    """The runs of a seed; arguments as :func:`on_two_cores`."""

    def plan(method: str, o: Optimisation, init: str | None = None, **objective: Any) -> Plan:
        epochs = o.epochs * (joint if init else classifiers)
        return Plan(
            method, data=data, init=init and str(out / init), objective=objective,
            optimisation=replace(o, seed=seed, epochs=epochs), **NET,
        )  # fmt: skip

    every = {
        "normal": plan("normal", SGD),
        **{f"noise-{n}": plan("noise", HALF, sigma=n / 255) for n in (8, 16, 24)},
        "at": plan("at", WATCHED, **ATTACK),
        "prejeat": plan("prejeat", SGD, **ATTACK),
        "jem": plan("jem", LONG, "normal", **LIGHT),
        "jeat": plan("jeat", ADAM, "at", eps=EPS, ratio=1.25, **CHAINS),
    }
    once = [m for m in methods if seed == 0 or not m.startswith("noise")]  # Fig. 5 shows one seed
    return {method: every[method] for method in once}


def on_two_cores(
    name: Literal["cifar10", "cifar100"],
    *,
    data: str,
    inception: str | None,
    methods: Sequence[str] = ALL,
    classifiers: float = 1.0,
    joint: float = 1.0,
    n_accuracy: int = 10_000,
    n_scores: int = 1000,
    per_class: int = 1000,
    classes: int = 10,
    models: str = "",
    licence: str = "",
) -> Suite:
    """Tables 1-3 and Fig. 2-7 with WRN-16-2s of LeakyReLUs that fold 2 x 2 pixels.

    Classifiers learn with batch normalisation for 20 epochs; those of noise, of which there is one
    seed, for 10. JEM goes on from the normal one for 4 epochs and JEAT from the adversarially
    trained one for 0.75, with its statistics held still (K = 10). ``docs/cifar10.md`` says why
    these settings.

    Args:
        name: whose numbers of the paper are shown.
        data, inception: as the suites take them.
        methods: what is trained.
        classifiers, joint: factor of the epochs of classifiers, and of JEM and JEAT.
        n_accuracy, n_scores: test images, as :class:`jeat.recipes.paper.Paper`; AutoAttack sees as
            many as the scores.
        per_class, classes, models, licence: as :class:`jeat.suites.Suite`.
    """
    judge = replace(
        SGD, epochs=15, batch_size=256, lr=0.2, warmup=200, ema=0.99, seed=1000, deltas_every=0
    )
    return Suite(
        title=f"{name}-cpu",
        about="The net is a WRN-16-2 of LeakyReLUs that folds 2 x 2 pixels into channels, 0.7 "
        "million weights, trained on two CPU cores: fifty times smaller than the paper's.",
        data=data,
        plans=partial(
            plans_of, data=data, methods=methods, classifiers=classifiers, joint=joint
        ),
        judge=Plan(
            "normal", data=data, net="vgg-48", norm="batch", activation="relu", std=0.25,
            optimisation=judge,
        ),
        comparison=Paper(
            EPS, n_accuracy, n_scores, n_autoattack=n_scores, radius=8.0, printed=name,
            thorough=True,
            settings=inception_settings(inception),
        ),
        chain=CHAIN,
        chains={method: {"step_size": step} for method, step in OWN.items() if method in methods},
        per_class=per_class,
        shape=(3, 32, 32),
        classes=classes,
        train_images=50_000,
        models=models,
        licence=licence,
    )  # fmt: skip


def variants(
    title: str,
    about: str,
    plans: Callable[..., dict[str, Plan]],
    *,
    data: str,
    attacks: str | None,
    per_class: int = 100,
    step_size: float | None = None,
    **settings: Any,
) -> Suite:
    """Variants of a training of the same nets, each of which may diverge.

    Args:
        title, about, data, per_class: as :class:`jeat.suites.Suite`.
        plans: (folder of a seed, seed, data=, **settings) -> runs by name.
        attacks: the part of AutoAttack that is run; None is the standard set.
        step_size: of the chains that draw.
    """
    made = partial(plans, data=data, **settings)
    return Suite(
        title=title,
        about=about,
        data=data,
        plans=made,
        judge="cifar10-judge",
        comparison=Variants(EPS, attacks=attacks, compared=10_000),
        chain=CHAIN if step_size is None else CHAIN | {"step_size": step_size},
        per_class=per_class,
        shape=(3, 32, 32),
        classes=10,
        train_images=50_000,
        may_diverge=frozenset(made(Path(), 0)),
    )
