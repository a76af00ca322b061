"""Exports: a net as others read it, written beside its place, and read back before it counts.

One format a file, found by the end of the name that is written: ``suffixes``, a literal, where
``""`` is a folder. ``write(net, place, *, ...)`` writes; ``read(place)`` gives images in [0, 1] ->
outputs by name, some of ``logits`` (B, K), ``E`` = E(x) (B,) and ``E_y`` = E(x, k) of every class k
(B, K), all of Eq. 12; and the gradients by x of E(x, 0), ``gradient``, and of the cross-entropy of
class 0, ``gradient_ce``. ``needs`` are packages that it stands on.
"""

import copy
import importlib.util
import logging
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib import import_module
from io import StringIO
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from jeat._support.checks import SettingError, plain, quoted
from jeat._support.files import expanded, system_number, whole_place
from jeat._support.passes import bare
from jeat._support.plugins import constant_of, known_parts
from jeat.energy import energy_of, loss_of, marginal_energy, score
from jeat.exports._program import dtype_of
from jeat.nets import evaluating, spec_of

__all__ = ["Outputs", "export", "format_of"]

Outputs = Mapping[str, Tensor]

_FOLDER = "exports"
_BATCHES = (1, 8)  # a format must take any number of images
_PIXELS = ((0.0, 1.0), (0.0, 0.3), (0.7, 1.0))  # what was traced may know the first only
_SLOPES = {"gradient": energy_of, "gradient_ce": loss_of}
_BOUND = 1e-4  # of the largest logit, or of 1: fp32 rounding of a deep net stays below


