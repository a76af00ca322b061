"""Safetensors files that know what was saved in them, and SHA-256 sums of files and records."""

import hashlib
import json
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from jeat._support.kinds import kind_of

__all__ = [
    "apart", "bytes_sum", "file_sum", "header_of", "is_sealed", "load_sealed", "save_sealed",
    "save_tensors", "seal_of", "summed", "unsummed",
]  # fmt: skip


def bytes_sum(data: bytes) -> str:
    """SHA-256 of bytes."""
    return hashlib.sha256(data).hexdigest()


def file_sum(file: Path) -> str:
    """SHA-256 of a file."""
    with file.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def summed(record: dict[str, Any]) -> dict[str, Any]:
    """Plain values, and the SHA-256 of them all."""
    return record | {"sum": seal_of(record, {})}


def unsummed(record: dict[str, Any]) -> dict[str, Any]:
    """The plain values of :func:`summed`.

    Raises:
        ValueError: they are not those that were written.
    """
    found = dict(record)
    if "sum" not in found:
        raise ValueError("it has no sum, as those of earlier versions of jeat")
    if found.pop("sum") != summed(found)["sum"]:
        raise ValueError("it is not as it was written")
    return found


def seal_of(header: dict[str, Any], tensors: dict[str, Tensor]) -> str:
    """SHA-256 of plain values, and of named tensors with their types and shapes."""
    found = hashlib.sha256(json.dumps(header).encode())
    for name in sorted(tensors):
        t = tensors[name].cpu().contiguous()
        found.update(f"{name} {t.dtype} {tuple(t.shape)}".encode())
        found.update(t.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def save_tensors(
    tensors: dict[str, Tensor], file: Path, metadata: dict[str, str] | None = None
) -> None:
    """Write tensors into a file of the mode that the user's files have; safetensors gives 600."""
    file.touch()
    mode = stat.S_IMODE(file.stat().st_mode)
    save_file(apart(tensors), file, metadata=metadata)
    with suppress(OSError):  # where files have no mode
        file.chmod(mode)


def apart(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors, as safetensors takes them: each whole, and in memory of its own.

    What is saved of tied weights is a copy for each name; loaded into a net, they are one again.
    """
    seen: set[int] = set()
    found = {}
    for name, t in tensors.items():
        t = t.contiguous()
        found[name] = t.clone() if t.untyped_storage().data_ptr() in seen else t
        seen.add(t.untyped_storage().data_ptr())
    return found


def save_sealed(file: Path, header: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Write tensors, plain values and their :func:`seal_of` into one file."""
    tensors = apart(tensors)
    sealed = header | {"sha256": seal_of(header, tensors)}
    save_tensors(tensors, file, {"jeat": json.dumps(sealed)})  # one entry: their order varies


def is_sealed(metadata: dict[str, str] | None) -> bool:
    """Whether a safetensors file of this metadata is of :func:`save_sealed`."""
    return "jeat" in (metadata or {})


def header_of(file: Path) -> dict[str, Any]:
    """The plain values alone of a file of :func:`save_sealed`, whose sum is not looked at."""
    with safe_open(file, framework="pt") as f:
        return _header(f.metadata())


def _header(metadata: dict[str, str] | None) -> dict[str, Any]:
    return dict(json.loads((metadata or {})["jeat"]))


def load_sealed(file: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The plain values and the tensors of a file of :func:`save_sealed`.

    Raises:
        ValueError: no such file, or not one as it was saved; the reason without its name.
    """
    try:
        with safe_open(file, framework="pt") as f:
            header = _header(f.metadata())
            tensors = {k: f.get_tensor(k) for k in f.keys()}  # noqa: SIM118
    except KeyError as error:
        raise ValueError("it was not saved by jeat") from error
    except (SafetensorError, OSError, TypeError, ValueError, RecursionError) as error:
        kind = "a folder" if file.is_dir() else kind_of(file) if file.is_file() else None
        if kind is None and "deserializing header" in str(error):
            kind = "a file of an unknown kind, or a safetensors file that is damaged"
        said = f"it is {kind}; jeat reads .safetensors files that it wrote, as by save_net"
        raise ValueError(said if kind else " ".join(str(error).split())) from error
    if header.pop("sha256", None) != seal_of(header, tensors):
        raise ValueError("what it holds is not what was saved; fetch or make it anew")
    return header, tensors
