"""A page: one HTML file that draws and attacks in a browser, offline, by onnxruntime-web.

It holds the net as ONNX, with the gradient of its energies in the graph (Eq. 17 and 18), a few
images, and the runtime. Nothing leaves it: its content security policy forbids that.
"""

import base64
import gzip
import inspect
import json
import math
import re
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from jinja2 import Environment, StrictUndefined
from torch import Tensor, nn
from torch.export import ExportedProgram

from jeat._support import version
from jeat._support.checks import SettingError
from jeat._support.signatures import GIVEN, complete
from jeat._support.tensors import check_labels, weights_of
from jeat._support.words import parted
from jeat.exports._gradient import program_of_slope
from jeat.exports._runtime import CODE, NAME, WASM, runtime
from jeat.nets import ball_of, plan_of, spec_of
from jeat.samplers import Chain, clamped, langevin, momentum, normalized

__all__ = ["other_sampler", "read", "runtime", "write"]

suffixes = (".html",)
needs = ("onnx", "onnxscript", "onnxruntime")

_MOST = 50_000_000  # bytes of weights
_SLOPE = ("image", "label", "w"), ("logits", "E", "gradient")
_START = ("label", "normals"), ("image",)
_RADII = {"linf": 8 / 255, "l2": 0.5}  # usual ones, of the balls that it attacks in
_SAMPLERS: dict[str, Callable[..., Any]] = {
    f.__name__: f for f in (langevin, momentum, clamped, normalized)
}
_CODE = ("page_walks.js", "page.js")


class _First(nn.Module):
    """A label (1,) and standard normal numbers (1, r) -> the first state of a chain."""

    def __init__(self, start: Any) -> None:
        super().__init__()
        self.start = start

    def forward(self, label: Tensor, normals: Tensor) -> Tensor:
        first: Tensor = self.start.from_normals(label, normals)
        return first


def write(
    net: nn.Module,
    file: Path,
    *,
    images: Tensor | None = None,
    labels: Sequence[int] | Tensor = (),
    name: str = "",
    data: str = "",
    numbers: Sequence[int] | Tensor = (),
    found: dict[str, bytes] | None = None,
) -> None:
    """The page.

    Args:
        net: of at most 50 MB, of grey or colour images.
        images: to attack, (N, C, H, W) in [0, 1], kept in 8 bits; None is none.
        labels: their classes.
        name: of the net, as commands have it; "" is its architecture.
        data: set that the images are of, as commands have it; "" is the net's own.
        numbers: of the images among its test images, from 0; none, where they are no test images.
        found: of :func:`runtime`, which is asked where this is None.

    Raises:
        SettingError: there is no onnxruntime-web, or images or labels do not fit the net.
        ValueError: a net that is too large, or of images that no browser shows.
    """
    spec = spec_of(net)
    images = torch.empty(0, *spec.shape) if images is None else images
    labels = torch.as_tensor(labels, dtype=torch.int64)
    numbers = torch.as_tensor(numbers, dtype=torch.int64)
    _check(net, images, labels, numbers)
    found = runtime() if found is None else found
    start: Any = getattr(net, "start", None)
    title = Path(parted(name or spec.name)[0]).name.removesuffix(".safetensors")
    parts = {"net": _onnx(program_of_slope(net), *_SLOPE)}
    if hasattr(start, "normals"):
        given = torch.zeros(1, dtype=torch.int64), torch.zeros(1, start.normals)
        parts["start"] = _onnx(torch.export.export(_First(start), given, strict=False), *_START)
    parts |= {"runtime": found[CODE].partition(b"//# sourceMappingURL")[0], "wasm": found[WASM]}
    said = {
        "name": name or spec.name, "title": title, "architecture": spec.name, "shape": spec.shape,
        "classes": spec.classes, "labels": labels.tolist(),
        "method": plan_of(net).get("method", ""),
        "normals": start.normals if "start" in parts else 0, "radii": _radii(net),
        "data": data, "numbers": numbers.tolist(), "other": other_sampler(net), **_chain(net),
    }  # fmt: skip
    pixels = images.mul(255).round().to(torch.uint8)
    folder = files(__package__)
    held = Environment(autoescape=True, undefined=StrictUndefined).from_string(
        (folder / "page.html").read_text(encoding="utf-8")
    )
    text = held.render(
        said=said, version=version.__version__, runtime=NAME,
        style=(folder / "page.css").read_text(encoding="utf-8"),
        code="\n".join((folder / name).read_text(encoding="utf-8") for name in _CODE),
        json=json.dumps(said).replace("<", "\\u003c"),
        parts={k: _packed(v) for k, v in (parts | {"images": pixels.numpy().tobytes()}).items()},
    )  # fmt: skip
    file.write_text(text, encoding="utf-8")


