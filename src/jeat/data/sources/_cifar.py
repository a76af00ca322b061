"""CIFAR's pickles, read without running anything that they name."""

import pickle
from io import BytesIO
from pathlib import Path
from typing import Any, Never

import numpy as np

from jeat._support.checks import quoted
from jeat.data.decode import line
from jeat.data.sources._archive import first_name, is_tar

__all__ = ["FOLDERS", "Batch", "is_packed", "loaded"]

FOLDERS = "cifar-10-batches-py", "cifar-100-python"

Batch = dict[str, Any]

_KINDS = "biuf"


def is_packed(file: Path) -> bool:
    """Whether it is the archive in which CIFAR comes."""
    return is_tar(file) and any(folder in Path(first_name(file)).parts for folder in FOLDERS)


def loaded(pickled: bytes, said: str) -> Batch:
    """The dictionary of a pickle of Python 2 or 3: arrays, texts, numbers, lists of such.

    Args:
        pickled: the file.
        said: how an error names it.

    Raises:
        ValueError: it is damaged, or names anything else, which is not imported.
    """
    try:
        found = _Reader(BytesIO(pickled), encoding="latin1").load()
        if isinstance(found, dict):
            return {_text(k): v.array() if isinstance(v, _Array) else v for k, v in found.items()}
    except _RefusedError as error:
        raise ValueError(f"{said} {error}") from error
    except (
        pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, LookupError,
        OverflowError, MemoryError, RecursionError, ImportError,
    ) as error:  # fmt: skip
        raise ValueError(f"{said} is a damaged pickle: {line(error)}; fetch it anew") from error
    raise ValueError(f"{said} holds {quoted(found)}, not the dictionary of a CIFAR batch")


def _text(key: Any) -> str:
    return key.decode("latin1") if isinstance(key, bytes) else str(key)


class _RefusedError(Exception):
    """What a pickle names, and must not."""


class _Array:
    """An array while it is unpickled: numpy itself is handed nothing but its bytes."""

    def __init__(self) -> None:
        self.shape: Any = (0,)
        self.kind: Any = None
        self.fortran: Any = False
        self.raw: Any = b""

    def __setstate__(self, state: Any) -> None:
        _, self.shape, self.kind, self.fortran, self.raw = state

    def array(self) -> np.ndarray:
        """As numpy has it."""
        raw = self.raw.encode("latin1") if isinstance(self.raw, str) else self.raw
        if not isinstance(raw, bytes | bytearray) or not isinstance(self.kind, _Kind):
            raise ValueError("it holds an array of objects")
        found = np.frombuffer(raw, self.kind.dtype())
        return found.reshape(self.shape, order="F" if self.fortran is True else "C").copy()


class _Kind:
    """The type of an array while it is unpickled."""

    def __init__(self, code: str) -> None:
        self.code, self.order = code, "="

    def __setstate__(self, state: Any) -> None:
        self.order = _text(state[1]).replace("|", "=")

    def dtype(self) -> np.dtype:
        """As numpy has it."""
        found = np.dtype(self.code)
        if found.kind not in _KINDS:
            raise ValueError(f"it holds an array of {found}")
        return found.newbyteorder(self.order)  # type: ignore[arg-type]


class _Reader(pickle.Unpickler):
    """An unpickler that imports nothing: what numpy's arrays need is replaced, all else refused."""

    def find_class(self, module: str, name: str) -> Any:
        """What stands for ``module.name``."""
        place = module.replace("numpy._core", "numpy.core"), name
        known = {
            ("numpy.core.multiarray", "_reconstruct"): self._array,
            ("numpy.core.multiarray", "scalar"): self._scalar,
            ("numpy.core.numeric", "_frombuffer"): self._buffer,
            ("numpy", "dtype"): self._kind,
            ("numpy", "ndarray"): "ndarray",
            ("_codecs", "encode"): self._encoded,
        }
        if place not in known:
            self._refuse(f"{module}.{name}")
        return known[place]

    def persistent_load(self, pid: Any) -> Never:
        """Refused: nothing lies outside."""
        self._refuse("a persistent object")

    def _refuse(self, what: str) -> Never:
        raise _RefusedError(
            f"asks for {what}, which no file of CIFAR does: it may be harmful, and was not run"
        )

    def _array(self, kind: Any, shape: Any, code: Any) -> _Array:
        return _Array()

    def _kind(self, code: Any, *how: Any) -> _Kind:
        return _Kind(_text(code))

    def _scalar(self, kind: _Kind, raw: Any) -> Any:
        found = _Array()
        found.__setstate__((1, (), kind, False, raw))
        return found.array().item()

    def _buffer(self, raw: Any, kind: Any, shape: Any, order: Any) -> _Array:
        found = _Array()
        found.__setstate__((1, shape, kind, order == "F", bytes(raw)))
        return found

    def _encoded(self, text: str, encoding: str) -> bytes:
        if encoding != "latin1":
            self._refuse(f"the codec {quoted(encoding)}")
        return text.encode("latin1")
