"""The reference Inception of torch-fidelity: where its weights are, and that they are these."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

__all__ = ["by_inception", "check_inception", "reference_inception"]

_HASH = "6726825d"  # with which the SHA-256 of the file begins
_FILE = f"weights-inception-2015-12-05-{_HASH}.pth"
_URL = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{_FILE}"
_WANTED = f"give torch-fidelity's {_FILE}"


def check_inception(path: Any) -> None:
    """Check that a file holds the weights of the reference Inception.

    It is read as data only: torch-fidelity unpickles whatever it is given.

    Raises:
        ValueError: it cannot be read, or holds something else.
    """
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"cannot read {path}: {type(error).__name__}; {_WANTED}") from error
    if not isinstance(weights, dict) or getattr(weights.get("fc.bias"), "shape", None) != (1008,):
        raise ValueError(f"{path} holds something else; {_WANTED}")


def by_inception(path: Any, device: torch.device) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """The reference Inception: uint8 images (B, 1 or 3, H, W) -> features, logits.

    Raises:
        ValueError: as :func:`check_inception`.
    """
    from torch_fidelity.utils import (  # type: ignore[import-untyped]
        create_feature_extractor,
    )

    check_inception(path)
    net: Any = create_feature_extractor(
        "inception-v3-compat", ["2048", "logits_unbiased"], cuda=device.type == "cuda",
        feature_extractor_weights_path=path, verbose=False,
    )  # fmt: skip

    def features_and_logits(x: Tensor) -> tuple[Tensor, Tensor]:
        features, logits = net(x.to(device).expand(-1, 3, -1, -1))
        return features, logits

    return features_and_logits


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