def read(file: Path) -> Callable[[Tensor], dict[str, Tensor]]:
    """The outputs by onnxruntime, an image at a time, and the gradients of two energies.

    ``gradient`` is that of E(x, 0), ``gradient_ce`` that of the cross-entropy of class 0.
    """
    from onnxruntime import InferenceSession

    packed = re.search(r'<script id="net"[^>]*>([^<]*)<', file.read_text(encoding="utf-8"))
    if packed is None:
        raise ValueError("no net is in it")
    graph = gzip.decompress(base64.b64decode(packed[1]))
    session = InferenceSession(graph, providers=["CPUExecutionProvider"])
    classes = session.get_inputs()[1].shape[1]

    def one(x: Tensor, w: float) -> list[Tensor]:
        given = x.float(), torch.eye(1, classes), torch.tensor([w])
        fed = {k: v.numpy() for k, v in zip(_SLOPE[0], given, strict=True)}
        return [torch.from_numpy(v) for v in session.run(_SLOPE[1], fed)]

    def outputs(x: Tensor) -> dict[str, Tensor]:
        joint, ce = ([one(image, w) for image in x.split(1)] for w in (0.0, -1.0))
        logits, E, gradient = (torch.cat(v) for v in zip(*joint, strict=True))
        of_ce = torch.cat([v[2] for v in ce])
        return {
            "logits": logits, "E": E, "E_y": -logits, "gradient": gradient, "gradient_ce": of_ce
        }  # fmt: skip

    return outputs


def _check(net: nn.Module, images: Tensor, labels: Tensor, numbers: Tensor) -> None:
    """Check what a page cannot hold, before any work.

    Raises:
        SettingError: images or labels that do not fit the net.
        ValueError: a net that is too large, or of images that no browser shows.
    """
    spec = spec_of(net)
    size = sum(t.nbytes for t in weights_of(net).values())
    if size > _MOST:
        raise ValueError(
            f"its weights are {size / 1e6:.0f} MB, and a page holds {_MOST / 1e6:.0f} MB: export "
            "it as NAME.onnx"
        )
    if spec.channels not in (1, 3):
        raise ValueError(f"its images have {spec.channels} channels, and a page shows 1 or 3")
    if tuple(images.shape[1:]) != spec.shape or labels.shape != images.shape[:1]:
        raise SettingError(
            f"the images of a page are (N, {', '.join(map(str, spec.shape))}) with N labels, got "
            f"{tuple(images.shape)} with {len(labels)}"
        )
    if numbers.shape not in (labels.shape, (0,)):
        raise SettingError(f"{len(images)} images have as many numbers, got {len(numbers)}")
    check_labels(labels, torch.zeros(len(labels), len(spec.classes)))


def _onnx(graph: ExportedProgram, inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
    made: Any = torch.onnx.export(
        graph, (), dynamo=True, input_names=inputs, output_names=outputs, verbose=False
    )
    found: bytes = made.model_proto.SerializeToString()
    return found


def _packed(held: bytes) -> str:
    """Compressed, and as text."""
    return base64.b64encode(gzip.compress(held, mtime=0)).decode()


def _radii(net: nn.Module) -> dict[str, float]:
    """The radius of each ball: first that which the net was trained for, then usual ones."""
    eps, norm = ball_of(net)
    own = {norm: eps} if norm in _RADII and eps else {}
    return own | _RADII | own


def other_sampler(net: nn.Module) -> str:
    """The sampler that the net's file asks for, where a page does not know it; else ""."""
    asked = _own_chain(net).sampler
    return "" if asked in _SAMPLERS else asked


def _own_chain(net: nn.Module) -> Chain:
    return getattr(net, "chain", None) or Chain()


def _chain(net: nn.Module) -> dict[str, Any]:
    """How the page draws: as the net does, where it knows the sampler; else as usual.

    The noise is a number, or None of a sampler that takes none.
    """
    own = Chain() if other_sampler(net) else _own_chain(net)
    sampler, noise = _SAMPLERS[own.sampler], own.noise
    if "noise" not in inspect.signature(sampler).parameters:
        noise = None
    elif noise is None:
        noise = 0.0 if sampler is clamped else math.sqrt(2 * own.step_size)
    settings = complete(
        sampler, dict(own.settings), whose=f"sampler {own.sampler!r}", group="sampler",
        given=GIVEN["samplers"],
    )  # fmt: skip
    return {
        "steps": own.steps, "step_size": own.step_size, "noise": noise,
        "sampler": own.sampler, "settings": settings,
    }  # fmt: skip
