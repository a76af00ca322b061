"""State of an objective that no checkpoint would hold."""

import hashlib
import io
import pickle
from dataclasses import is_dataclass
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

import torch
from torch import Tensor, nn

from jeat._support.checks import SettingError

__all__ = ["check_unsaved", "unsaved"]

_OF_MODULES = {*vars(nn.Module()), "training", "call_super_init"}
_SAME = (FunctionType, BuiltinFunctionType, MethodType, type)


class _Marks(pickle.Pickler):
    """Pickles what may change, with its contents, and the rest by name."""

    def reducer_override(self, v: Any) -> Any:
        if isinstance(v, Tensor):
            plain = v.detach().cpu().contiguous().flatten().view(torch.uint8)
            return str, (f"{v.dtype} {tuple(v.shape)} {_sum(plain.numpy().tobytes())}",)
        if isinstance(v, torch.Generator):
            return str, (_sum(v.get_state().numpy().tobytes()),)
        frozen = is_dataclass(v) and v.__dataclass_params__.frozen  # type: ignore[union-attr]
        if frozen or (isinstance(v, _SAME) and v is not str):
            return str, (getattr(v, "__qualname__", type(v).__qualname__),)
        return NotImplemented


def unsaved(objective: nn.Module) -> dict[str, str]:
    """A sum of each plain attribute of an objective and its modules, by name.

    Numbers, words, arrays, containers, generators of random numbers and whatever else can be
    pickled. Functions and frozen values do not change; what cannot be pickled is not seen.
    """
    return {
        f"{name}.{k}".lstrip("."): _mark(v)
        for name, module in objective.named_modules()
        for k, v in vars(module).items()
        if k not in _OF_MODULES
    }


def check_unsaved(objective: nn.Module, before: dict[str, str]) -> None:
    """Check that plain attributes are as they were ``before``.

    Raises:
        SettingError: one has changed, and would be lost with the next stop.
    """
    now = unsaved(objective)
    if changed := [k for k in before.keys() | now.keys() if before.get(k) != now.get(k)]:
        raise SettingError(
            f"the objective changes its attribute {min(changed)}, which no checkpoint holds: "
            "register a tensor for it, by register_buffer"
        )


def _mark(v: object) -> str:
    to = io.BytesIO()
    try:
        _Marks(to, pickle.HIGHEST_PROTOCOL).dump(v)
    except Exception:  # of whatever class refuses to be pickled
        return type(v).__qualname__
    return _sum(to.getvalue())


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
