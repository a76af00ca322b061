"""What a run is, in plain values: a :class:`Plan` can be written to JSON and run again.

This file imports no torch, so that ``jeat train --help`` can show its fields at once.
"""

from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field, replace
from typing import Any, Literal

from jeat._support.checks import SettingError, check_kind, check_kinds, is_fp32, quoted
from jeat._support.groups import merge
from jeat._support.libraries import holder_of
from jeat._support.plugins import Part, name_of
from jeat._support.reprs import briefly

__all__ = ["Optimisation", "Plan", "Recovery"]

_LIMITS = {"max_energy": 1e3, "max_gap": 50.0, "max_gradient": 1e5, "max_saturated": 0.99}


@dataclass(frozen=True)
class Optimisation:
    """How the weights move.

    Attributes:
        epochs: passes over the training images; fractions are fine.
        batch_size: images an iteration.
        optimizer: adamw, or sgd with Nesterov momentum 0.9.
        step: which gradient it follows, by the name of a file in ``jeat/steps`` or
            package.module:function; with settings, ``{"name": ..., SETTING: VALUE}``. None is what
            the method's file asks for, else plain.
        lr: peak learning rate.
        weight_decay: decoupled for adamw, L2 for sgd.
        schedule: after the warm-up the rate stays, falls tenfold at 1/2 and 3/4 of what is left
            (step), or falls to zero along a cosine.
        warmup: iterations over which the rate rises linearly.
        clip: largest gradient norm; null does not clip.
        ema: decay of the average of weights that is evaluated and saved; null keeps no average.
        precision: fp32, or bf16 autocast (energies stay in fp32); auto is bf16 where the device has
            instructions for it, else fp32, and for convolutions in thin groups on a CPU.
        kept: dtype of net.safetensors, the net to use; fp16 halves the file. Resuming always uses
            fp32.
        pad: reflect-pad by this number of pixels and crop back at random; 0 does not.
        flip: flip images left-right at random.
        seed: of everything random in the run.
        log_every: iterations between log lines.
        evaluate_every: iterations between evaluations on test images; 0 only at the end.
        evaluate_images: how many test images an evaluation uses.
        save_every: iterations between checkpoints.
        deltas_every: iterations between records of Eq. 15, what an attack and an optimiser step do
            to the energies (Fig. 3); 0 records none.
        draw_every: iterations between pictures of what it draws, drawn/ITERATION.png; 0 draws none.
        track: send log, pictures and histograms of energies to tensorboard, trackio or wandb, too.
    """

    epochs: float = 10
    batch_size: int = 128
    optimizer: Literal["adamw", "sgd"] = "adamw"
    step: Part | None = None
    lr: float = 1e-3
    weight_decay: float = 0.0
    schedule: Literal["constant", "step", "cosine"] = "cosine"
    warmup: int = 0
    clip: float | None = None
    ema: float | None = None
    precision: Literal["fp32", "bf16", "auto"] = "fp32"
    kept: Literal["fp32", "fp16"] = "fp32"
    pad: int = 0
    flip: bool = False
    seed: int = 0
    log_every: int = 20
    evaluate_every: int = 0
    evaluate_images: int = 500
    save_every: int = 200
    deltas_every: int = 0
    draw_every: int = 0
    track: Literal["tensorboard", "trackio", "wandb"] | None = None
    __repr__ = briefly

    def iterations(self, images: int) -> int:
        """Number of iterations of a run on ``images`` training images."""
        return max(1, round(self.epochs * (images // self.batch_size)))

    def __post_init__(self) -> None:
        most = self.epochs, self.lr, self.weight_decay
        if any(isinstance(v, int | float) and v > 1e9 for v in most):
            raise SettingError("epochs, lr and weight_decay must be at most 1e9")
        check_kinds(self)
        for name in ("epochs", "batch_size", "lr", "log_every", "save_every", "evaluate_images"):
            if getattr(self, name) <= 0:
                raise SettingError(f"{name} must be positive, got {getattr(self, name)}")
        often = ("evaluate_every", "deltas_every", "draw_every")
        for name in ("weight_decay", "warmup", "pad", *often, "seed"):
            if getattr(self, name) < 0:
                raise SettingError(f"{name} must not be negative, got {getattr(self, name)}")
        if self.ema is not None and not 0 <= self.ema < 1:
            raise SettingError(f"ema must lie in [0, 1), got {self.ema}")
        if self.clip is not None and self.clip <= 0:
            raise SettingError(f"clip must be positive, got {self.clip}")
        if isinstance(self.step, dict) and "name" not in self.step:
            raise SettingError(f"the settings of step need a name, got {quoted(self.step)}")
        if self.step is not None and not name_of(self.step):
            raise SettingError("step must be named")


@dataclass(frozen=True)
class Recovery:
    """When a run counts as diverged, and what changes as it goes on from its last good checkpoint.

    The seed changes every time. What is not finite counts at once. Limits that are null are those
    that the method's file gives, else the ones named below.

    Attributes:
        tries: how many times a run may go back before it fails.
        lr: factor of the learning rate, every time.
        objective: how the method's settings change, of those that its file names for it, such as
            ``{"steps": 5, "w_l2": 0.1}``: 5 Langevin steps more every time, a penalty on large
            energies of weight 0.1 or more. ``steps=5`` is short for ``objective={"steps": 5}``, and
            ``w_l2`` likewise; both are given only, and read as ``objective[...]``.
        patience: iterations in a row that one of the limits below must be exceeded.
        max_energy: of the loss and of mean energies, in absolute value; 1000.
        max_gap: of loss_px, the mean of E(x) less that of E(x_neg), in absolute value; 50.
        max_gradient: of the gradient's norm, before it is clipped; 100,000.
        max_saturated: of the share of the chains' pixels that are at 0 or 1, or beyond; 0.99.
        check_every: iterations between looks for catastrophic overfitting, of methods that attack
            as they train (PGD-10 at eps on 128 training images, also before every checkpoint); 0
            never looks.
    """

    tries: int = 3
    lr: float = 0.5
    objective: dict[str, Any] = field(default_factory=dict)
    patience: int = 5
    max_energy: float | None = None
    max_gap: float | None = None
    max_gradient: float | None = None
    max_saturated: float | None = None
    check_every: int = 100
    steps: InitVar[int | None] = None
    w_l2: InitVar[float | None] = None
    __repr__ = briefly

    def __post_init__(self, steps: int | None, w_l2: float | None) -> None:
        check_kinds(self)
        merge(self, "objective", {"steps": steps, "w_l2": w_l2})
        limits = {name: getattr(self, name) for name in _LIMITS}
        plain = {"tries": self.tries, "patience": self.patience, "check_every": self.check_every}
        own = {f"objective.{k}": v for k, v in self.objective.items()}
        for name, value in own.items():
            check_kind(f"recovery.{name}", value, float)
        for name, value in (plain | limits | own).items():
            if value is not None and value < 0:
                raise SettingError(f"recovery.{name} must not be negative, got {value}")
            if value == 0 and (name == "patience" or name in limits):
                raise SettingError(f"recovery.{name} must be positive, got {value}")
        for name in ("lr", "max_saturated"):
            if (share := getattr(self, name)) is not None and not 0 < share <= 1:
                what = "factor" if name == "lr" else "share"
                raise SettingError(f"recovery.{name} is a {what} in (0, 1], got {share}")

    def limit(self, name: str) -> float:
        """The limit ``max_energy``, ``max_gap``, ``max_gradient`` or ``max_saturated``."""
        given: float | None = getattr(self, name)
        return _LIMITS[name] if given is None else given

    def with_limits(self, own: Mapping[str, float], *, of: str) -> "Recovery":
        """With the own limits of the method ``of`` in place of those that are not given.

        Raises:
            SettingError: such a limit is none, or no positive number.
        """
        for name, limit in own.items():
            if name not in _LIMITS or not (is_fp32(limit) and limit > 0):
                raise SettingError(
                    f"limits of {of} are positive numbers for some of {', '.join(_LIMITS)}, "
                    f"got {quoted({name: limit})}"
                )
        mine: dict[str, Any] = {k: v for k, v in own.items() if getattr(self, k) is None}
        return replace(self, **mine)


@dataclass(frozen=True)
class Plan:
    """A training run.

    Attributes:
        method: the objective: a file in ``jeat/objectives``, or package.module:Class.
        data: digits, mnist, fashion-mnist, cifar10, cifar100, svhn; owner/name[:CONFIG][@COMMIT] of
            the Hugging Face hub; a folder with one folder of images a class, or a zip or tar of
            one; a .csv, .parquet or .npz; a folder of idx files or of CIFAR's pickles; or
            package.module:function. How it is read may follow: photos?size=32&background=white.
        net: architecture, e.g. convnet-32 or wrn-28-10, or package.module:Class; timm:NAME,
            torchvision:NAME, or FILE.py:FACTORY of one's own, with weights at random.
        architecture: the net's own settings. ``norm="batch"`` is short for
            ``architecture={"norm": "batch"}``; ``activation`` and ``std`` likewise. These are given
            only, and read as ``architecture[...]``.
        start: where chains start and restart: a file in ``jeat/samplers/starts`` (uniform noise, or
            Gaussians or principal components of the classes), or package.module:Class.
        init: run directory, checkpoint, shipped name or FILE.py:FUNCTION to take the first weights
            from.
        eps: attack radius of the evaluations during training, in [0, 1] pixels (PGD-20).
        eps_norm: the norm that it is measured in, linf, l1 or l2.
        objective: the method's own settings.
        optimisation: how the weights move.
        recovery: what happens when the run diverges.
    """

    method: str
    data: str = "digits"
    net: str = "convnet-32"
    architecture: dict[str, Any] = field(default_factory=dict)
    start: str = "uniform"
    init: str | None = None
    eps: float = 8 / 255
    eps_norm: Literal["linf", "l1", "l2"] = "linf"
    objective: dict[str, Any] = field(default_factory=dict)
    optimisation: Optimisation = field(default_factory=Optimisation)
    recovery: Recovery = field(default_factory=Recovery)
    norm: InitVar[str | None] = None
    activation: InitVar[str | None] = None
    std: InitVar[float | None] = None
    __repr__ = briefly

    def __post_init__(self, norm: str | None, activation: str | None, std: float | None) -> None:
        check_kinds(self)
        if (holder := holder_of(self.net)) is not None:  # also named by its net and what makes it
            own = self.architecture.get("make") or self.net
            if name_of(own) != self.net:
                raise SettingError(f"net is {self.net}, and make {quoted(own)}: give one of them")
            merge(self, "architecture", {"make": own})
            object.__setattr__(self, "net", holder)
        merge(self, "architecture", {"norm": norm, "activation": activation, "std": std})
        if not 0 <= self.eps <= (most := 1 if self.eps_norm == "linf" else 1e6):
            said = f"at most {most:g}, got {self.eps}"
            raise SettingError(f"eps is in [0, 1] pixels, such as 8/255, {said}")
        if not self.data:
            raise SettingError("data must name a data set")
        if self.init == "":
            raise SettingError("init must name a net, such as a run directory, or be null")
