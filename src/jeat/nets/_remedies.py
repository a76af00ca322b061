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
    kind = kind_of(file) if file.is_file() else None
    if kind == "a Python file":
        return f"; a function in it that returns a net is named as {file}:FUNCTION"
    how = _LOADED.get(kind or "")
    if how is None:
        return ""
    net = how.format(file.name)
    needs = "onnx2torch" if net.startswith("onnx2torch") else "torch"
    first = " (pip install onnx2torch)" if needs == "onnx2torch" else ""
    return (
        f"; own.py with 'import jeat, {needs}'{first} and 'def net(): return jeat.wrap({net}, "
        "images=(3, 32, 32), classes=10)', with your images and classes, runs it: jeat measure "
        "own.py:net --data DATA"
    )