def export(net: nn.Module, out: str | Path, **settings: Any) -> dict[str, float]:
    """Write ``net``, with its normalisation, to ``out``, and compare what is read back with it.

    Args:
        net: of :func:`jeat.load`, :func:`jeat.wrap` or :func:`jeat.nets.build`, in whatever mode.
        out: ends in .onnx, .html, .pt2, .ts, .torchscript or .py; else a folder for the hub.
        settings: of the format, such as ``card``, the text of a folder's README.md.

    Returns:
        The largest absolute difference of each output from the net's, over random images, dark
        and bright ones too, in batches of 1 and 8. Nothing is left of a file whose difference is
        beyond fp32 rounding.

    Raises:
        SettingError: no such format, or a package that it needs is missing.
        ValueError: a net that the format cannot hold.
    """
    name = format_of(out)
    spec = spec_of(net)
    _check_needs(name)
    module: Any = import_module(f"{__name__}.{name}")
    inner = _plain(bare(net))
    with evaluating(inner), torch.no_grad(), whole_place(expanded(out)) as place:
        try:
            with _quiet():
                module.write(inner, place, **settings)
                return _differences(inner, module.read(place))
        except Exception as error:  # exporters have no one error for what they cannot do
            if isinstance(error, SettingError) or system_number(error) is not None:
                raise
            why = " ".join(str(error).replace(str(place), str(expanded(out))).split())
            said = plain(_explained(why) or why or type(error).__name__)[:300]
            raise ValueError(f"{out} cannot hold this {spec.name}: {said}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Exporters warn, log and print of themselves: what they cannot do is said by their error."""
    before = logging.root.manager.disable
    with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(before)


def format_of(out: str | Path) -> str:
    """The format that a name is written in, by its end.

    Raises:
        SettingError: there is none.
    """
    suffix = Path(out).suffix.lower()
    folder = str(out).endswith("/") or expanded(out).is_dir()
    known = {s: n for n in known_parts(_FOLDER) for s in constant_of(_FOLDER, n, "suffixes")}
    found = known.get("" if folder else suffix)
    if found is None or not Path(out).name:
        ends = ", ".join(s for s in known if s)
        raise SettingError(
            f"{quoted(str(out))} is no name to export to: one that ends in {ends}, or a folder, as "
            "NAME/"
        )
    return found


def _check_needs(name: str) -> None:
    """Check that the packages that a format stands on are there, before any work."""
    needs = constant_of(_FOLDER, name, "needs") or ()
    if missing := [n for n in needs if importlib.util.find_spec(n) is None]:
        raise SettingError(
            f"this format needs {', '.join(missing)}: pip install 'jeat[export]', or pip install "
            f"{' '.join(missing)}"
        )


def _differences(net: nn.Module, again: Callable[[Tensor], Outputs]) -> dict[str, float]:
    """The largest difference of each output from the net's.

    Raises:
        ValueError: it is beyond rounding, or of another shape.
    """
    spec = spec_of(net)
    drawn, dtype = torch.Generator().manual_seed(0), dtype_of(net)
    found: dict[str, float] = {}
    for n, (low, high) in product(_BATCHES, _PIXELS):
        x = torch.rand(n, *spec.shape, generator=drawn).mul(high - low).add(low).to(dtype)
        logits: Tensor = net(x)
        right = {"logits": logits, "E": marginal_energy(logits), "E_y": -logits}
        got = again(x)
        right |= {k: _slope(net, x, k) for k in _SLOPES if k in got and n > 1}
        rounds = (
            torch.finfo(dtype).eps / torch.finfo(torch.float32).eps if dtype.itemsize < 4 else 1
        )
        rounds = min(rounds, 100.0)
        for name in [k for k in got if k in right]:
            value = got[name]
            if value.shape != right[name].shape:
                raise ValueError(f"its {name} of {n} images are {tuple(value.shape)}")
            far = _far(name, value, right[name])
            bound = rounds * _bound(right, name)
            if not far <= bound:
                raise ValueError(f"its {name} of {n} images differ from the net's by {far:.3g}")
            found[name] = max(far, found.get(name, 0.0))
    return found


def _slope(net: nn.Module, x: Tensor, name: str) -> Tensor:
    """The gradient by images of an energy of class 0."""
    return -score(_SLOPES[name](net, torch.zeros(len(x), dtype=torch.int64)), x)


def _far(name: str, value: Tensor, right: Tensor) -> float:
    """The largest difference; of gradients, the largest of the median image, as that of an image
    jumps where rounding takes a unit over its kink.
    """
    far = (value - right).abs().reshape(len(right), -1).amax(1)
    return float(far.median() if name in _SLOPES else far.max())


def _bound(right: Outputs, name: str) -> float:
    """How far an output may be."""
    of = (*_SLOPES,) if name in _SLOPES else ("logits",)
    least = 0.0 if name in _SLOPES else 1.0
    return _BOUND * max(least, *(float(right[k].abs().max()) for k in of))


def _plain(net: nn.Module) -> nn.Module:
    """The net, or a copy of one that is elsewhere or compiled: graphs name the device that they are
    made on, and are made of what was not compiled yet.
    """
    elsewhere = any(t.device.type != "cpu" for t in (*net.parameters(), *net.buffers()))
    compiled = [k for k, m in net.named_modules() if hasattr(m, "_orig_mod")]
    if not elsewhere and not compiled:
        return net
    whole = copy.deepcopy(net)
    for name in compiled:
        above, _, own = name.rpartition(".")
        setattr(whole.get_submodule(above), own, whole.get_submodule(name)._orig_mod)
    return whole.cpu()


def _explained(why: str) -> str | None:
    """What an exporter means, where it can be said better."""
    if unknown := re.search(r"No ONNX function found for <OpOverload\(op='([^']+)'", why):
        return f"ONNX, as PyTorch writes it, has no {unknown[1]}, which its passes use"
    if "data-dependent" in why:
        return (
            "its code decides by the values of its images, as 'if x.mean() > 0.5' does, and a "
            "graph goes one way: write it with torch.where"
        )
    if "specialized it to be a constant" in why or "Constraints violated" in why:
        return (
            "its code counts the images of a batch in Python, and would be one for batches of one "
            "size: write x.shape[0] for len(x), and no loop over images"
        )
    if "takes 2 positional arguments but 3 were given" in why or "ScriptModule" in why:
        return f"a TorchScript module goes to .ts only ({why})"
    if "ONNXRuntimeError" in why and ("bfloat16" in why or "NOT_IMPLEMENTED" in why):
        return f"onnxruntime knows not all that it does in its dtype: export net.float() ({why})"
    return None
