"""A training's state in files: no pickles, with checksums, and for any number of processes.

::

    manifest.json            SHA-256 of the others and, with its length, of the run's log so far;
                             number of processes and of rollbacks before
    model.safetensors        net, average, health and iteration; the optimiser's moments
    process-0.safetensors    random state and the objective's tensors, of each process
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor
from torch.optim import AdamW

from jeat._support import processes
from jeat._support.files import contents
from jeat._support.sealed import bytes_sum, file_sum, save_tensors, summed, unsummed
from jeat.nets import by_name, check_same_logits
from jeat.samplers import ReplayBuffer
from jeat.training.iteration import State, Training

__all__ = [
    "check_states",
    "check_sums",
    "load_state",
    "manifest_of",
    "save_state",
    "write_manifest",
]

_OWN = "objective."  # what each process has its own of


def save_state(training: Training, folder: Path) -> None:
    """Write what this process has to write into ``folder``; the first has the most."""
    state = training.state.state_dict()
    if processes.rank() == 0:
        tensors = {k: v for k, v in state.items() if not k.startswith(_OWN)}
        tensors |= {f"optimizer.{k}": v for k, v in _moments(training).items()}
        save_tensors(tensors, folder / "model.safetensors")
    own = {k: v.clone().contiguous() for k, v in state.items() if k.startswith(_OWN)}
    own["random"] = torch.get_rng_state()
    if torch.cuda.is_available():
        own["random_cuda"] = torch.cuda.get_rng_state()
    buffers = {"buffers": json.dumps([*_buffers(training.state)])}
    save_tensors(own, folder / f"process-{processes.rank()}.safetensors", buffers)


def write_manifest(folder: Path, log: bytes, *, rollbacks: int) -> None:
    """Write the manifest of all that lies in ``folder``, and of what was logged before it."""
    sums = {file.name: file_sum(file) for file in sorted(folder.iterdir())}
    manifest = {"rollbacks": rollbacks, "processes": processes.world(), "sha256": sums}
    manifest["log"] = len(log), bytes_sum(log)
    (folder / "manifest.json").write_text(json.dumps(summed(manifest), indent=1))


def manifest_of(folder: Path) -> dict[str, Any]:
    """The manifest of a checkpoint; its files are not looked at.

    Raises:
        ValueError: there is none, or it cannot be read.
    """
    try:
        found = unsummed(json.loads(contents(folder / "manifest.json")))
        rollbacks, sums = int(found["rollbacks"]), dict(found["sha256"])
        log = int(found["log"][0]), str(found["log"][1])
        saved_by = min(int(found["processes"]), len(sums))
        own = {f"process-{rank}.safetensors" for rank in range(saved_by)}
        if {"model.safetensors", "net.safetensors", *own} != set(sums):
            raise ValueError("it lists other files than those of a checkpoint")
        return {"rollbacks": rollbacks, "processes": len(own), "sha256": sums, "log": log}
    except (OSError, ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
        reason = " ".join(str(error).split())
        said = f"{folder} is no checkpoint to go on from ({reason}): {_repair(folder)}"
        raise ValueError(said) from error


def load_state(training: Training, folder: Path) -> None:
    """Put a training back to where it was saved.

    With another number of processes than it was saved by, replay buffers are dealt anew and the
    objective's other tensors are the first process's, and so the run goes on from other random
    numbers; with the same, exactly.

    Raises:
        ValueError: a file that is missing, damaged or of something else, named; or of another
            module with the same weights.
    """
    manifest = manifest_of(folder)
    check_sums(folder, manifest["sha256"])
    saved_by = manifest["processes"]
    try:
        own = _own_tensors(training.state, folder, saved_by)
        _set_model(training, load_file(folder / "model.safetensors"), own, int(folder.name))
        if saved_by == processes.world():
            with safe_open(folder / f"process-{processes.rank()}.safetensors", "pt") as f:
                torch.set_rng_state(f.get_tensor("random"))
                if torch.cuda.is_available() and "random_cuda" in f.keys():  # noqa: SIM118
                    torch.cuda.set_rng_state(f.get_tensor("random_cuda"))
        else:  # other numbers than those of the first iterations
            torch.manual_seed(processes.seed_of((training.o.seed + training.iteration) % 2**63))
    except (RuntimeError, KeyError, ValueError, TypeError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        said = f"{folder} is of another net or optimiser ({reason}): {_repair(folder)}"
        raise ValueError(said) from error
    check_same_logits(training.net, folder / "net.safetensors")


def _own_tensors(state: State, folder: Path, saved_by: int) -> dict[str, Tensor]:
    """The objective's tensors that this process goes on with."""
    parts = [load_file(folder / f"process-{rank}.safetensors") for rank in range(saved_by)]
    for part in parts:  # version 0.1.0 kept one replay buffer, and nothing else
        if "states" in part and len(names := [*_buffers(state)]) == 1:
            part[f"{names[0]}.states"] = part.pop("states")
    for name in _buffers(state):
        check_states([part[k] for part in parts if (k := f"{name}.states") in part], folder)
    mine = processes.rank() if saved_by == processes.world() else 0
    own = {k: v for k, v in parts[mine].items() if k.startswith(_OWN)}
    if saved_by != processes.world():
        for name in _buffers(state):
            for k in own:
                if k.startswith(f"{name}."):
                    whole = torch.cat([part[k] for part in parts])
                    own[k] = whole[processes.mine(len(whole))]
    return own


