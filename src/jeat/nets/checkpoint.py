"""A net in one safe file: safetensors whose header says which net it is, and how it draws."""

import warnings
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from jeat._support.checks import DoubtWarning, SettingError, plainly
from jeat._support.files import expanded
from jeat._support.passes import bare
from jeat._support.plugins import Part, check_named_by_file, find, part_name
from jeat._support.sealed import file_sum, load_sealed, save_sealed, seal_of
from jeat._support.tensors import weights_of
from jeat._support.words import parted
from jeat.nets._layers import by_name
from jeat.nets._modules import called, factory_of
from jeat.nets._noise import check_same_logits, logits_of_noise
from jeat.nets._remedies import remedy
from jeat.nets._said import said_of
from jeat.nets._typed import LoadedNet
from jeat.nets.foreign import made_by_name, makes_itself, read_foreign
from jeat.nets.places import file_of
from jeat.nets.spec import Spec, build, spec_of
from jeat.nets.wrap import NoModuleError, OtherNetError, around
from jeat.samplers import Chain, Start, Uniform

__all__ = ["digest", "load", "load_net", "save_net"]

_STARTS = "samplers/starts"


def save_net(
    net: nn.Module,
    start: Start | None,
    file: str | Path,
    *,
    about: dict[str, Any] | None = None,
    chain: Chain | None = None,
    precision: Literal["fp32", "fp16"] = "fp32",
) -> None:
    """Write the weights of ``net`` (of :func:`jeat.nets.build`), its spec, start and ``about``.

    A net of :func:`jeat.wrap` is kept without its ``prepare``, and loading says so. Beside one that
    code of one's own makes lie its logits of two images of noise, by which another module with the
    same weights is told from it.
    ``chain`` is what :func:`jeat.sample` draws by where it is not told otherwise. Numbers are
    rounded to ``precision`` where that can hold them; a net that is loaded computes in fp32.
    Uniform noise, from which every net draws that knows no other start, is not written.
    """
    tensors = {f"net.{k}": v for k, v in weights_of(bare(net)).items()}
    header: dict[str, Any] = {"spec": asdict(spec_of(net)), "about": about or {}}
    if getattr(bare(net), "prepare", None) is not None:
        header["prepared"] = True
    if chain:
        header["chain"] = asdict(chain)
    if start is not None and not isinstance(start, Uniform):
        values: Any = vars(start)
        tensors |= {f"start.{k}": v for k, v in values.items() if isinstance(v, Tensor)}
        plain = {k: v for k, v in values.items() if not isinstance(v, Tensor)}
        header["start"] = {"name": part_name(type(start), _STARTS)} | plain
    if precision == "fp16":
        halves = {k: v.half() for k, v in tensors.items() if v.is_floating_point()}
        tensors |= {k: h for k, h in halves.items() if h.isfinite().all()}  # else too large
    save_sealed(expanded(file), header | logits_of_noise(net), tensors)


@plainly()
def load(
    name_or_path: str | Path, *, net: nn.Module | None = None, arch: Part | None = None
) -> LoadedNet:
    """A net in eval mode, taking images in [0, 1].

    Args:
        name_or_path: a run directory, one of its checkpoints, a checkpoint file, a shipped name
            (``jeat.shipped()``), or ``owner/name@COMMIT``, a commit of a Hugging Face hub
            repository that holds ``net.safetensors``, or a net of timm or a
            ``PyTorchModelHubMixin`` in ``model.safetensors``; a folder like it; a checkpoint of
            another project; ``timm:NAME`` or ``torchvision:NAME``, pretrained; ``FILE.py:FACTORY``
            or ``package.module:factory``, code of your own, which is run.
        net: the module of a net of :func:`jeat.wrap` that was given one; it takes the weights.
        arch: what a file of another project does not say of its net: ``"wrn-16-2"``,
            ``"timm:NAME"``, ``"torchvision:NAME"``, or ``"FILE.py:FACTORY"`` of your own; with more
            as ``{"name": ..., "images": (3, 32, 32), "classes": [...], "mean": ..., "std": ...,
            "output": ..., SETTING: VALUE}``. Without ``"name"``, the layout is to be known
            (:mod:`jeat.nets.layouts`). ``FILE?arch=NAME&SETTING=VALUE`` as one name says it, too.

    Raises:
        FileNotFoundError: nothing of that name.
        ValueError: a file that is no checkpoint of this package, nor one that fits what is said.
    """
    place, said = parted(name_or_path) if isinstance(name_or_path, str) else (name_or_path, {})
    if said and arch is not None:
        raise SettingError(f"{name_or_path} says it already, after its '?': leave arch out")
    arch = said or arch
    if net is not None and arch is not None:
        raise SettingError("arch makes a module, and net is one: give one of them")
    if isinstance(place, str) and makes_itself(place) and (net, arch) != (None, None):
        raise SettingError(f"{place} makes its net itself: leave net, arch and the like out")
    if isinstance(place, str) and (made := made_by_name(place)) is not None:
        return made
    file = file_of(place)
    foreign = read_foreign(file, arch) if net is None else None
    if foreign is not None:
        return foreign
    return load_net(file, net=_module(arch, file) if net is None else net)


