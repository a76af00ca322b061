"""The trials of a sweep, kept by optuna in ``OUT/sweep.db``, and new ones by its TPE.

Whoever asks or tells holds the lock of the sweep: then no trial is found twice, and what a search
finds depends on what was told alone, and not on who asks.

How runs ended is kept beside the trials: optuna changes no trial that has ended, and a grid may be
given further seeds then. Optuna's own value of a trial is the mean over the seeds it had at first.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jeat._support.checks import SettingError
from jeat._support.locks import held
from jeat.sweeps.sweep import Axis, Range, Sweep

if TYPE_CHECKING:
    import optuna

__all__ = [
    "LOCKS",
    "Ended",
    "Trial",
    "ask",
    "check_installed",
    "locked",
    "opened",
    "tell",
    "trials",
]

LOCKS = ".locks"
_SETTINGS = "settings"


@dataclass(frozen=True)
class Ended:
    """A run that is over.

    Attributes:
        value: the figure that is sought; None where it diverged.
        why: how it diverged.
    """

    value: float | None = None
    why: str = ""


@dataclass(frozen=True)
class Trial:
    """A setting that is tried.

    Attributes:
        number: from 0.
        settings: words by the flags that are swept.
        at: the first trial of these settings, whose runs are its own, too.
        ended: its runs that are over, by the number of their seed, of those that are asked for.
    """

    number: int
    settings: dict[str, str]
    at: int
    ended: dict[int, Ended] = field(default_factory=dict)


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Inside, no other process asks or tells."""
    with held(out / LOCKS / "sweep.lock", wait=True):
        yield


def check_installed() -> None:
    """Check that optuna is installed.

    Raises:
        SettingError: it is not.
    """
    if find_spec("optuna") is None:
        raise SettingError("a sweep needs optuna: pip install 'jeat[sweep]'")


def opened(out: Path, sweep: Sweep) -> "optuna.Study":
    """The study in a sweep's folder; one that begins has the points of its grid waiting."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with locked(out):
        (out / "sweep.db").touch()  # by the user's umask, which SQLite does not ask
        study = optuna.create_study(
            storage=f"sqlite:///{out / 'sweep.db'}",
            study_name="sweep",
            direction="minimize" if sweep.minimise else "maximize",
            load_if_exists=True,
        )
        if sweep.search is None:
            for point in sweep.grid[len(study.get_trials(deepcopy=False)) :]:
                study.enqueue_trial(point)
    return study


def trials(study: "optuna.Study", sweep: Sweep) -> list[Trial]:
    """Those that were asked for, in order; one whose asking was cut short is asked for to its end.

    ``study`` is one whose lock is held.
    """
    found: list[Trial] = []
    first: dict[str, int] = {}
    known: Mapping[str, Any] = study.user_attrs
    for kept in study.get_trials(deepcopy=False):
        if kept.state.name == "WAITING":
            continue
        attributes: Mapping[str, Any] = kept.user_attrs
        if _SETTINGS not in attributes:
            attributes = {_SETTINGS: _suggested(study, sweep, kept.number)}
        settings = attributes[_SETTINGS]
        at = first.setdefault(json.dumps(settings), kept.number)
        names = {k: _run(kept.number, k) for k in range(sweep.seeds)}
        ended = {k: Ended(**known[name]) for k, name in names.items() if name in known}
        found.append(Trial(kept.number, settings, at, ended))
    return found


def ask(study: "optuna.Study", sweep: Sweep) -> Trial | None:
    """A new trial; None where there are enough. ``study`` is one whose lock is held."""
    asked = [t for t in study.get_trials(deepcopy=False) if t.state.name != "WAITING"]
    if len(asked) >= sweep.trials:
        return None
    study.sampler = _sampler(len(asked))
    study.ask()
    return trials(study, sweep)[-1]


def tell(study: "optuna.Study", sweep: Sweep, trial: Trial, k: int, ended: Ended) -> None:
    """Keep how a run ended; with its last run, how the trial did.

    A trial of which a run diverged has failed. ``study`` is one whose lock is held.
    """
    study.set_user_attr(_run(trial.number, k), vars(ended))
    runs = trials(study, sweep)[trial.number].ended
    if len(runs) < sweep.seeds:
        return
    values = [run.value for run in runs.values() if run.value is not None]
    if len(values) == len(runs):
        study.tell(trial.number, sum(values) / len(values), skip_if_finished=True)
    else:
        import optuna

        study.tell(trial.number, state=optuna.trial.TrialState.FAIL, skip_if_finished=True)


def _run(number: int, k: int) -> str:
    """The name by which the end of a trial's k-th run is kept."""
    return f"trial {number} seed {k}"


def _sampler(number: int) -> Any:
    """TPE of a seed of its own for each trial: those that are found at one time differ."""
    import optuna

    return optuna.samplers.TPESampler(seed=number, constant_liar=True)


def _handle(study: "optuna.Study", number: int) -> "optuna.Trial":
    import optuna

    study.sampler = _sampler(number)
    return optuna.Trial(study, study.get_trials(deepcopy=False)[number]._trial_id)


def _suggested(study: "optuna.Study", sweep: Sweep, number: int) -> dict[str, str]:
    """The settings of a trial that was asked for, which it keeps from then on."""
    trial = _handle(study, number)
    settings = {name: _word(trial, name, axis) for name, axis in sweep.over.items()}
    trial.set_user_attr(_SETTINGS, settings)
    return settings


def _word(trial: "optuna.Trial", name: str, axis: Axis) -> str:
    if not isinstance(axis, Range):
        return str(trial.suggest_categorical(name, axis))
    if axis.whole:
        return axis.word(trial.suggest_int(name, int(axis.low), int(axis.high), log=axis.log))
    return axis.word(trial.suggest_float(name, axis.low, axis.high, log=axis.log))
