"""A net in one safe file, safetensors whose header says which net it is; and finding that file."""

from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from jeat._checks import check_not_negative, is_whole
from jeat._files import expanded
from jeat._hub import pinned
from jeat._sealed import file_sum, load_sealed, save_sealed
from jeat.nets import Spec, build, spec_of
from jeat.samplers import Chain, ClassGaussian, Start

__all__ = [
    "checkpoint_of", "checkpoints", "digest", "load", "load_net", "load_weights", "newest",
    "save_net", "shipped",
]  # fmt: skip


def save_net(
    net: nn.Module,
    start: Start | None,
    file: Path,
    *,
    about: dict[str, Any],
    chain: Chain | None = None,
    precision: Literal["fp32", "fp16"] = "fp32",
) -> None:
    """Write the weights of ``net`` (of :func:`jeat.nets.build`), its spec, start and ``about``.

    ``chain`` is what :func:`jeat.sample` draws by where it is not told otherwise. Numbers are
    rounded to ``precision`` where that can hold them; a net that is loaded computes in fp32.
    """
    tensors = {f"net.{k}": v for k, v in net.state_dict().items()}
    header: dict[str, Any] = {"spec": asdict(spec_of(net)), "about": about}
    if chain:
        header["chain"] = chain
    if isinstance(start, ClassGaussian):
        tensors |= {"start.mean": start.mean, "start.factor": start.factor}
        header["grain"] = start.grain
    if precision == "fp16":
        halves = {k: v.half() for k, v in tensors.items() if v.is_floating_point()}
        tensors |= {k: h for k, h in halves.items() if h.isfinite().all()}  # else too large
    save_sealed(file, header, tensors)


def load(name_or_path: str | Path) -> nn.Module:
    """A net in eval mode, taking images in [0, 1].

    Args:
        name_or_path: a run directory, one of its checkpoints, a checkpoint file, a shipped name
            (``jeat.shipped()``), or ``owner/name@COMMIT``, a commit of a Hugging Face hub
            repository that holds ``net.safetensors``.

    Raises:
        FileNotFoundError: nothing of that name.
        ValueError: a file that is no checkpoint of this package.
    """
    return load_net(file_of(name_or_path))


def file_of(name_or_path: str | Path) -> Path:
    """The file that :func:`load` reads.

    Raises:
        FileNotFoundError: nothing of that name.
    """
    if not isinstance(name_or_path, str | Path) or not str(name_or_path):
        raise FileNotFoundError(
            f"{name_or_path!r} names no net; shipped nets: {', '.join(shipped()) or 'none'}"
        )
    path = expanded(name_or_path)
    if (path / "net.safetensors").is_file():
        return path / "net.safetensors"
    if path.is_dir():
        return checkpoint_of(path) / "net.safetensors"
    if path.is_file():
        return path
    if str(name_or_path) in shipped():
        return shipped()[str(name_or_path)]
    hub = pinned(str(name_or_path))
    if hub and not path.parent.exists():  # else a misspelt path
        name, commit = hub
        if commit is None:
            raise FileNotFoundError(
                f"there is no {name} here; a net of the hub is named with its commit, as "
                f"{name}@COMMIT (40 digits, from huggingface.co/{name}/commits/main)"
            )
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import HfHubHTTPError

        try:
            return Path(hf_hub_download(name, "net.safetensors", revision=commit))
        except (OSError, HfHubHTTPError) as error:
            raise FileNotFoundError(
                f"there is no {name_or_path} here, and the hub gives no such net"
            ) from error
    names = ", ".join(shipped()) or "none"
    raise FileNotFoundError(f"no net at {name_or_path}; shipped nets: {names}")


def digest(name_or_path: str | Path) -> str:
    """The first 16 digits of the SHA-256 of the file that :func:`load` reads."""
    return file_sum(file_of(name_or_path))[:16]