def check_states(parts: list[Tensor], folder: Path) -> None:
    """Check the replay buffers of the processes that saved a checkpoint.

    Raises:
        ValueError: they hold no images, images of several shapes, or numbers that are not finite.
    """
    if len({p.shape[1:] for p in parts}) > 1 or any(p.ndim != 4 for p in parts):
        raise ValueError(f"the replay buffer in {folder} holds no images of one shape")
    if not all(p.is_floating_point() and bool(p.isfinite().all()) for p in parts):
        raise ValueError(f"the replay buffer in {folder} holds numbers that are not finite")


def _buffers(state: State) -> Iterator[str]:
    """The names of the replay buffers of a training's objective."""
    return (name for name, m in state.named_modules() if isinstance(m, ReplayBuffer))


def check_sums(folder: Path, sums: dict[str, str]) -> None:
    """Check that files of a checkpoint are as they were saved.

    Raises:
        ValueError: one is not.
    """
    for name, sum_ in sums.items():
        file = folder / name
        if not file.is_file() or file_sum(file) != sum_:
            what = "damaged" if file.is_file() else "missing"
            raise ValueError(f"{file} is {what}: {_repair(folder)}")


def _moments(training: Training) -> dict[str, Tensor]:
    """The optimiser's state by ``weight.name``, such as ``3.exp_avg``."""
    state = training.optimizer.state_dict()["state"]
    return {f"{i}.{k}": v for i, own in state.items() for k, v in own.items() if v is not None}


def _set_model(
    training: Training, tensors: dict[str, Tensor], own: dict[str, Tensor], iteration: int
) -> None:
    """All tensors of a checkpoint of that iteration.

    Raises:
        ValueError, KeyError, RuntimeError: they are of another training.
    """
    moments = {k: v for k, v in tensors.items() if k.startswith("optimizer.")}
    saved = {k: v for k, v in tensors.items() if k not in moments} | own
    saved, now = by_name(training.state, saved), training.state.state_dict()
    for name in now.keys() & saved.keys():
        _check_like(saved[name], now[name], name)
    if saved["iteration"] != iteration:
        raise ValueError(f"it is of iteration {int(saved['iteration'])}")
    training.state.load_state_dict(saved)
    _set_moments(training, moments)


def _check_like(found: Tensor, own: Tensor, name: str) -> None:
    if (found.shape, found.dtype) != (own.shape, own.dtype):
        raise ValueError(
            f"{name} is {found.dtype} {tuple(found.shape)}, not {own.dtype} {tuple(own.shape)}"
        )


def _set_moments(training: Training, tensors: dict[str, Tensor]) -> None:
    weights = training.optimizer.param_groups[0]["params"]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        _, i, name = key.split(".")
        _check_like(value, torch.zeros(()) if name == "step" else weights[int(i)], key)
        state.setdefault(int(i), {})[name] = value
    adamw = isinstance(training.optimizer, AdamW)
    names = {"step", "exp_avg", "exp_avg_sq"} if adamw else {"momentum_buffer"}
    if odd := [i for i, own in state.items() if own.keys() != names]:
        raise ValueError(f"the optimiser has not all of weight {odd[0]}")
    groups = training.optimizer.state_dict()["param_groups"]
    training.optimizer.load_state_dict({"state": state, "param_groups": groups})


def _repair(folder: Path) -> str:
    return f"remove {folder} to go on from an older checkpoint, or from the start"
