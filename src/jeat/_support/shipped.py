"""The files of nets that come with the package, found without torch."""

from importlib.resources import files
from pathlib import Path

__all__ = ["shipped"]


def shipped() -> dict[str, Path]:
    """The checkpoints inside the package, by name."""
    folder = Path(str(files("jeat") / "weights"))
    return {f.stem: f for f in sorted(folder.glob("*.safetensors"))}
