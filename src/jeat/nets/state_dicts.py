"""The state dict in a file of torch.save or of safetensors; nothing is unpickled but tensors."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from jeat._support.checks import DoubtWarning
from jeat._support.kinds import TORCH, kind_of
from jeat._support.sealed import is_sealed
from jeat.nets._remedies import remedy

__all__ = ["saved", "tensors_of"]

_WITHIN = (
    "model_state_dict", "state_dict", "model", "net", "ema", "model_ema", "params",
    "state_dict_ema", "ema_state_dict", "ema_model_state_dict", "params_ema",
)  # fmt: skip


def tensors_of(file: Path) -> dict[str, Tensor] | None:
    """The state dict in a file of torch.save, or of safetensors not of this package; else None.

    Raises:
        ValueError: as :func:`saved`, or no state dict.
    """
    if kind_of(file) == TORCH:
        return _of_average(_state_dict(file, saved(file)))
    try:
        with safe_open(file, framework="pt") as f:
            if is_sealed(f.metadata()):
                return None
        return _of_average(load_file(file))
    except (SafetensorError, OSError):
        return None


def _of_average(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of what an AveragedModel of PyTorch averages, where it is one of that."""
    found = {k: v for k, v in tensors.items() if k != "n_averaged"}
    return found if all(k.startswith("module.") for k in found) else tensors


def saved(file: Path) -> Any:
    """What torch.save wrote into a file, of tensors and plain values.

    Raises:
        ValueError: it holds more than these.
    """
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch has no one error for what is damaged or no tensor
        raise ValueError(
            f"{file} is damaged, or holds more than tensors, which could run code as it is loaded: "
            "save net.state_dict() alone, in the project that it is from, and say --arch"
            + (remedy(file) if "weights_only" in str(error) or "Unsupported" in str(error) else "")
        ) from error


def _state_dict(file: Path, kept: Any) -> dict[str, Tensor]:
    """The tensors by name in what was saved, themselves or under a usual key."""
    parts = {k: v for k, v in kept.items() if _has_tensors(v)} if isinstance(kept, Mapping) else {}
    key = next((k for k in _WITHIN if k in parts), None)
    found = kept if key is None else parts[key]
    if not _has_tensors(found):
        raise ValueError(f"{file} holds no state dict, but {_held(kept)}: save net.state_dict()")
    if beside := [str(k) for k in parts if k != key and parts[k].keys() == found.keys()]:
        others = f"those under {', '.join(beside)} are not: save these alone to take them"
        said = f"{file.name}: its weights under {key} are taken, and {others}"
        warnings.warn(said, DoubtWarning, stacklevel=5)
    return {str(k): v for k, v in found.items() if torch.is_tensor(v)}


def _has_tensors(value: Any) -> bool:
    return isinstance(value, Mapping) and any(map(torch.is_tensor, value.values()))


def _held(kept: Any) -> str:
    """What was saved, in words."""
    if isinstance(kept, Tensor):
        return f"one tensor {tuple(kept.shape)}"
    if isinstance(kept, Mapping):
        return ", ".join(map(str, [*kept][:3])) or "nothing"
    return f"a {type(kept).__name__}"
