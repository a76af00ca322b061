"""A training's state in files: no pickles, with checksums, and for any number of processes.

::

    manifest.json            SHA-256 of the others and, with its length, of the run's log so far;
                             number of processes and of rollbacks before
    model.safetensors        net, average, health and iteration; the optimiser's moments
    process-0.safetensors    random state and replay buffer of each process
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import AdamW

from jeat import shards
from jeat._files import contents, expanded
from jeat._sealed import bytes_sum, file_sum, summed, unsummed
from jeat.buffer import ReplayBuffer
from jeat.checkpoint import checkpoint_of, load_net
from jeat.samplers import Stored
from jeat.step import Training

__all__ = ["holds_net", "load_buffer", "load_state", "manifest_of", "save_state", "seal"]


def save_state(training: Training, folder: Path) -> None:
    """Write what this process has to write into ``folder``; the first has the most."""
    if shards.rank() == 0:
        tensors = {k: v for k, v in training.step.state_dict().items() if not _is_own(k)}
        tensors |= {f"optimizer.{k}": v for k, v in _moments(training).items()}
        save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "model.safetensors")
    own = {"random": torch.get_rng_state()}
    if torch.cuda.is_available():
        own["random_cuda"] = torch.cuda.get_rng_state()
    if (buffer := _buffer(training.step)) is not None:
        own["states"] = buffer.states.contiguous()
    save_file(own, folder / f"process-{shards.rank()}.safetensors")


def seal(folder: Path, log: bytes, *, rollbacks: int) -> None:
    """Write the manifest of all that lies in ``folder``, and of what was logged before it."""
    sums = {file.name: file_sum(file) for file in sorted(folder.iterdir())}
    manifest = {"rollbacks": rollbacks, "processes": shards.world(), "sha256": sums}
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
        processes = min(int(found["processes"]), len(sums))  # else too many to name
        own = {f"process-{rank}.safetensors" for rank in range(processes)}
        if {"model.safetensors", "net.safetensors", *own} != set(sums):
            raise ValueError("it lists other files than those of a checkpoint")
        return {"rollbacks": rollbacks, "processes": len(own), "sha256": sums, "log": log}
    except (OSError, ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
        reason = " ".join(str(error).split())
        said = f"{folder} is no checkpoint to go on from ({reason}): {_repair(folder)}"
        raise ValueError(said) from error


def load_state(training: Training, folder: Path) -> None:
    """Put a training back to where it was saved.

    With another number of processes than it was saved by, the replay buffers are dealt anew, and
    so the run goes on from other random numbers; with the same, exactly.

    Raises:
        ValueError: a file that is missing, damaged or of something else, named.
    """
    manifest = manifest_of(folder)
    _check_sums(folder, manifest["sha256"])
    try:
        _set_model(training, load_file(folder / "model.safetensors"), int(folder.name))
        if (buffer := _buffer(training.step)) is not None:
            states = _buffer_states(folder, manifest["processes"])
            mine = states[shards.mine(len(states))]
            _check_like(mine, buffer.states, "replay buffer")
            buffer.states.copy_(mine)
        if manifest["processes"] == shards.world():
            with safe_open(folder / f"process-{shards.rank()}.safetensors", "pt") as f:
                torch.set_rng_state(f.get_tensor("random"))
                if torch.cuda.is_available() and "random_cuda" in f.keys():  # noqa: SIM118
                    torch.cuda.set_rng_state(f.get_tensor("random_cuda"))
        else:  # other numbers than those of the first iterations
            torch.manual_seed(shards.seed_of((training.o.seed + training.iteration) % 2**63))
    except (RuntimeError, KeyError, ValueError, TypeError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        said = f"{folder} is of another net or optimiser ({reason}): {_repair(folder)}"
        raise ValueError(said) from error


def _check_sums(folder: Path, sums: dict[str, str]) -> None:
    """See that files of a checkpoint are as they were saved.

    Raises:
        ValueError: one is not.
    """
    for name, sum_ in sums.items():
        file = folder / name
        if not file.is_file() or file_sum(file) != sum_:
            what = "damaged" if file.is_file() else "missing"
            raise ValueError(f"{file} is {what}: {_repair(folder)}")


def holds_net(folder: Path) -> bool:
    """Whether the net of a checkpoint is there and whole."""
    try:
        load_net(folder / "net.safetensors")
    except ValueError:
        return False
    return True


def load_buffer(run: str | Path) -> Stored:
    """A start that draws from the replay buffer of a checkpoint, or of a run directory's last.

    Raises:
        FileNotFoundError, ValueError: no checkpoint there, no buffer in it, or a damaged file.
    """
    folder = expanded(run)
    if not (folder / "manifest.json").exists():
        folder = checkpoint_of(folder)
    manifest = manifest_of(folder)
    _check_sums(folder, {k: v for k, v in manifest["sha256"].items() if k.startswith("process-")})
    return Stored(_buffer_states(folder, manifest["processes"]))


def _buffer_states(checkpoint: Path, processes: int) -> Tensor:
    """The replay buffers of the processes that saved a checkpoint, one after the other.

    Raises:
        ValueError: there are none, or they hold no images.
    """
    parts = []
    for rank in range(processes):
        try:
            with safe_open(checkpoint / f"process-{rank}.safetensors", framework="pt") as f:
                parts.append(f.get_tensor("states"))
        except SafetensorError as error:
            raise ValueError(
                f"the method of {checkpoint} keeps no replay buffer to start from: use another "
                "--start"
            ) from error
    if len({p.shape[1:] for p in parts}) != 1 or any(p.ndim != 4 for p in parts):
        raise ValueError(f"the replay buffer in {checkpoint} holds no images of one shape")
    if not all(p.is_floating_point() and bool(p.isfinite().all()) for p in parts):
        raise ValueError(f"the replay buffer in {checkpoint} holds numbers that are not finite")
    return torch.cat(parts)


def _moments(training: Training) -> dict[str, Tensor]:
    """The optimiser's state by ``weight.name``, such as ``3.exp_avg``."""
    state = training.optimizer.state_dict()["state"]
    return {f"{i}.{k}": v for i, own in state.items() for k, v in own.items() if v is not None}


def _set_model(training: Training, tensors: dict[str, Tensor], iteration: int) -> None:
    """All of ``model.safetensors``, of a checkpoint of that iteration.

    Raises:
        ValueError, KeyError, RuntimeError: it is of another training.
    """
    moments = {k: v for k, v in tensors.items() if k.startswith("optimizer.")}
    state = {k: v for k, v in tensors.items() if k not in moments}
    own = training.step.state_dict()
    for name in own.keys() & state.keys():
        _check_like(state[name], own[name], name)
    if state["iteration"] != iteration:
        raise ValueError(f"it is of iteration {int(state['iteration'])}")
    training.step.load_state_dict(state | {k: v for k, v in own.items() if _is_own(k)})
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


def _is_own(name: str) -> bool:
    """Whether an entry of a step's state belongs to each process."""
    return name.startswith("objective.")


def _buffer(step: nn.Module) -> ReplayBuffer | None:
    return next((m for m in step.modules() if isinstance(m, ReplayBuffer)), None)


def _repair(folder: Path) -> str:
    return f"remove {folder} to go on from an older checkpoint, or from the start"
