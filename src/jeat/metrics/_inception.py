"""The reference Inception of torch-fidelity: where its weights are, and that they are these."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

__all__ = ["inception_weights", "reference_inception"]

_HASH = "6726825d"  # with which the SHA-256 of the file begins
_FILE = f"weights-inception-2015-12-05-{_HASH}.pth"
_URL = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{_FILE}"
_WANTED = f"give torch-fidelity's {_FILE}"


@contextmanager
def inception_weights(path: Any) -> Iterator[dict[str, Any]]:
    """Arguments of ``calculate_metrics`` for the reference Inception.

    The file is read here first, as data only: torch-fidelity unpickles whatever it is given.
    """
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"cannot read {path}: {type(error).__name__}; {_WANTED}") from error
    if not isinstance(weights, dict) or getattr(weights.get("fc.bias"), "shape", None) != (1008,):
        raise ValueError(f"{path} holds something else; {_WANTED}")
    yield {
        "feature_extractor": "inception-v3-compat",
        "feature_extractor_weights_path": path,
        "batch_size": 64,
    }


def reference_inception() -> Path:
    """The file of the reference Inception's weights, fetched once into torch's hub folder.

    Raises:
        FileNotFoundError: it is not there and cannot be fetched, or is not the file it should be.
    """
    file = Path(torch.hub.get_dir()) / "checkpoints" / _FILE
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(_URL, str(file), hash_prefix=_HASH, progress=False)
        except (OSError, RuntimeError) as error:
            raise FileNotFoundError(
                f"cannot fetch {_FILE}: {error}; fetch it elsewhere and give its path"
            ) from error
    return file