def _module(arch: Part | None, file: Path) -> nn.Module | None:
    """The module that is said for a file of ours whose own was given, too."""
    if arch is None:
        return None
    said = said_of(arch)
    if not said.name or ":" not in said.name:
        raise SettingError(f"{file} says itself which net it is: leave arch and the like out")
    header, _ = load_sealed(file)
    spec = _spec(header)
    given = {"channels": spec.channels, "size": spec.size, "classes": len(spec.classes)}
    return called(factory_of(said.name), said.name, said.settings, given)


def digest(name_or_path: str | Path) -> str:
    """16 digits of the SHA-256 of the file that :func:`load` reads, or of the weights it makes."""
    place, _ = parted(str(name_or_path))
    made = made_by_name(place)
    if made is not None:
        return seal_of({"net": str(spec_of(made))}, weights_of(made))[:16]
    return file_sum(file_of(place))[:16]


def load_net(file: Path, *, net: nn.Module | None = None) -> LoadedNet:
    """The net in ``file``, in eval mode, with its ``spec``, ``start``, ``chain`` and ``about``.

    ``net`` is as :func:`load` takes it.

    Raises:
        ValueError: not a checkpoint of this package, one whose weights do not fit its spec, or one
            of a net of one's own whose module is not imported, or is another one with its weights.
    """
    try:
        header, tensors = load_sealed(file)
        if "spec" not in header:
            raise ValueError(f"it holds no net, but {', '.join(sorted(tensors))}")
        spec, about = _spec(header), dict(header["about"])
        chain = _chain(header["chain"]) if "chain" in header else None
        weights = {k.removeprefix("net."): v for k, v in tensors.items() if k.startswith("net.")}
        if net is None and ".py:" not in str(spec.settings.get("make")):
            _check_size(spec, weights)
        made: Any = build(spec, by_file=True) if net is None else around(net, spec)
        _check_weights(made, weights)
        made.load_state_dict(weights)
        start = _start(header, tensors, spec)
        if header.get("prepared") and made.prepare is None:
            warnings.warn(
                f"{file} is of a net with a prepare, which no file keeps: give it again, as "
                "net.prepare = FUNCTION, or by net=jeat.wrap(..., prepare=FUNCTION)",
                DoubtWarning,
                stacklevel=2,
            )
    except NoModuleError as error:
        raise ValueError(f"{file} does not make its net alone: {error}") from error
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
        reason = " ".join(str(error).split())
        if net is not None and isinstance(error, OtherNetError):
            raise ValueError(
                f"{file} is not of the module that is given, as by --arch: {reason}"
            ) from error
        later = "; a later version may know it: pip install --upgrade jeat"
        then = later if isinstance(error, SettingError) else remedy(file)
        raise ValueError(
            f"{file} is not a jeat checkpoint of this version: {reason}{then}"
        ) from error
    made.start, made.about, made.chain = start, about, chain
    with torch.inference_mode(False):
        whole: LoadedNet = made.to(memory_format=torch.channels_last).eval()
    check_same_logits(whole, file)
    return whole


def _spec(header: Mapping[str, Any]) -> Spec:
    """The spec that a file keeps."""
    return Spec(**header["spec"] | {"classes": tuple(header["spec"]["classes"])})


def _chain(kept: dict[str, Any]) -> Chain:
    """The chain that a file keeps; version 0.1.0 wrote these three of its fields."""
    if missing := {"steps", "step_size", "noise"} - dict(kept).keys():
        raise ValueError(f"its chain has no {min(missing)}")
    chain = Chain(**kept)
    check_named_by_file(chain.sampler, "sampler")
    return chain


def _start(header: Mapping[str, Any], tensors: Mapping[str, Tensor], spec: Spec) -> Start | None:
    """The start that a file keeps. Version 0.1.0 knew one kind, and wrote its grain alone."""
    kept = {k.removeprefix("start."): v.float() for k, v in tensors.items() if k[:6] == "start."}
    if "start" in header:
        plain = dict(header["start"])
    elif kept:
        plain = {"name": "gaussian", "grain": int(header["grain"]), "shape": spec.shape}
    else:
        return None
    kind = find(_STARTS, str(plain.pop("name")), "start", by_file=True)
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in plain.items()} | kept
    if odd := values.keys() ^ {f.name for f in fields(kind)}:
        verb = "has" if min(odd) in values else "lacks"
        raise ValueError(f"its start {verb} start.{min(odd)}, unlike a {kind.__name__}")
    start: Start = kind(**values)
    return start


def _check_size(spec: Spec, weights: dict[str, Tensor]) -> None:
    """Refuse a header that asks for another net than its weights are of: for more, perhaps, than
    there is memory. A few nets of libraries, and code of one's own, are made before they are seen.
    """
    try:
        with torch.device("meta"):
            made = build(spec, by_file=True)
    except SettingError as error:
        if "meta tensor" not in str(error):
            raise
        return
    _check_weights(made, weights)


def _check_weights(net: nn.Module, weights: dict[str, Tensor]) -> None:
    """Refuse weights that are not this net's, or not finite, by a ValueError."""
    own, weights = net.state_dict(), by_name(net, weights)
    odd = [k for k in own.keys() | weights.keys() if k not in own or k not in weights]
    odd += [k for k in own.keys() & weights.keys() if own[k].shape != weights[k].shape]
    if odd:
        raise OtherNetError(
            f"its weights are of another architecture than {spec_of(net).name}: "
            f"{len(odd)} tensors do not fit, such as {min(odd)}"
        )
    if bad := [k for k, v in weights.items() if v.is_floating_point() and not v.isfinite().all()]:
        raise ValueError(f"its weights are not finite: {bad[0]}")
