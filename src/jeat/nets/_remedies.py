"""What to do with a file that holds a net in a form that is not read."""

from pathlib import Path

from jeat._support.kinds import TORCH, kind_of

__all__ = ["remedy"]

_LOADED = {  # kind -> how code of one's own loads it
    "a TorchScript archive": "torch.jit.load({!r})",
    "an exported program of PyTorch": "torch.export.load({!r}).module()",
    "an ONNX model": "onnx2torch.convert({!r})",
    TORCH: "torch.load({!r}, weights_only=False)",
}


def remedy(file: Path) -> str:
    """The code and the command that take a net of this kind; "" where none is known."""
    how = _LOADED.get((kind_of(file) if file.is_file() else None) or "")
    if how is None:
        return ""
    net = how.format(file.name)
    return (
        f"; own.py with 'import jeat, torch' and 'def net(): return jeat.wrap({net}, "
        "images=(3, 32, 32), classes=10)', with your images and classes, runs it: jeat measure "
        "own.py:net --data DATA"
    )