def load_net(file: Path) -> nn.Module:
    """The net in ``file``, in eval mode, with its ``spec``, ``start``, ``chain`` and ``about``.

    Raises:
        ValueError: not a checkpoint of this package, or one whose weights do not fit its spec.
    """
    try:
        header, tensors = load_sealed(file)
        fields, about = header["spec"], dict(header["about"])
        spec = Spec(**fields | {"classes": tuple(fields["classes"])})
        chain = _chain(header["chain"]) if "chain" in header else None
        grain = int(header["grain"]) if "start.mean" in tensors else 0
        weights = {k.removeprefix("net."): v for k, v in tensors.items() if k.startswith("net.")}
        with torch.device("meta"):  # a header may ask for more than there is memory
            _check_fit(build(spec), weights)
        net, start = build(spec), None
        net.load_state_dict(weights)
        if grain:
            shape = (spec.channels, spec.size, spec.size)
            mean, factor = (tensors[f"start.{k}"].float() for k in ("mean", "factor"))
            start = ClassGaussian(mean, factor, shape, grain)
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{file} is not a jeat checkpoint of this version: {reason}") from error
    net.start, net.about, net.chain = start, about, chain  # type: ignore[assignment]  # plain values
    return net.to(memory_format=torch.channels_last).eval()


def _chain(kept: dict[str, Any]) -> Chain:
    steps, step_size, noise = kept["steps"], kept["step_size"], kept["noise"]
    check_not_negative(step_size=step_size, noise=0 if noise is None else noise)
    if not is_whole(steps, 1) or steps > 100_000 or not step_size:
        raise ValueError(f"no chain draws by {steps} steps of {step_size}")
    return {"steps": steps, "step_size": step_size, "noise": noise}


def checkpoints(run: Path) -> list[Path]:
    """The checkpoints of a run directory, in order."""
    return sorted(p for p in (run / "checkpoints").glob("*") if p.name.isdecimal())


def newest(run: Path) -> Path | None:
    """The last checkpoint of a run directory; None where there is none yet."""
    return next(reversed(checkpoints(run)), None)


def checkpoint_of(run: Path) -> Path:
    """The last checkpoint of a run directory.

    Raises:
        FileNotFoundError: there is none.
    """
    if (found := newest(run)) is None:
        raise FileNotFoundError(f"{run} is no run directory: it holds no checkpoint")
    return found


def load_weights(net: nn.Module, source: nn.Module) -> None:
    """Copy the weights of ``source`` into ``net``.

    Raises:
        ValueError: they are of another architecture; class names may differ.
    """
    own, other = asdict(spec_of(net)), asdict(spec_of(source))
    own["classes"], other["classes"] = len(own["classes"]), len(other["classes"])
    if odd := [f"{k} {other[k]} and not {own[k]}" for k in own if own[k] != other[k]]:
        raise ValueError(f"the weights are of another architecture: {', '.join(odd)}")
    net.load_state_dict(source.state_dict())


def shipped() -> dict[str, Path]:
    """The checkpoints inside the package, by name."""
    folder = Path(str(files("jeat") / "weights"))
    return {f.stem: f for f in sorted(folder.glob("*.safetensors"))}


def _check_fit(net: nn.Module, weights: dict[str, Tensor]) -> None:
    """Refuse weights that are not this net's, or not finite, by a ValueError."""
    own = net.state_dict()
    odd = [k for k in own.keys() | weights.keys() if k not in own or k not in weights]
    odd += [k for k in own.keys() & weights.keys() if own[k].shape != weights[k].shape]
    if odd:
        raise ValueError(
            f"its weights are of another architecture than {spec_of(net).name}: "
            f"{len(odd)} tensors do not fit, such as {min(odd)}"
        )
    if bad := [k for k, v in weights.items() if v.is_floating_point() and not v.isfinite().all()]:
        raise ValueError(f"its weights are not finite: {bad[0]}")
