"""A run's replay buffer as a start of chains."""

import json
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from jeat._support.files import expanded
from jeat._support.kinds import TORCH, kind_of
from jeat.nets.places import checkpoint_of
from jeat.nets.state_dicts import saved
from jeat.runs.checkpoints import check_states, check_sums, manifest_of
from jeat.samplers import Stored

__all__ = ["load_buffer"]

_BEYOND = 3  # chains of JEM may leave [-1, 1]; pixels of 0 to 255 lie far out


def load_buffer(run: str | Path) -> Stored:
    """A start that draws from the replay buffer of a checkpoint, or of a run directory's last.

    Raises:
        FileNotFoundError, ValueError: no checkpoint there, no buffer in it, or a damaged file.
    """
    folder = expanded(run)
    if folder.is_file():
        return Stored(_of_another_project(folder))
    if not (folder / "manifest.json").exists():
        folder = checkpoint_of(folder)
    manifest = manifest_of(folder)
    files = {k: v for k, v in manifest["sha256"].items() if k.startswith("process-")}
    check_sums(folder, files)
    parts = [_states(folder / f"process-{i}.safetensors") for i in range(manifest["processes"])]
    check_states(parts, folder)
    return Stored(torch.cat(parts))


def _of_another_project(file: Path) -> Tensor:
    """The replay buffer in a checkpoint of JEM, of images in [-1, 1].

    Raises:
        ValueError: there is none, or one of other images.
    """
    kept = saved(file) if kind_of(file) == TORCH else None
    states = kept.get("replay_buffer") if isinstance(kept, dict) else None
    if not isinstance(states, Tensor) or states.dim() != 4:
        raise ValueError(f"{file} keeps no replay buffer to start from: use another --start")
    least, most = (float(v) for v in states.aminmax()) if states.numel() else (0.0, 0.0)
    if not -_BEYOND <= least <= most <= _BEYOND:  # NaN, too
        raise ValueError(
            f"{file} keeps a replay buffer of pixels from {least:.3g} to {most:.3g}, and those of "
            "JEM lie in [-1, 1]: use another --start"
        )
    return (states.float() + 1) / 2


def _states(file: Path) -> Tensor:
    """The states of the replay buffer in a process's file; of several, of the first by name.

    Raises:
        ValueError: there is none.
    """
    with safe_open(file, framework="pt") as f:
        names = sorted(json.loads((f.metadata() or {}).get("buffers", "[]")))
        key = f"{names[0]}.states" if names else "states"  # as version 0.1.0 named its only one
        if key not in f.keys():  # noqa: SIM118
            raise ValueError(
                f"the method of {file.parent} keeps no replay buffer to start from: use another "
                "--start"
            )
        states: Tensor = f.get_tensor(key)
        return states
